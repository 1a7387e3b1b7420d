"""Settings: reading them, and the one way to write them, checked against everything the layer reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from confd import jsontext
from confd.diff import Difference, diff
from confd.errors import Conflict, Invalid, Malformed, NotFound, TooLarge
from confd.jsontext import Value
from confd.keyring import is_sealed, written_at
from confd.keys import Key, Layer, layers_of, matches, parse_key, show
from confd.model import EMPTY, Change, Entry, Head, Setting, Snapshot, frozen
from confd.outofband import is_unvouched, vouched_head
from confd.owned import Claim
from confd.references import strays
from confd.resolve import NULL, normal_text, resolve
from confd.secret import MASK
from confd.services import changes
from confd.services.checking import check
from confd.services.context import Context
from confd.services.dependents import reached_places
from confd.services.gate import Asked, Stored, asking, store
from confd.services.goodstates import previous_good
from confd.services.owning import store_claim
from confd.services.places import Place, places_of
from confd.services.reach import check_reach, check_shrink, needs_yes, reached, shrinks
from confd.services.referring import due_at
from confd.services.scope import Scope
from confd.services.sealing import Ciphertext, Marks, sealed
from confd.services.validating import secrets_among, typed_texts, versions_at

__all__ = [
    "Edit",
    "Written",
    "became",
    "change_document",
    "decide",
    "difference_document",
    "edit",
    "edit_on",
    "effective_settings",
    "own_settings",
    "parse_value",
    "read",
    "read_one",
    "rollback",
    "shown",
    "weigh",
]

MAX_VALUE_BYTES = 512 * 1024
Check = Callable[[Snapshot], None]


@dataclass(frozen=True, slots=True)
class Edit:
    """What a write asks for. `force` lets it take many keys away; `texts` get their types from the app's schema.

    `secret` are keys of `set` whose values nobody is to see, `plain` those that are secret and need not be any
    longer. `sealed` are set as well, and come as ciphertext: a rollback shows nothing to whoever asks for it.
    `check` sees the snapshot it is decided on, and raises `Stale` where it must. `claim`: whose the keys are then.
    """

    set: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    texts: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    unset: Sequence[str] = ()
    secret: Sequence[str] = ()
    plain: Sequence[str] = ()
    sealed: Mapping[str, Ciphertext] = field(default_factory=lambda: EMPTY)
    message: str = ""
    author: str = ""
    dry_run: bool = False
    yes: bool = False
    force: bool = False
    note: str = ""
    check: Check = lambda snapshot: None
    asked: Asked = field(default_factory=Asked)
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write. `change` and `revision` are those in effect when nothing was to be changed.

    `proposal` is what it has become where it waits for approval; a dry run tells of the envs that will ask for it.
    """

    change: int
    revision: int
    differences: Sequence[Difference]
    reaches: Mapping[str, Any]
    warnings: Sequence[str] = ()
    after: Snapshot = field(default_factory=Snapshot)
    proposal: str = ""
    approval: Sequence[str] = ()


# --- reading ----------------------------------------------------------------------------------------------


def read(
    context: Context, snapshot: Snapshot, scope: Scope, *, own: bool = False, keys: str = "**"
) -> dict[str, Any]:
    """The settings document of a scope."""
    found = own_settings(snapshot, scope.layer) if own else effective_settings(snapshot, scope.place)
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


def effective_settings(snapshot: Snapshot, place: Place) -> list[Setting]:
    """What is due, references to other settings resolved; what cannot be resolved as it is written."""
    resolved = resolve(snapshot, place.env, place.app, place.host)
    due = due_at(snapshot, place)
    return [_with_written(due.get(key, setting), setting) for key, setting in resolved.settings.items()]


def _with_written(due: Setting, stored: Setting) -> Setting:
    """What is due, with what was written where that is another text, and none to be hidden."""
    told = due.text != stored.text and not stored.secret
    return replace(due, written=stored.text if told else None)


def own_settings(snapshot: Snapshot, layer: Layer) -> list[Setting]:
    found: list[Setting] = []
    for name, entry in sorted(snapshot.layers.get(layer, {}).items()):
        try:
            text, secret = normal_text(entry.text)
            found.append(Setting(parse_key(name), text, secret, layer, written_at(entry)))
        except Malformed:
            continue  # put there without us; `explain` and the containers' status tell of it
    return found


def shown(context: Context, snapshot: Snapshot, setting: Setting) -> dict[str, Any]:
    value: Value = MASK if setting.secret else jsontext.parse(setting.text)
    waits = is_unvouched(snapshot, setting.layer, setting.key)
    shown = {
        "value": value,
        "secret": setting.secret,
        "layer": str(setting.layer),
        "change": changes.number_of(context, snapshot, setting.layer, setting.key),
        **({"out_of_band": True} if waits else {}),
    }
    return shown if setting.written is None else {**shown, "written": jsontext.parse(setting.written)}


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
    return context.decided(scope.layer, lambda snapshot: decide(context, snapshot, scope, wanted, after))


def edit_on(context: Context, snapshot: Snapshot, scope: Scope, wanted: Edit) -> Written:
    """As `edit`, decided on one snapshot, by whoever has to look at it first. Raises `Conflict` where it is old."""
    return decide(context, snapshot, scope, wanted, _parsed(wanted))


def rollback(context: Context, scope: Scope, to: int | None, wanted: Edit) -> Written:
    """A new change that brings the layer's settings back to what they were after change `to`.

    Without `to`: to the previous good one (`confd.services.goodstates`); what came since may go without force.
    Raises `NotFound` and all of `edit`.
    """
    snapshot, force = context.snapshot(), wanted.force or to is None
    if to is None:
        to = previous_good(context, snapshot, scope)
    old = changes.state_after(context, snapshot, scope.layer, to)
    now = {key: entry.text for key, entry in snapshot.layers.get(scope.layer, {}).items()}
    differ = {key: text for key, text in old.items() if now.get(key) != text}
    parsed = {key: jsontext.parse(normal_text(text)[0]) for key, text in differ.items() if not is_sealed(text)}
    kept = {key: Ciphertext(text, scope.layer) for key, text in differ.items() if is_sealed(text)}
    gone = [key for key in now if key not in old]
    message = wanted.message or f"roll back to change {to}"
    seen = snapshot.heads.get(scope.layer, Head()).revision

    def unmoved(current: Snapshot) -> None:
        wanted.check(current)
        if current.heads.get(scope.layer, Head()).revision != seen:
            raise Conflict("the layer was changed meanwhile; look at its history and try again")

    back = replace(wanted, set=parsed, sealed=kept, unset=gone, message=message, check=unmoved)
    return edit(context, scope, replace(back, note=f"rollback to {to}", force=force))


def _parsed(wanted: Edit) -> dict[str, str | None]:
    after: dict[str, str | None] = {key: one.text for key, one in wanted.sealed.items()}
    for name, value in wanted.set.items():
        after[_key(name, "set")] = parse_value(name, value)
    for name, text in wanted.texts.items():
        if _key(name, "texts") in after:
            raise Malformed(f"{name} is given twice; keep one", pointer=jsontext.pointer("texts", name))
        after[_key(name, "texts")] = parse_value(name, text)
    Marks(wanted.secret, wanted.plain).check(after)
    for name in wanted.unset:
        key = Key(name) if wanted.note else _key(name, "unset")  # a rollback takes away whatever was put there
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


def decide(
    context: Context, snapshot: Snapshot, scope: Scope, wanted: Edit, asked: Mapping[str, str | None]
) -> Written:
    """As `edit`, of texts as they stand in the store, decided on one snapshot; `Conflict` where that is old."""
    written, change = weigh(context, snapshot, scope, wanted, asked)
    if change is None:
        return written
    asks = replace(wanted.asked, claim=wanted.claim)
    return became(written, store(context, snapshot, change, asks, wanted.force))


def became(written: Written, stored: Stored) -> Written:
    """A write that was weighed, as it was stored or proposed."""
    return replace(written, change=stored.change, revision=stored.revision, proposal=stored.proposal)


def weigh(
    context: Context, snapshot: Snapshot, scope: Scope, wanted: Edit, asked: Mapping[str, str | None]
) -> tuple[Written, Change | None]:
    """What a write would do, checked, and the change that is to be stored; None in a dry run, or for nothing."""
    wanted.check(snapshot)
    layer = scope.layer
    given = typed_texts(snapshot, layer, wanted.texts)
    asked = {**asked, **{key: parse_value(key, jsontext.parse(text)) for key, text in given.items()}}
    sealing = sealed(
        context, snapshot, layer, (asked, _marks(snapshot, layer, wanted, asked)), dry_run=wanted.dry_run
    )
    snapshot, asked = sealing.snapshot, sealing.texts
    now = snapshot.layers.get(layer, {})
    stored = {key: entry.text for key, entry in now.items()}
    for key in wanted.unset:
        if key not in stored and not wanted.note:
            raise NotFound(f"{key} is not set in layer {layer}; {_found(snapshot, scope, parse_key(key))}")
    differences = diff({key: stored.get(key) for key in asked}, asked)
    head = snapshot.heads.get(layer, Head())
    if not differences:
        if wanted.claim and not wanted.dry_run:
            store_claim(context, snapshot, layer, wanted.claim)
        reaches = reached(context, snapshot, places_of(snapshot, layer))
        return Written(head.number, snapshot.revision, (), reaches, sealing.words, after=snapshot), None
    edits = {one.key: one.after for one in differences}
    changes.check_size(edits)  # before the check, which takes long for what is too large
    after = _with(snapshot, layer, edits)
    places = reached_places(snapshot, after, layer, edits)
    checked = check(context, (snapshot, after), places, scope, [parse_key(key) for key in edits])
    warnings = (*sealing.words, *checked, *_strays(edits))
    reaches = reached(context, after, places)
    takes = any(text in (None, NULL) for text in edits.values())
    gone = shrinks(snapshot, after, places) if takes else []
    written = Written(head.number, snapshot.revision, differences, reaches, warnings, after)
    if wanted.dry_run:
        told = [f"{one}: that needs force (confctl: --force)" for one in gone if not wanted.force]
        told += [] if wanted.yes else needs_yes(reaches)
        return replace(written, warnings=(*warnings, *told), approval=asking(snapshot, layer)), None
    check_shrink(gone, wanted.force)
    check_reach(reaches, wanted.yes)
    before = {one.key: one.before for one in differences}
    words = {"author": wanted.author, "message": wanted.message, "note": wanted.note}
    return written, changes.draft(layer, before, edits, **words, at="", schemas=versions_at(after, places))


def _marks(snapshot: Snapshot, layer: Layer, wanted: Edit, asked: Mapping[str, str | None]) -> Marks:
    """What the writer says of secrets, and the schemas of the apps that are reached, by `x-secret`, over it."""
    keys = [Key(key) for key, text in asked.items() if text not in (None, NULL) and key not in wanted.sealed]
    due = secrets_among(snapshot, places_of(snapshot, layer), keys)
    opposed = sorted(set(wanted.plain) & set(due))
    if opposed and not wanted.note:
        raise Invalid(
            f"{', '.join(opposed)}: the schema has it as a secret (x-secret), so it cannot be plain",
            pointer="/plain",
        )
    plain = [key for key in wanted.plain if key not in due]
    return Marks(tuple(dict.fromkeys([*wanted.secret, *due])), plain, wanted.sealed)


def _strays(edits: Mapping[str, str | None]) -> list[str]:
    """What looks like a reference and is none, in words."""
    found = {key: strays(jsontext.parse(text)) for key, text in edits.items() if text is not None and "${" in text}
    how = "is no reference, and stays as it is: those are ${KEY}, ${APP:KEY} and ${@CONTAINER:...}; $${ is plain"
    return [f"{key}: {show(words[0])} {how}" for key, words in found.items() if words]


def _with(snapshot: Snapshot, layer: Layer, edits: Mapping[str, str | None]) -> Snapshot:
    """The snapshot as it would be after the edits."""
    entries = dict(snapshot.layers.get(layer, {}))
    for key, text in edits.items():
        if text is None:
            entries.pop(key, None)
        else:
            entries[key] = Entry(key, text, snapshot.revision)
    heads = {**snapshot.heads, layer: vouched_head(snapshot, layer, edits)}
    return replace(snapshot, layers=frozen({**snapshot.layers, layer: frozen(entries)}), heads=frozen(heads))


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
        "schemas": dict(change.schemas),
        "diff": difference_document(diff(change.before, change.after)),
    }
