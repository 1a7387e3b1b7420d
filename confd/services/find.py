"""Find: settings of all apps and envs by their key or value. A secret's value is never compared with anything.

A word without `*` and `?` is found anywhere in a key or value; with them it is a pattern for the whole of it.
Neither is a regular expression, so that no pattern can hold the server up.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from confd import jsontext
from confd.errors import Malformed
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env, Host, Layer, matches
from confd.model import Setting, Snapshot
from confd.services.context import Context
from confd.services.places import Place, places_of
from confd.services.settings import effective_settings, own_settings, shown

__all__ = ["MAX_LIMIT", "Wanted", "find"]

MAX_LIMIT = 1_000
MAX_WILDCARDS = 4
MAX_CHARACTERS = 512
_WILD = re.compile(r"\*+|\?")

At = tuple[Env, App, str, str]
"""Where a setting stands: env, app, host or nothing, key. The order in which settings are told."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for: a word or pattern, in keys or else in values, and where.

    `effective`: in what apps are due in their envs, else in each layer. `after`: what the page before ended with.
    """

    pattern: str
    in_values: bool = False
    effective: bool = False
    env: Env | None = None
    app: App | None = None
    host: Host | None = None
    limit: int = 100
    after: str = ""


def find(context: Context, snapshot: Snapshot, wanted: Wanted) -> dict[str, Any]:
    """A page of the settings that match, by env, app, host and key; `next` continues it, where there are more.

    Raises `Malformed` for a pattern that is too long or has too many wildcards.
    """
    hit, after = _test(wanted), _cursor(wanted.after)
    settings = _effective(snapshot, wanted) if wanted.effective else _own(snapshot, wanted)
    found = ((at, one) for at, one in settings if at > after and hit(one))
    page = list(islice(found, wanted.limit + 1))
    told = page[: wanted.limit]
    rows = [
        {"env": at[0], "app": at[1], "host": at[2] or None, "key": at[3], **shown(context, snapshot, one)}
        for at, one in told
    ]
    more = "|".join(told[-1][0]) if len(page) > len(told) and told else None
    return {"revision": snapshot.revision, "settings": rows, "truncated": more is not None, "next": more}


def _test(wanted: Wanted) -> Callable[[Setting], bool]:
    """Whether a setting is one that is looked for."""
    pattern = wanted.pattern
    if not pattern or len(pattern) > MAX_CHARACTERS:
        raise Malformed(f"the pattern is 1 to {MAX_CHARACTERS} characters", pointer=_pointer(wanted))
    wild = len(_WILD.findall(pattern))
    if wild > MAX_WILDCARDS:
        raise Malformed(f"the pattern has {wild} wildcards; use {MAX_WILDCARDS} at most", pointer=_pointer(wanted))
    if not wanted.in_values:
        return lambda one: matches(pattern, one.key) if wild else pattern in one.key
    whole = re.compile(fnmatch.translate(pattern.replace("[", "[[]")))

    def in_value(one: Setting) -> bool:
        if one.secret:
            return False
        text = _text(one)
        return whole.match(text) is not None if wild else pattern in text

    return in_value


def _pointer(wanted: Wanted) -> str:
    return "/value" if wanted.in_values else "/key"


def _text(setting: Setting) -> str:
    """The value as it is searched: a string bare, all else as JSON."""
    value: Value = jsontext.parse(setting.text)
    return value if isinstance(value, str) else setting.text


def _cursor(after: str) -> At:
    parts = after.split("|") if after else ["", "", "", ""]
    if len(parts) != 4:
        raise Malformed("after is what `next` of the page before says", pointer="/after")
    return (Env(parts[0]), App(parts[1]), parts[2], parts[3])


def _own(snapshot: Snapshot, wanted: Wanted) -> Iterator[tuple[At, Setting]]:
    layers = [one for one in snapshot.layers if _within(wanted, one.env, one.app, one.host)]
    for layer in sorted(layers, key=_order):
        yield from (((*_order(layer), one.key), one) for one in own_settings(snapshot, layer))


def _effective(snapshot: Snapshot, wanted: Wanted) -> Iterator[tuple[At, Setting]]:
    everywhere = places_of(snapshot, Layer(Env(DEFAULT), App(DEFAULT)))
    for place in sorted(_asked(everywhere, wanted), key=_order):
        settings = sorted(effective_settings(snapshot, place), key=lambda one: one.key)
        yield from (((*_order(place), one.key), one) for one in settings)


def _asked(places: Iterable[Place], wanted: Wanted) -> Iterator[Place]:
    for one in places:
        if DEFAULT not in (one.env, one.app) and _within(wanted, one.env, one.app, one.host):
            yield one


def _within(wanted: Wanted, env: Env, app: App, host: Host | None) -> bool:
    return wanted.env in (None, env) and wanted.app in (None, app) and wanted.host in (None, host)


def _order(of: Layer | Place) -> tuple[Env, App, str]:
    return of.env, of.app, of.host or ""
