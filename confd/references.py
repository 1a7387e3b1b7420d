"""References between settings in values: `${db/host}` within the app, `${db:host}` to a setting of another app.

A reference stands for the effective value in the same env, on the same host. A string that is one reference and
nothing else takes the value as it is, a number or an object too; within other text stands what a variable of it
would hold. References stand in any string of a value, never in names of members; those of run options are as good
as others. `$${` is a plain `${`. What has not the form of a reference, as `${VAR:-x}`, stays as it is, and a write
that brings it in warns of it.

A write is refused that leaves a reference to what is not set, or a circle, with the way there (`a -> b -> c ->
a`); a chain of more than 64; and what would be more than 512 KiB as JSON, or 8 MiB in all that references bring
into one app. What comes past the checks is a problem of its key: a running container keeps all its values, a first
start leaves the key out. What refers to a secret, however far, is a secret. A change of a key reaches the
containers whose settings come to it, and no others.

Pure: effective settings of apps in, those with their references resolved out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from confd import jsontext
from confd.errors import Malformed
from confd.jsontext import Value
from confd.keys import App, Env, Host, Key, Layer, layers_of, parse_key
from confd.model import Problem, Resolved, Setting, Snapshot, frozen
from confd.resolve import resolve

__all__ = [
    "MAX_CHAIN",
    "MAX_TEXT_BYTES",
    "MISSING",
    "Link",
    "Stamps",
    "effective",
    "linked_layers",
    "links_at",
    "links_in",
    "mentioned_in",
    "plain_text",
    "referred",
    "settings_by",
    "stamps",
    "strays",
]

MAX_CHAIN = 64
"""So many settings may refer to each other in a row."""

MAX_TEXT_BYTES = 512 * 1024
"""A value with its references resolved may be so long as JSON, as any value."""

MAX_FILLED = 8 * 1024 * 1024
"""So many characters may references bring into the values of one app, all together."""

MISSING = "missing"
"""The problem of a reference to what is not set."""

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_LINK = rf"\$\{{(?:(?P<app>[a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?):)?(?P<key>{_SEGMENT}(?:/{_SEGMENT})*)\}}"
_LOOKS_LINKED = re.compile(_LINK)
_TOKEN = re.compile(rf"(?P<escape>\$\$\{{)|(?P<container>\$\{{@[^}}]*(?:\}}|\Z))|{_LINK}")

Opening = Callable[[Resolved], Resolved]

Lookup = Callable[[App], Resolved]
"""The effective settings of another app in the same env, on the same host, as they are written."""


def _as_they_are(resolved: Resolved) -> Resolved:
    return resolved


class Link(NamedTuple):
    """What is referred to: a key of an app."""

    app: App
    key: Key


class _Container(NamedTuple):
    """A reference to a container, which whoever knows the containers resolves later (`confd.discovery`).

    One that does not end in its own setting is told there to be none, and ends there.
    """

    text: str


Piece = str | Link | _Container


# --- the grammar ------------------------------------------------------------------------------------------


def plain_text(value: Value) -> Value:
    """A value as it is to be written in a setting, so that nothing in it is a reference."""
    return jsontext.mapped(value, lambda text: text.replace("${", "$${"))


def strays(value: Value) -> list[str]:
    """What begins like a reference in the strings of a value, and stays as it is since it is none; shortened."""
    found: list[str] = []

    def look(text: str) -> str:
        for piece in _pieces(text, App("")):
            if isinstance(piece, str) and "${" in piece:
                found.extend("${" + part[:30].partition("}")[0] for part in piece.split("${")[1:])
        return text

    jsontext.mapped(value, look)
    return found


def _pieces(text: str, app: App, *, unescape: bool = False) -> Iterator[Piece]:
    """A string in pieces: plain text, and what it refers to; `app` is whose setting it is."""
    at = 0
    for found in _TOKEN.finditer(text):
        link = _link(found, app)
        if link is None:
            continue
        yield text[at : found.start()]
        if link != "":
            yield link
        elif unescape:
            yield "${"
        at = found.end()
    yield text[at:]


def mentioned_in(text: str) -> Iterator[tuple[str, str]]:
    """What a value's JSON text may refer to: the app (empty: its own) and the key; for a quick look at many."""
    if "${" in text:
        yield from ((found["app"] or "", found["key"]) for found in _LOOKS_LINKED.finditer(text))


def _link(found: re.Match[str], app: App) -> Piece | None:
    """What a match stands for; empty for an escape, None where it is no reference after all."""
    if found["escape"]:
        return ""
    if found["container"]:
        return _Container(found["container"].removesuffix("}") + "}")
    try:
        return Link(App(found["app"] or app), parse_key(found["key"]))
    except Malformed:
        return None


def _links(setting: Setting, app: App) -> list[Link]:
    """What a setting refers to itself, in the order of its text."""
    if "${" not in setting.text:
        return []
    found: dict[Link, None] = {}

    def look(text: str) -> str:
        found.update((piece, None) for piece in _pieces(text, app) if isinstance(piece, Link))
        return text

    jsontext.mapped(jsontext.parse(setting.text), look)
    return list(found)


# --- resolving --------------------------------------------------------------------------------------------


def effective(
    snapshot: Snapshot, env: Env, app: App, host: Host | None = None, opened: Opening = _as_they_are
) -> Resolved:
    """The effective settings of an app in an env, on a host where one is given, with references resolved.

    `opened`: what is done first to the settings of each app that is come to, as to open its secrets.
    """
    return referred(opened(resolve(snapshot, env, app, host)), settings_by(snapshot, env, host, opened))


def settings_by(snapshot: Snapshot, env: Env, host: Host | None, opened: Opening = _as_they_are) -> Lookup:
    """How other apps' settings are found."""
    return lambda app: opened(resolve(snapshot, env, app, host))


def referred(resolved: Resolved, lookup: Lookup) -> Resolved:
    """The settings with what they refer to. A key that refers to a secret is one.

    Which cannot be resolved is left out and told as a `Problem`. References to containers are left as they are.
    """
    if not any("${" in setting.text for setting in resolved.settings.values()):
        return resolved
    work = _Work(resolved, lookup)
    settings: dict[Key, Setting] = {}
    problems = list(resolved.problems)
    for key in resolved.settings:
        try:
            settings[key] = work.setting(Link(resolved.app, key), ())
        except _Broken as broken:
            problems.append(Problem(broken.code, (key,), work.words(broken, resolved.app)))
    return replace(resolved, settings=frozen(settings), problems=tuple(problems))


class _Broken(Exception):
    """A setting that cannot be resolved, and the way there; the last of it is what is wrong."""

    def __init__(self, code: str, way: tuple[Link, ...], why: str) -> None:
        super().__init__(why)
        self.code, self.way, self._why = code, way, why

    def words(self, home: App) -> str:
        names = [link.key if link.app == home else f"{link.app}:{link.key}" for link in self.way]
        if self.code == MISSING and len(names) == 2:
            return f"{names[0]} refers to {names[1]}, which is not set; {self._why}"
        if len(names) == 1:
            return f"{names[0]} {self._why}"
        way = names if len(names) <= 8 else [*names[:4], "...", *names[-3:]]
        return f"{names[0]}: {' -> '.join(way)} {self._why}"


class _Work:
    """Resolves each setting once; what fails, fails for each that comes to it by its own way."""

    def __init__(self, resolved: Resolved, lookup: Lookup) -> None:
        self._lookup = lookup
        self._apps = {resolved.app: resolved}
        self._done: dict[Link, Setting] = {}
        self._left = MAX_FILLED

    def setting(self, link: Link, way: tuple[Link, ...]) -> Setting:
        """`way`: who refers to whom, down to this one. Raises `_Broken`."""
        if link in self._done:
            return self._done[link]
        here = (*way, link)
        if link in way:
            raise _Broken("reference", here, "goes round in a circle; leave one of these references out")
        setting = self._written(link)
        if setting is None:
            how = "" if len(here) == 2 else "is not set; "
            raise _Broken(MISSING, here, f"{how}set it, change what refers to it, or write $${{ for a plain ${{")
        if len(here) > MAX_CHAIN:
            raise _Broken("reference", here, f"is a chain of more than {MAX_CHAIN} references; refer more directly")
        if _links(setting, link.app):
            setting = self._resolved(setting, here)
        self._done[link] = setting
        return setting

    def words(self, broken: _Broken, home: App) -> str:
        """What is wrong; of what stands in a secret not even the names."""
        referring = [self._written(link) for link in broken.way[:-1]]
        if any(setting is not None and setting.secret for setting in referring):
            return f"{broken.way[0].key} comes to a secret in which a reference is none; $${{ there is a plain ${{"
        return broken.words(home)

    def spend(self, characters: int, way: tuple[Link, ...]) -> None:
        """Raises `_Broken` once references have brought in more than they may."""
        self._left -= characters
        if self._left < 0:
            why = f"and the app's other references bring in more than {MAX_FILLED} characters; refer to less"
            raise _Broken("reference", way, why)

    def _written(self, link: Link) -> Setting | None:
        if link.app not in self._apps:
            self._apps[link.app] = self._lookup(link.app)
        return self._apps[link.app].settings.get(link.key)

    def _resolved(self, setting: Setting, way: tuple[Link, ...]) -> Setting:
        filling = _Filling(self, way)
        value = jsontext.mapped(jsontext.parse(setting.text), filling.of_text)
        text = jsontext.dump(value)
        try:
            jsontext.parse(text)
        except Malformed as error:
            raise _Broken("reference", way, f"with what it refers to: {error.detail}") from error
        if len(text.encode()) > MAX_TEXT_BYTES:
            raise _too_long(way)
        secret, brought = setting.secret or bool(filling.brought), tuple(filling.brought)
        return replace(setting, text=text, secret=secret, written=setting.text, brought=brought)


class _Filling:
    """Fills the strings of one value."""

    def __init__(self, work: _Work, way: tuple[Link, ...]) -> None:
        self._work = work
        self._way = way
        self._size = 0
        self.brought: dict[str, None] = {}

    def of_text(self, text: str) -> Value:
        pieces = [piece for piece in _pieces(text, self._way[-1].app, unescape=True) if piece != ""]
        if len(pieces) == 1 and isinstance(pieces[0], Link):
            return jsontext.parse(self._text(pieces[0]))
        filled: list[str | _Container] = []
        for piece in pieces:
            filled += self._variable(piece) if isinstance(piece, Link) else [piece]
        return self._joined(filled)

    def _text(self, link: Link) -> str:
        setting = self._work.setting(link, self._way)
        if setting.secret:
            self.brought.update(dict.fromkeys((setting.text, *setting.brought)))
        self._work.spend(len(setting.text), self._way)
        self._size += len(setting.text)
        if self._size > 2 * MAX_TEXT_BYTES:  # within another text it may be shorter than as JSON
            raise _too_long(self._way)
        return setting.text

    def _variable(self, link: Link) -> list[str | _Container]:
        """What a variable of a setting would hold, in pieces; no reference to a setting is left in it."""
        text = self._text(link)
        if text.startswith('"'):
            text = str(jsontext.parse(text))
        elif "${" in text:
            text = jsontext.dump(_plain_names(jsontext.parse(text)))
        return [piece for piece in _pieces(text, link.app, unescape=True) if not isinstance(piece, Link)]

    def _joined(self, pieces: list[str | _Container]) -> str:
        """One string again, in which what is plain text can be nothing else."""
        text, plain = "", ""
        for piece in pieces:
            if isinstance(piece, str):
                plain += piece
                continue
            if plain.endswith("$"):
                why = "ends with $ before a reference to a container, where that would be an escape; part them"
                raise _Broken("reference", self._way, why)
            text += plain.replace("${", "$${") + piece.text
            plain = ""
        return text + plain.replace("${", "$${")


def _plain_names(value: Value) -> Value:
    """The value with names of members in which nothing is taken for a reference."""
    if isinstance(value, Mapping):
        return {name.replace("${", "$${"): _plain_names(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_names(item) for item in value]
    return value


def _too_long(way: tuple[Link, ...]) -> _Broken:
    return _Broken("reference", way, f"would be more than {MAX_TEXT_BYTES} bytes as JSON with what it refers to")


# --- who refers to whom -----------------------------------------------------------------------------------


def links_in(resolved: Resolved, lookup: Lookup, keys: Mapping[Key, Setting] | None = None) -> list[Link]:
    """All that the settings, or these of them, come to by their references; also what is not set."""
    apps = {resolved.app: resolved}
    chosen = resolved.settings if keys is None else keys
    found = dict.fromkeys(link for setting in chosen.values() for link in _links(setting, resolved.app))
    waiting = list(found)
    for link in waiting:
        if link.app not in apps:
            apps[link.app] = lookup(link.app)
        setting = apps[link.app].settings.get(link.key)
        if setting is not None:
            fresh = [one for one in _links(setting, link.app) if one not in found]
            found.update(dict.fromkeys(fresh))
            waiting += fresh
    return waiting


def links_at(snapshot: Snapshot, env: Env, app: App, host: Host | None = None) -> list[Link]:
    """All that the effective settings of an app come to by their references."""
    return links_in(resolve(snapshot, env, app, host), settings_by(snapshot, env, host))


Stamps = Mapping[Link, tuple[int, ...]]


def stamps(snapshot: Snapshot, env: Env, app: App, host: Host | None = None) -> Stamps:
    """What an app's settings come to in other apps, and when each layer's entry of it was written.

    0: there is none. Equal stamps: nothing that they refer to there was changed.
    """
    links = [link for link in links_at(snapshot, env, app, host) if link.app != app]
    return {link: tuple(_written_at(snapshot, env, link, host)) for link in links}


def _written_at(snapshot: Snapshot, env: Env, link: Link, host: Host | None) -> Iterator[int]:
    for layer in layers_of(env, link.app, host):
        entry = snapshot.layers.get(layer, {}).get(link.key)
        yield entry.mod_revision if entry is not None else 0


def linked_layers(snapshot: Snapshot, env: Env, app: App, host: Host | None = None) -> tuple[Layer, ...]:
    """The layers that reach an app in an env, and those that reach the apps to which its settings refer."""
    apps = dict.fromkeys([app, *(link.app for link in links_at(snapshot, env, app, host))])
    return tuple(dict.fromkeys(layer for one in apps for layer in layers_of(env, one, host)))
