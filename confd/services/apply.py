"""Several manifests at once: all of them are read and checked before the first is written.

Each is a change of its own layer, in the order in which they stand, and is checked on what those before it leave.
So a set that is wrong anywhere writes nothing. What others write in between may still have a later one refused:
then the error says what was written by then and what was not, and applying the set again goes on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from confd import jsontext
from confd.errors import ConfdError, Malformed
from confd.jsontext import Value
from confd.keys import DEFAULT
from confd.model import EMPTY, Snapshot
from confd.services.context import Context
from confd.services.manifests import Manifest, parse_manifest
from confd.services.places import places_of
from confd.services.reach import MAX_CONTAINERS, SHOWN, check_reach, check_shrink, shrinks
from confd.services.settings import Edit, Written, difference_document

__all__ = ["apply"]


def apply(context: Context, documents: Sequence[Value], wanted: Edit) -> dict[str, Any]:
    """Write the manifests, or in a dry run tell what that would do.

    Raises what reading and writing them raises, with a pointer that begins at `documents`.
    """
    manifests = [_read(index, document) for index, document in enumerate(documents)]
    _check_twice(manifests)
    told = _checked(context, context.snapshot(), manifests, wanted)
    reaches = _total(told)
    if wanted.dry_run:
        return _document(told, reaches)
    check_reach(reaches, wanted.yes)
    done: list[tuple[Manifest, Written]] = []
    for index, manifest in enumerate(manifests):
        try:
            written = context.decided(manifest.layer, partial(_decide, context, manifest, wanted))
        except ConfdError as error:
            raise _placed(error, index, manifest, _stand(done, manifests[index:])) from error
        done.append((manifest, written))
    return _document(done, reaches)


def _decide(context: Context, manifest: Manifest, wanted: Edit, snapshot: Snapshot) -> Written:
    return manifest.decide(context, snapshot, wanted)


def _read(index: int, document: Value) -> Manifest:
    try:
        return parse_manifest(document)
    except ConfdError as error:
        raise _placed(error, index) from error


def _placed(error: ConfdError, index: int, manifest: Manifest | None = None, more: str = "") -> ConfdError:
    """The error as one of the whole set: in which document, and where there."""
    inner = error.pointer or ""
    pointer = jsontext.pointer("documents", str(index)) + (manifest.pointer(inner) if manifest else inner)
    what = f" ({manifest.kind} {manifest.name})" if manifest else ""
    return type(error)(f"document {index + 1}{what}: {error.detail}{more}", pointer=pointer)


def _check_twice(manifests: Sequence[Manifest]) -> None:
    """Raises `Malformed` where one document would undo what another one says."""
    targets: dict[object, int] = {}
    for index, manifest in enumerate(manifests):
        things: list[tuple[object, str]] = [(manifest.target, f"{manifest.kind} {manifest.name}")]
        things += [((manifest.layer, key), f"{key} of layer {manifest.layer}") for key in sorted(manifest.keys)]
        for thing, words in things:
            first = targets.setdefault(thing, index)
            if first != index:
                error = Malformed(f"{words} stands in document {first + 1} too; keep one of them")
                raise _placed(error, index)


def _checked(
    context: Context, snapshot: Snapshot, manifests: Sequence[Manifest], wanted: Edit
) -> list[tuple[Manifest, Written]]:
    """What each would do, on what those before it leave. Raises what one of them would be refused for."""
    told: list[tuple[Manifest, Written]] = []
    for index, manifest in enumerate(manifests):
        try:
            written = manifest.decide(context, snapshot, replace(wanted, dry_run=True))
            if written.differences and not wanted.dry_run:
                check_shrink(shrinks(snapshot, written.after, places_of(snapshot, manifest.layer)), wanted.force)
        except ConfdError as error:
            raise _placed(error, index, manifest) from error
        told.append((manifest, written))
        snapshot = written.after
    return told


def _stand(done: Sequence[tuple[Manifest, Written]], left: Sequence[Manifest]) -> str:
    """What was written by now, and what was not, in words."""
    was = [f"{one.kind} {one.name} (change {written.change})" for one, written in done if written.differences]
    not_yet = ", ".join(f"{one.kind} {one.name}" for one in left)
    said = f"written before it: {', '.join(was)}" if was else "nothing was written before it"
    return f". {said[0].upper()}{said[1:]}; not written: {not_yet}. Apply the set again to go on"


def _total(told: Sequence[tuple[Manifest, Written]]) -> dict[str, Any]:
    """What the whole set reaches. What is done to a container is what the last one tells that reaches it."""
    changed = [(manifest, written) for manifest, written in told if written.differences and written.reaches]
    which: dict[tuple[Any, ...], dict[str, Any]] = {}
    apps: set[str] = set()
    for manifest, written in changed:
        apps |= {place.app for place in places_of(written.after, manifest.layer) if place.app != DEFAULT}
        for one in written.reaches["which"]:
            which[one["host"], one["name"], one["env"]] = one
    most = max([int(written.reaches["containers"]) for _, written in changed], default=0)
    containers = max(most, len(which))
    return {
        "apps": len(apps),
        "hosts": len({one["host"] for one in which.values()}),
        "containers": containers,
        "needs_yes": len(apps) > 1 or containers > MAX_CONTAINERS,
        "actions": dict(Counter(one["action"] for one in which.values())),
        "which": list(which.values())[:SHOWN],
    }


def _document(done: Sequence[tuple[Manifest, Written]], reaches: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "revision": max([written.revision for _, written in done], default=0),
        "documents": [_member(manifest, written) for manifest, written in done],
        "reaches": dict(reaches),
    }


def _member(manifest: Manifest, written: Written) -> dict[str, Any]:
    """`others`: keys of the layer that the manifest does not name, and leaves as they are."""
    layer = manifest.layer
    there = written.after.layers.get(layer, EMPTY) if manifest.kind == "settings" else EMPTY
    return {
        "kind": manifest.kind,
        "name": manifest.name,
        "app": layer.app,
        "env": layer.env,
        "host": layer.host,
        "change": written.change,
        "revision": written.revision,
        "diff": difference_document(written.differences),
        "warnings": list(written.warnings),
        "others": sorted(set(there) - manifest.keys),
    }
