"""Settings: reading them, and the one way to write them, checked against everything the layer reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from confd import jsontext
from confd.diff import Difference, diff
from confd.errors import Conflict, Malformed, NotFound, Refused, TooLarge
from confd.jsontext import Value
from confd.keys import Key, Layer, layers_of, matches, parse_key
from confd.model import EMPTY, Change, Entry, Head, Setting, Snapshot, frozen
from confd.resolve import normal_text, resolve
from confd.secret import MASK
from confd.services import changes
from confd.services.checking import check
from confd.services.context import Context
from confd.services.places import places_of
from confd.services.reach import check_reach, check_shrink, reached, shrinks
from confd.services.scope import Scope

__all__ = [
    "Edit",
    "Written",
    "change_document",
    "difference_document",
    "edit",
    "own_settings",
    "parse_value",
    "read",
    "read_one",
    "rollback",
    "shown",
]

MAX_VALUE_BYTES = 512 * 1024
Check = Callable[[Snapshot], None]


@dataclass(frozen=True, slots=True)
class Edit:
    """What a write asks for. `force` lets it take many keys away.

    `check` sees the snapshot it is decided on, and raises `Stale` where it must.
    """

    set: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    unset: Sequence[str] = ()
    secret: Sequence[str] = ()
    message: str = ""
    author: str = ""
    dry_run: bool = False
    yes: bool = False
    force: bool = False
    note: str = ""
    check: Check = lambda snapshot: None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write. `change` and `revision` are those in effect when nothing was to be changed."""

    change: int
    revision: int
    differences: Sequence[Difference]
    reaches: Mapping[str, Any]
    warnings: Sequence[str] = ()
    after: Snapshot = field(default_factory=Snapshot)


# --- reading ----------------------------------------------------------------------------------------------


def read(
    context: Context, snapshot: Snapshot, scope: Scope, *, own: bool = False, keys: str = "**"
) -> dict[str, Any]:
    """The settings document of a scope."""
    if own:
        found = own_settings(snapshot, scope.layer)
    else:
        resolved = resolve(snapshot, scope.env, scope.app, scope.host)
        found = list(resolved.settings.values())
    settings = {s.key: shown(context, snapshot, s) for s in found if matches(keys, s.key)}
    change = snapshot.heads.get(scope.layer, Head()).number
    return {"revision": snapshot.revision, "change": change, "settings": settings}


def read_one(context: Context, snapshot: Snapshot, scope: Scope, key: Key, *, own: bool = False) -> dict[str, Any]:
    """One setting. Raises `NotFound`."""
    document = read(context, snapshot, scope, own=own)
    setting = document["settings"].get(key)
    if setting is None:
        where = f"layer {scope.layer}" if own else f"{scope.app} in {scope.env}"
        raise NotFound(f"{key} is not set in {where}; `confctl list {scope.app}` shows what is")
    return {"revision": document["revision"], "key": key, **setting}


def own_settings(snapshot: Snapshot, layer: Layer) -> list[Setting]:
    found: list[Setting] = []
    for name, entry in sorted(snapshot.layers.get(layer, {}).items()):
        try:
            text, secret = normal_text(entry.text)
            found.append(Setting(parse_key(name), text, secret, layer, entry.mod_revision))
        except Malformed:
            continue  # put there without us; `explain` and the containers' status tell of it
    return found


def shown(context: Context, snapshot: Snapshot, setting: Setting) -> dict[str, Any]:
    head = snapshot.heads.get(setting.layer, Head())
    known = changes.numbers(context, setting.layer, head) if head.number else {}
    value: Value = MASK if setting.secret else jsontext.parse(setting.text)
    return {
        "value": value,
        "secret": setting.secret,
        "layer": str(setting.layer),
        "change": known.get(setting.revision),
    }


# --- writing ----------------------------------------------------------------------------------------------


def parse_value(key: str, value: Value) -> str:
    """The text under which a value is stored. Raises `Malformed`, `Refused`, `TooLarge`, each naming the key."""
    text = jsontext.dump(value)
    if len(text.encode()) > MAX_VALUE_BYTES:
        size = len(text.encode())
        raise TooLarge(f"{key}: the value is {size} bytes as JSON; at most {MAX_VALUE_BYTES} are taken")
    try:
        text, secret = normal_text(text)
    except Malformed as error:
        raise Malformed(f"{key}: {error.detail}", pointer=jsontext.pointer("set", key)) from error
    if secret:
        detail = f"{key}: an object whose only member is $secret is reserved; use another name for the member"
        raise Malformed(detail, pointer=jsontext.pointer("set", key))
    return text


def edit(context: Context, scope: Scope, wanted: Edit) -> Written:
    """One change of one layer, decided again when somebody else was faster.

    Raises `Malformed`, `Invalid`, `Refused`, `NeedsYes`, `Shrinks`, `Stale`, `Conflict`, and what the store raises.
    """
    after = _parsed(wanted)
    return context.decided(scope.layer, lambda snapshot: _decide(context, snapshot, scope, wanted, after))


def rollback(context: Context, scope: Scope, to: int | None, wanted: Edit) -> Written:
    """A new change that brings the layer's settings back to what they were after change `to`.

    Without `to`: to the state before the newest change of settings; what that alone brought may go without force.
    Raises `NotFound` and all of `edit`.
    """
    snapshot, force = context.snapshot(), wanted.force or to is None
    if to is None:
        to = changes.before_newest(context, snapshot, scope.layer)
    old = changes.state_after(context, snapshot, scope.layer, to)
    now = {key: entry.text for key, entry in snapshot.layers.get(scope.layer, {}).items()}
    parsed = {key: jsontext.parse(normal_text(text)[0]) for key, text in old.items() if now.get(key) != text}
    gone = [key for key in now if key not in old]
    message = wanted.message or f"roll back to change {to}"
    seen = snapshot.heads.get(scope.layer, Head()).revision

    def unmoved(current: Snapshot) -> None:
        wanted.check(current)
        if current.heads.get(scope.layer, Head()).revision != seen:
            raise Conflict("the layer was changed meanwhile; look at its history and try again")

    again = replace(wanted, set=parsed, unset=gone, message=message, note=f"rollback to {to}", check=unmoved)
    return edit(context, scope, replace(again, force=force))


def _parsed(wanted: Edit) -> dict[str, str | None]:
    if wanted.secret:
        raise Refused(
            f"{', '.join(wanted.secret)}: secrets are refused until the server has a master key, "
            "which this release cannot be given yet; nothing was stored",
            pointer="/secret",
        )
    after: dict[str, str | None] = {}
    for name, value in wanted.set.items():
        after[_key(name, "set")] = parse_value(name, value)
    for name in wanted.unset:
        key = _key(name, "unset")
        if key in after:
            raise Malformed(f"{name} is both set and unset; keep one", pointer=jsontext.pointer("unset", name))
        after[key] = None
    return after


def _key(name: str, member: str) -> Key:
    try:
        return parse_key(name)
    except Malformed as error:
        raise Malformed(error.detail, pointer=jsontext.pointer(member, name)) from error


def _found(snapshot: Snapshot, scope: Scope, key: Key) -> str:
    """Where the key is set, of all layers that reach the scope, in words."""
    layers = [
        layer for layer in layers_of(scope.env, scope.app, scope.host) if key in snapshot.layers.get(layer, {})
    ]
    return f"it comes from {layers[-1]}" if layers else "nor in any other that reaches it"


def _decide(
    context: Context, snapshot: Snapshot, scope: Scope, wanted: Edit, asked: Mapping[str, str | None]
) -> Written:
    wanted.check(snapshot)
    layer = scope.layer
    now = snapshot.layers.get(layer, {})
    stored = {key: entry.text for key, entry in now.items()}
    for key in wanted.unset:
        if key not in stored and not wanted.note:
            raise NotFound(f"{key} is not set in layer {layer}; {_found(snapshot, scope, parse_key(key))}")
    differences = diff({key: stored.get(key) for key in asked}, asked)
    places = places_of(snapshot, layer)
    head = snapshot.heads.get(layer, Head())
    if not differences:
        reaches = reached(context, snapshot, places, layer)
        return Written(head.number, snapshot.revision, (), reaches, after=snapshot)
    edits = {one.key: one.after for one in differences}
    changes.check_size(edits)  # before the check, which takes long for what is too large
    after = _with(snapshot, layer, edits)
    warnings = check(context, snapshot, after, places, scope)
    reaches, gone = reached(context, after, places, layer), shrinks(snapshot, after, places)
    if wanted.dry_run:
        told = [f"{one}: that needs force (confctl: --force)" for one in gone if not wanted.force]
        return Written(head.number, snapshot.revision, differences, reaches, (*warnings, *told), after)
    check_shrink(gone, wanted.force)
    check_reach(reaches, wanted.yes)
    change = changes.draft(
        layer,
        {one.key: one.before for one in differences},
        edits,
        author=wanted.author,
        message=wanted.message,
        note=wanted.note,
        at="",
    )
    stored_change, revision = changes.commit(context, snapshot, change)
    return Written(stored_change.number, revision, differences, reaches, warnings, after)


def _with(snapshot: Snapshot, layer: Layer, edits: Mapping[str, str | None]) -> Snapshot:
    """The snapshot as it would be after the edits."""
    entries = dict(snapshot.layers.get(layer, {}))
    for key, text in edits.items():
        if text is None:
            entries.pop(key, None)
        else:
            entries[key] = Entry(key, text, snapshot.revision)
    return replace(snapshot, layers=frozen({**snapshot.layers, layer: frozen(entries)}))


def difference_document(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    """Differences as JSON members, values parsed; what is a secret's ciphertext is masked."""
    return [
        {"key": one.key, "action": one.action, "before": _value(one.before), "after": _value(one.after)}
        for one in differences
    ]


def _value(text: str | None) -> Value:
    if text is None:
        return None
    try:
        normal, secret = normal_text(text)
    except Malformed:
        return text
    return MASK if secret else jsontext.parse(normal)


def change_document(change: Change) -> dict[str, Any]:
    """A change as the API shows it."""
    return {
        "number": change.number,
        "layer": str(change.layer),
        "revision": change.revision,
        "kind": change.kind.value,
        "author": change.author,
        "message": change.message,
        "note": change.note,
        "at": change.at,
        "diff": difference_document(diff(change.before, change.after)),
    }
