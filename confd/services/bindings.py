"""Bindings: read, and written as changes of the same history as the settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from confd import jsontext
from confd.binding import parse_binding
from confd.dependencies import cycle_at
from confd.diff import Difference
from confd.errors import Invalid, Malformed, NotFound
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env
from confd.model import ChangeKind, Entry, Head, RenderedFile, Snapshot, frozen
from confd.plan import binding_problems
from confd.secret import MASK, masked
from confd.secretfiles import is_secret_path
from confd.services import changes
from confd.services.context import Context
from confd.services.gate import asking, store
from confd.services.places import Place, fresh_problems, places_of, rendered_at, told_of
from confd.services.reach import check_reach, reached
from confd.services.scope import Scope
from confd.services.settings import Edit, Written, became

__all__ = ["decide", "get", "preview", "put", "put_on", "remove"]


def get(snapshot: Snapshot, scope: Scope) -> dict[str, Any]:
    """The binding that serves a scope. `from` tells whose it is: this env's, env `_default`'s, or the built-in."""
    for env in (scope.env, Env(DEFAULT)):
        entry = snapshot.bindings.get((env, scope.app))
        if entry is not None:
            return {
                "revision": snapshot.revision,
                "from": f"{env}/{scope.app}",
                "binding": jsontext.parse(entry.text),
            }
    return {"revision": snapshot.revision, "from": "built-in", "binding": {}}


def put(context: Context, scope: Scope, document: Value, wanted: Edit) -> Written:
    """Store a binding. Raises `Invalid` for one that can never take effect, and what `settings.edit` raises."""
    parse_binding(document, (scope.env, scope.app))
    return _edit(context, scope, jsontext.dump(document), wanted)


def put_on(context: Context, snapshot: Snapshot, scope: Scope, document: Value, wanted: Edit) -> Written:
    """As `put`, decided on one snapshot. Raises `Conflict` where that is old."""
    parse_binding(document, (scope.env, scope.app))
    return decide(context, snapshot, scope, jsontext.dump(document), wanted)


def remove(context: Context, scope: Scope, wanted: Edit) -> Written:
    """Remove this env's own binding. Raises `NotFound`."""
    return _edit(context, scope, None, wanted)


def preview(context: Context, scope: Scope, document: Value) -> dict[str, Any]:
    """The files that a binding would give with the settings there are; nothing is stored.

    `before` is what the binding gives that is stored, None for a file that it does not have; `written` of so many
    `containers` have the file as it would be. Texts of secrets are masked. Raises what `put` would.
    """
    seen = context.fresh()
    after = put(context, scope, document, Edit(dry_run=True)).after
    sight = context.sight(seen)
    was, now = (rendered_at(one, scope.place, sight)[0] for one in (seen, after))
    before = {file.path: _seen(file) for file in was.files}
    told = [one.observed for one in told_of(after, [(scope.env, scope.app)]) if one.observed is not None]
    files = [
        {
            "path": file.path,
            "mode": f"{file.mode:04o}",
            "content": _seen(file),
            "before": before.get(file.path),
            "keys": list(file.keys),
            "written": sum(one.files.get(file.path) == file.digest for one in told),
            "containers": len(told),
        }
        for file in now.files
    ]
    return {
        "revision": seen.revision,
        "files": files,
        "problems": [problem.detail for problem in now.problems],
    }


def _seen(file: RenderedFile) -> str:
    """A file's text without the secrets in it; of one that is a secret, nothing."""
    return MASK if is_secret_path(file.path) and file.secrets else masked(file.content, file.secrets)


def _edit(context: Context, scope: Scope, text: str | None, wanted: Edit) -> Written:
    if scope.host is not None:
        raise Malformed("a binding is of an app in an env; leave the host out")
    return context.decided(scope.layer, lambda snapshot: decide(context, snapshot, scope, text, wanted))


def decide(context: Context, snapshot: Snapshot, scope: Scope, text: str | None, wanted: Edit) -> Written:
    """As `put` or `remove`, of a text, decided on one snapshot. Raises `Conflict` where it is old."""
    wanted.check(snapshot)
    layer, at = scope.layer, (scope.env, scope.app)
    entry = snapshot.bindings.get(at)
    before = entry.text if entry else None
    if text is None and before is None:
        raise NotFound(f"{scope.app} in {scope.env} has no binding of its own")
    places = places_of(snapshot, layer)
    number = snapshot.heads.get(layer, Head()).number
    if text == before:
        return Written(number, snapshot.revision, (), reached(context, snapshot, places), after=snapshot)
    bindings = dict(snapshot.bindings)
    if text is None:
        bindings.pop(at)
    else:
        bindings[at] = Entry("binding", text, snapshot.revision)
    after = replace(snapshot, bindings=frozen(bindings))
    _check(context, snapshot, after, (scope.app, places))
    differences, reaches = (Difference("binding", before, text),), reached(context, after, places)
    if wanted.dry_run:
        asks = asking(snapshot, layer)
        return Written(number, snapshot.revision, differences, reaches, after=after, approval=asks)
    check_reach(reaches, wanted.yes)
    change = changes.draft(
        layer,
        {"binding": before},
        {"binding": text},
        kind=ChangeKind.BINDING,
        author=wanted.author,
        message=wanted.message,
        note=wanted.note,
        at="",
    )
    stored = store(context, snapshot, change, wanted.asked)
    return became(Written(number, snapshot.revision, differences, reaches, after=after), stored)


def _check(context: Context, before: Snapshot, after: Snapshot, at: tuple[App, list[Place]]) -> None:
    app, places = at
    sight = context.sight(before)
    for env in {place.env for place in places}:
        cycle = cycle_at(after, env, app)
        if cycle:
            way = " -> ".join(cycle)
            raise Invalid(
                f"depends_on: {way} goes round in a circle (in {env}); leave one of them out", pointer="/depends_on"
            )
    for place in places:
        was, old = rendered_at(before, place, sight)
        now, new = rendered_at(after, place, sight)
        known = [*was.problems, *binding_problems(old, was)]
        fresh = fresh_problems(known, (*now.problems, *binding_problems(new, now)), (before, after), place)
        if fresh:
            pointer = "/files" if fresh[0].file else "/on_change"
            raise Invalid(f"{fresh[0].detail} (in {place.env}/{place.app})", pointer=pointer)
