"""Edits past the API: recorded as changes, shown, and adopted or undone.

Whoever comes first records an edit: the change compares the layer's head and every key that it records, so of
several API processes one succeeds and the others find nothing left to do. What takes so much away that agents hold
it is not recorded, since the record would vouch for it; `resume`, an adoption or an undo does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from confd.diff import Difference, diff
from confd.envrules import holds_edits_of, rules_of
from confd.errors import NotFound, Refused
from confd.keys import Key, Layer, layers_of
from confd.model import EMPTY, Change, ChangeKind, Entry, Head, Snapshot, frozen
from confd.outofband import HELD_NOTE, OUT_OF_BAND, edits_held, unrecorded, unvouched, vouched_head
from confd.ports import Expect, Put
from confd.services import changes
from confd.services.checking import check
from confd.services.context import Context
from confd.services.dependents import reached_places
from confd.services.gate import asking
from confd.services.places import Place, places_of
from confd.services.reach import check_reach, check_shrink, reached, shrinks
from confd.services.scope import Scope
from confd.services.settings import Edit, Written, difference_document
from confd.shrink import is_shrink, shows_all

__all__ = ["adopt", "in_effect", "read", "record", "undo", "waiting", "waits"]

RECORDED_NOTE = "it was put straight into the store"
AT_ONCE = changes.MAX_CHECKED_KEYS
"""So many keys are recorded as one change: every one of them is compared."""

Texts = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class _Known:
    """What records tell of a key: the text that the newest left, what was vouched for, and whether it is held."""

    newest: str | None = None
    vouched: str | None = None
    held: bool = False


def waits(snapshot: Snapshot, layer: Layer) -> bool:
    """Whether there may be something to record, or to vouch for; a look that costs no read."""
    held = bool(snapshot.heads.get(layer, Head()).held)
    return bool(unrecorded(snapshot, layer)) or held or not shows_all(snapshot, layer)


def _known(context: Context, layer: Layer, number: int, keys: Iterable[str]) -> dict[str, _Known]:
    """What the layer's records tell of some keys, the newest of them first."""
    wanted = set(keys)
    found, left = {key: _Known() for key in wanted}, set(wanted)
    seen = set[str]()
    for change in changes.newest_first(context, layer, number) if wanted else ():
        if change.kind is not ChangeKind.SETTINGS:
            continue
        held = change.note == HELD_NOTE
        for key in left & change.after.keys():
            newest = found[key].newest if key in seen else change.after[key]
            vouched = change.before.get(key) if held else change.after[key]
            found[key] = _Known(newest, vouched, found[key].held or held)
            seen.add(key)
            left -= set() if held else {key}
        if not left:
            break
    return found


# --- recording --------------------------------------------------------------------------------------------


def record(context: Context, layer: Layer) -> int:
    """Record what stands in the layer past the API; returns how many changes that took.

    Raises `Conflict` where another process was faster, and what the store raises.
    """
    count = 0
    with context.writing(layer):
        while _record_some(context, context.snapshot(), layer):
            count += 1
    return count


def _record_some(context: Context, snapshot: Snapshot, layer: Layer) -> bool:
    """Record the first of the edits as one change; False: there is none left."""
    head = snapshot.heads.get(layer, Head())
    now = {key: entry.text for key, entry in snapshot.layers.get(layer, EMPTY).items()}
    waiting, gone = unvouched(snapshot, layer), _gone(context, snapshot, layer)
    known = _known(context, layer, head.number, waiting | gone.keys())
    edits = diff({key: one.newest for key, one in known.items()}, {key: now.get(key) for key in known})
    holds = holds_edits_of(snapshot, layer)
    if not edits:
        held = sorted(key for key in waiting if holds and known[key].held and known[key].vouched != now.get(key))
        if unrecorded(snapshot, layer) or held != sorted(head.held):
            _vouch(context, snapshot, layer, replace(head, since=snapshot.revision, held=tuple(held)))
        return False
    some = edits[:AT_ONCE]
    change = changes.draft(
        layer,
        {one.key: one.before for one in some},
        {one.key: one.after for one in some},
        author=OUT_OF_BAND,
        message="",
        note=HELD_NOTE if holds else RECORDED_NOTE,
        at="",
    )
    held = [one.key for one in some if holds and known[one.key].vouched != one.after]
    changes.commit(context, snapshot, replace(change, edited=_edited(snapshot, layer, some)), held)
    return True


def _edited(snapshot: Snapshot, layer: Layer, edits: Iterable[Difference]) -> int:
    """The revision of the first of the edits; of keys that went none is known."""
    entries = snapshot.layers.get(layer, EMPTY)
    return min((entries[one.key].mod_revision for one in edits if one.key in entries), default=snapshot.revision)


def _gone(context: Context, snapshot: Snapshot, layer: Layer) -> dict[str, str]:
    """What went from the layer past the API, unless it is so much that agents hold it."""
    lost = changes.lost(context, snapshot, layer)
    if not lost:
        return {}
    now, before = snapshot.layers.get(layer, EMPTY).keys(), _with(snapshot, layer, lost)
    too_much = is_shrink(now | lost.keys(), now) or shrinks(before, snapshot, places_of(before, layer))
    return {} if too_much else lost


def _vouch(context: Context, snapshot: Snapshot, layer: Layer, head: Head) -> None:
    """What stands there is what the records say: written again as it was, or not held any more."""
    key = context.keyspace.head(layer)
    context.wrote(context.store.commit([Put(key, changes.head_text(head))], [Expect(key, head.revision)]))


def _with(snapshot: Snapshot, layer: Layer, texts: Texts) -> Snapshot:
    """The snapshot with other texts in the layer, for all of which a change vouches."""
    entries = dict(snapshot.layers.get(layer, EMPTY))
    for key, text in texts.items():
        if text is None:
            entries.pop(key, None)
        else:
            entries[key] = Entry(key, text, snapshot.revision)
    heads = {**snapshot.heads, layer: vouched_head(snapshot, layer, texts)}
    return replace(snapshot, layers=frozen({**snapshot.layers, layer: frozen(entries)}), heads=frozen(heads))


# --- reading ----------------------------------------------------------------------------------------------


def waiting(snapshot: Snapshot, place: Place) -> list[dict[str, Any]]:
    """The keys of each layer that reaches a place for which no change vouches."""
    found = ((layer, unvouched(snapshot, layer)) for layer in layers_of(place.env, place.app, place.host))
    return [{"layer": str(layer), "keys": sorted(keys)} for layer, keys in found if keys]


def _edits(context: Context, snapshot: Snapshot, layer: Layer) -> tuple[Texts, Texts]:
    """Of each edit for which no change vouches what was vouched for before, and what stands there now."""
    now = {key: entry.text for key, entry in snapshot.layers.get(layer, EMPTY).items()}
    keys = unvouched(snapshot, layer) | changes.lost(context, snapshot, layer).keys()
    known = _known(context, layer, snapshot.heads.get(layer, Head()).number, keys)
    mine = {key: one.vouched for key, one in known.items() if one.vouched != now.get(key)}
    return mine, {key: now.get(key) for key in mine}


def read(context: Context, snapshot: Snapshot, scope: Scope) -> dict[str, Any]:
    """The edits of the scope's own layer that nobody has adopted or undone, and what the env does with such."""
    before, after = _edits(context, snapshot, scope.layer)
    return {
        "revision": snapshot.revision,
        "layer": str(scope.layer),
        "out_of_band": rules_of(snapshot, scope.env).out_of_band,
        "diff": difference_document(diff(before, after)),
    }


def in_effect(context: Context, snapshot: Snapshot, place: Place) -> Snapshot:
    """The snapshot without the edits that the place's env holds. Raises `Unavailable`."""
    if not any(edits_held(snapshot, place.env, place.app, place.host)):
        return snapshot
    now = snapshot
    for layer in layers_of(place.env, place.app, place.host):
        before, _ = _edits(context, snapshot, layer)
        now = _with(now, layer, before) if before else now
    return now


# --- adopting and undoing -----------------------------------------------------------------------------------


def adopt(context: Context, scope: Scope, wanted: Edit) -> Written:
    """Vouch for the edits as they stand: agents act on them, and they are checked like any write.

    Raises `NotFound` where there is none, `Refused` where an env asks for approval, and all of `settings.edit`.
    """
    return context.decided(scope.layer, lambda snapshot: _adopt(context, snapshot, scope, wanted))


def _adopt(context: Context, snapshot: Snapshot, scope: Scope, wanted: Edit) -> Written:
    before, after = _found(context, snapshot, scope)
    asks = asking(snapshot, scope.layer)
    if asks:  # else whoever can write into etcd has a way round it
        raise Refused(
            f"{', '.join(asks)} asks for approval, which an edit in etcd has not: undo it (confctl outofband "
            f"{scope.app} --undo), and propose what is wanted of it"
        )
    return _settle(context, (_with(snapshot, scope.layer, before), snapshot), scope, wanted, (before, after))


def undo(context: Context, scope: Scope, wanted: Edit) -> Written:
    """Bring back what stood there before the edits, as a new change. What they brought may go without force.

    Raises `NotFound` where there is none, and all of `settings.edit`.
    """
    return context.decided(scope.layer, lambda snapshot: _undo(context, snapshot, scope, wanted))


def _undo(context: Context, snapshot: Snapshot, scope: Scope, wanted: Edit) -> Written:
    before, after = _found(context, snapshot, scope)
    note = replace(wanted, note="undone: what was put straight into the store", force=True)
    return _settle(context, (snapshot, snapshot), scope, note, (after, before))


def _found(context: Context, snapshot: Snapshot, scope: Scope) -> tuple[Texts, Texts]:
    before, after = _edits(context, snapshot, scope.layer)
    if not before:
        raise NotFound(
            f"layer {scope.layer} has no edit past the API that waits; `confctl history {scope.app} "
            f"--author {OUT_OF_BAND}` lists those that are recorded, and `confctl rollback` takes one back"
        )
    return before, after


def _settle(
    context: Context, seen: tuple[Snapshot, Snapshot], scope: Scope, wanted: Edit, texts: tuple[Texts, Texts]
) -> Written:
    """One change from the first texts to the second; `seen`: what it is checked against, and what it is made on."""
    (compared, snapshot), (before, after), layer = seen, texts, scope.layer
    wanted.check(snapshot)
    differences, then = diff(before, after), _with(snapshot, layer, after)
    places = reached_places(compared, then, layer, after)
    keys = [Key(one.key) for one in differences]
    warnings = check(context, (compared, then), places, scope, keys)
    reaches, gone = reached(context, then, places), shrinks(compared, then, places)
    number = snapshot.heads.get(layer, Head()).number
    if wanted.dry_run:
        told = [f"{one}: that needs force (confctl: --force)" for one in gone if not wanted.force]
        return Written(number, snapshot.revision, differences, reaches, (*warnings, *told), then)
    check_shrink(gone, wanted.force)
    check_reach(reaches, wanted.yes)
    stored, revision = changes.commit(context, snapshot, _change(layer, before, after, wanted))
    return Written(stored.number, revision, differences, reaches, warnings, then)


def _change(layer: Layer, before: Texts, after: Texts, wanted: Edit) -> Change:
    note = wanted.note or "adopted: what was put straight into the store"
    return changes.draft(layer, before, after, author=wanted.author, message=wanted.message, note=note, at="")
