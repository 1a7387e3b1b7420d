"""Schemas of apps: read, tried, and written as changes of the same history as the settings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confd import jsontext
from confd.diff import Difference
from confd.errors import Invalid, Malformed, NotFound
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env, Layer
from confd.model import EMPTY, ChangeKind, Entry, Head, Snapshot, frozen
from confd.resolve import resolve
from confd.services import changes
from confd.services.context import Context
from confd.services.gate import store
from confd.services.meta import require_format
from confd.services.places import Place, fresh_problems, places_of, rendered_at
from confd.services.reach import check_reach, check_shrink, reached, shrinks
from confd.services.schemaheads import next_version
from confd.services.scope import Scope
from confd.services.settings import Edit, Written, became
from confd.services.validating import Found, fault_document, faults_now, fresh_faults, in_words, where
from confd.validation import NONE, Current, current, parse_schema, schema_in, secret_keys, unknown_words

__all__ = ["WrittenSchema", "check", "decide", "get", "put", "put_on", "remove"]


@dataclass(frozen=True, slots=True)
class WrittenSchema:
    """What became of a write. `failing` is all that is against the schema, `fresh` of that what it brings in."""

    written: Written
    version: int
    failing: Sequence[Found] = ()
    fresh: Sequence[Found] = ()


def get(snapshot: Snapshot, app: App, version: int | None = None) -> dict[str, Any]:
    """A version of an app's schema, the newest without a number. Raises `NotFound`."""
    versions = snapshot.schemas.get(app, EMPTY)
    if version is not None and version not in versions:
        known = ", ".join(map(str, sorted(versions))) or "none"
        raise NotFound(f"the schema of {app} has no version {version}; there are: {known}")
    now = current(snapshot, app)
    if now is None or (version is None and now.text == NONE):
        raise NotFound(f"{app} has no schema; `confctl schema set {app} FILE` gives it one")
    number = version or now.version
    text = versions[number].text
    broken = schema_in(text)[1]
    return {
        "revision": snapshot.revision,
        "app": app,
        "version": number,
        "versions": sorted(versions),
        "schema": text if broken else jsontext.parse(text),
        "broken": broken,
    }


def check(context: Context, snapshot: Snapshot, scope: Scope, document: Value) -> dict[str, Any]:
    """What of the effective settings is against a schema, or for None against the stored one. Raises `Invalid`."""
    _check_app(scope.app)
    now = current(snapshot, scope.app)
    if document is None and (now is None or now.schema is None):
        get(snapshot, scope.app)
        raise Invalid(f"the schema of {scope.app} is none: {now.broken if now else ''}; store a right one")
    schema = parse_schema(document) if document is not None else None
    hosts = [place for place in places_of(snapshot, scope.layer) if scope.host in (None, place.host)]
    sight = context.sight(snapshot)
    found = [one for place in hosts for one in faults_now(snapshot, place, sight, schema)]
    return {
        "revision": snapshot.revision,
        "version": now.version if now is not None and document is None else None,
        "faults": [fault_document(one) for one in found],
        "warnings": list(unknown_words(document)) if document is not None else [],
    }


def put(context: Context, app: App, document: Value, wanted: Edit) -> WrittenSchema:
    """Store an app's schema as its next version.

    Raises `Invalid` for one that is none, or that settings are against which were right before, unless it is
    forced; and what `settings.edit` raises.
    """
    done = _edit(context, app, _text(app, document), wanted)
    told = (*done.written.warnings, *unknown_words(document))
    return replace(done, written=replace(done.written, warnings=told))


def put_on(context: Context, snapshot: Snapshot, app: App, document: Value, wanted: Edit) -> Written:
    """As `put`, decided on one snapshot, in a dry run refused as well. Raises `Conflict` where that is old."""
    layer = Layer(Env(DEFAULT), app)
    done = decide(context, snapshot, layer, _text(app, document), wanted)
    _check_fresh(done, wanted)
    return replace(done.written, warnings=(*done.written.warnings, *unknown_words(document)))


def _text(app: App, document: Value) -> str:
    _check_app(app)
    text = jsontext.dump(document)
    if text == NONE or schema_in(text)[0] is None:
        parse_schema(document)  # it tells what is wrong, and where
    return text


def remove(context: Context, app: App, wanted: Edit) -> WrittenSchema:
    """Take an app's schema away, which is a version too. Raises `NotFound`."""
    _check_app(app)
    return _edit(context, app, NONE, wanted)


def _check_app(app: App) -> None:
    if app == DEFAULT:
        raise Malformed("a schema is of one app; settings that all apps share are checked by the schema of each")


def _edit(context: Context, app: App, text: str, wanted: Edit) -> WrittenSchema:
    layer = Layer(Env(DEFAULT), app)
    return context.decided(layer, lambda snapshot: decide(context, snapshot, layer, text, wanted))


def decide(context: Context, snapshot: Snapshot, layer: Layer, text: str, wanted: Edit) -> WrittenSchema:
    """As `put` or `remove`, of a text, decided on one snapshot. Raises `Conflict` where it is old."""
    require_format(snapshot, 2, "a schema")
    wanted.check(snapshot)
    now, places = current(snapshot, layer.app), places_of(snapshot, layer)
    if text == NONE and (now is None or now.text == NONE):
        raise NotFound(f"{layer.app} has no schema")
    if now is not None and text == now.text:
        head, sight = snapshot.heads.get(layer, Head()), context.sight(snapshot)
        written = Written(head.number, snapshot.revision, (), reached(context, snapshot, places), after=snapshot)
        failing = [one for place in places for one in faults_now(snapshot, place, sight)]
        return WrittenSchema(written, now.version, failing)
    after = _with(snapshot, layer.app, text)
    _check_rendered(context, snapshot, after, places)
    done = _would_be(context, snapshot, after, (layer, places))
    if not wanted.dry_run:
        return _store(context, snapshot, done, layer, wanted)
    gone = [] if wanted.force else shrinks(snapshot, after, places)
    told = [f"{one}: that needs force (confctl: --force)" for one in gone]
    return replace(done, written=replace(done.written, warnings=(*done.written.warnings, *told)))


def _would_be(
    context: Context, before: Snapshot, after: Snapshot, at: tuple[Layer, Sequence[Place]]
) -> WrittenSchema:
    """What a write would come to; nothing is stored."""
    layer, places = at
    was, now = current(before, layer.app), current(after, layer.app)
    written = Written(
        before.heads.get(layer, Head()).number,
        before.revision,
        (Difference("schema", _shown(was), _shown(now)),),
        reached(context, after, places),
        tuple(_plain_secrets(after, places)),
        after,
    )
    sight = context.sight(before)
    failing = [one for place in places for one in faults_now(after, place, sight)]
    fresh = [one for place in places for one in fresh_faults(before, after, place, sight)]
    return WrittenSchema(written, next_version(before, layer.app), failing, fresh)


def _store(context: Context, snapshot: Snapshot, done: WrittenSchema, layer: Layer, wanted: Edit) -> WrittenSchema:
    """Raises `Invalid`, `Shrinks` and `NeedsYes` where the write has to be forced or confirmed."""
    _check_fresh(done, wanted)
    check_shrink(shrinks(snapshot, done.written.after, places_of(snapshot, layer)), wanted.force)
    check_reach(dict(done.written.reaches), wanted.yes)
    (difference,) = done.written.differences
    change = changes.draft(
        layer,
        {"schema": difference.before},
        {"schema": difference.after},
        kind=ChangeKind.SCHEMA,
        author=wanted.author,
        message=wanted.message,
        note=wanted.note,
        at="",
        schemas={layer.app: done.version},
    )
    stored = store(context, snapshot, change, wanted.asked, wanted.force)
    return replace(done, written=became(done.written, stored))


def _check_fresh(done: WrittenSchema, wanted: Edit) -> None:
    if done.fresh and not wanted.force:
        raise Invalid(
            f"{in_words(done.fresh)}; nothing was stored. Mend the settings, or say force (confctl: --force): then "
            "containers there keep what they have until the settings are right"
        )


def _shown(now: Current | None) -> str | None:
    return None if now is None or now.text == NONE else now.text


def _with(snapshot: Snapshot, app: App, text: str) -> Snapshot:
    """The snapshot as it would be with this as the app's newest version."""
    version = next_version(snapshot, app)
    versions = {**snapshot.schemas.get(app, EMPTY), version: Entry("schema", text, snapshot.revision)}
    return replace(snapshot, schemas=frozen({**snapshot.schemas, app: frozen(versions)}))


def _check_rendered(context: Context, before: Snapshot, after: Snapshot, places: Iterable[Place]) -> None:
    """Raises `Invalid` where a default cannot be rendered: two keys of one variable, a reserved name."""
    sight = context.sight(before)
    for place in places:
        was, now = (rendered_at(one, place, sight)[0].problems for one in (before, after))
        fresh = fresh_problems(was, now, (before, after), place)
        if fresh:
            pointer = jsontext.pointer("properties", fresh[0].keys[0]) if fresh[0].keys else None
            raise Invalid(f"{fresh[0].detail} ({where(place)})", pointer=pointer)


def _plain_secrets(after: Snapshot, places: Iterable[Place]) -> Iterable[str]:
    """Keys that have to be secrets and stand there in plain text."""
    for place in places:
        settings = resolve(after, place.env, place.app, place.host).settings
        plain = [key for key, setting in settings.items() if not setting.secret]
        for key in sorted(secret_keys(current(after, place.app), plain)):
            yield f"{where(place)}: {key} has to be a secret and is stored in plain text; set it anew with --secret"
