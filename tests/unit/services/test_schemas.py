"""Schemas: stored as versions, tried, forced; and every write is checked in each env that it reaches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from confd import jsontext
from confd.errors import ConfdError, Conflict, Invalid, Malformed, NeedsYes, NotFound, Refused, Shrinks, Stale
from confd.jsontext import Number
from confd.keys import App, Container, Env, Host, Key
from confd.model import ChangeKind, Observed, Snapshot
from confd.ports import Delete, Put
from confd.published import Told, status_text
from confd.secret import MASK
from confd.services import changes, fleet, history, schemas, settings
from confd.services.bindings import put as bind
from confd.services.context import Context
from confd.services.meta import fresh_meta
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.hosts import FACTS
from tests.support.secrets import KEYS
from tests.support.stores import FailingStore

WEB, API = App("web"), App("api")
DEV, PROD = Scope(Env("dev"), WEB), Scope(Env("prod"), WEB)
ALL_ENVS, EVERYTHING = Scope(Env("_default"), WEB), Scope(Env("_default"), App("_default"))
PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
STRICT: Any = {"properties": {"port": PORT, "host": {"format": "ipv4"}}, "required": ["host"]}


def stored(context: Context, document: Any = STRICT, app: App = WEB, **edit: Any) -> schemas.WrittenSchema:
    return schemas.put(context, app, jsontext.parse(jsontext.dump(document)), Edit(author="anna", **edit))


def write(context: Context, scope: Scope = PROD, **edit: Any) -> settings.Written:
    return settings.edit(context, scope, Edit(author="anna", **edit))


def refused(context: Context, scope: Scope = PROD, **edit: Any) -> Invalid:
    with pytest.raises(Invalid) as caught:
        write(context, scope, **edit)
    return caught.value


def past(context: Context, *operations: Put | Delete) -> None:
    context.mirror.wait(context.store.commit(list(operations)), 5)


def runs(context: Context, env: Env) -> None:
    seen = Observed(Container(f"web-{env}"), "web", WEB, env, True, facts=FACTS)
    text = status_text(seen, (), "d1", Told(1, "2026-01-02T00:00:00Z"))
    past(context, Put(context.keyspace.status(Host("h1"), seen.id), text))


# --- documents --------------------------------------------------------------------------------------------


def test_each_write_is_a_version_and_a_change_of_the_apps_history(context: Context) -> None:
    first, second = stored(context, message="why"), stored(context, {})
    assert (first.version, second.version) == (1, 2)
    assert (second.written.change, stored(context, {}).version) == (2, 2)
    assert schemas.get(context.snapshot(), WEB)["schema"] == {}
    old = schemas.get(context.snapshot(), WEB, 1)
    assert (jsontext.dump(old["schema"]), old["versions"]) == (jsontext.dump(STRICT), [1, 2])
    (_, newest) = history.page(context, ALL_ENVS.place, history.Wanted()).changes[::-1]
    assert (newest.kind, newest.author, newest.schemas) == (ChangeKind.SCHEMA, "anna", {"web": 2})
    assert settings.change_document(newest)["diff"][0]["after"] == {}


def test_a_schema_is_taken_away_by_a_version_and_its_number_is_not_used_again(context: Context) -> None:
    stored(context)
    assert schemas.remove(context, WEB, Edit()).version == 2
    for call in (
        lambda: schemas.remove(context, WEB, Edit()),
        lambda: schemas.get(context.snapshot(), WEB),
        lambda: schemas.get(context.snapshot(), API),
        lambda: schemas.get(context.snapshot(), WEB, 7),
        lambda: schemas.check(context, context.snapshot(), PROD, None),
    ):
        with pytest.raises(NotFound):
            call()
    assert schemas.get(context.snapshot(), WEB, 1)["version"] == 1
    write(context, texts={"port": "x"})
    assert stored(context, {}).version == 3


def test_what_is_written_is_what_was_read(context: Context) -> None:
    text = '{"properties":{"a":{"multipleOf":0.10}}}'
    schemas.put(context, WEB, jsontext.parse(text), Edit())
    assert jsontext.dump(schemas.get(context.snapshot(), WEB)["schema"]) == text


def test_a_schema_is_of_one_app_and_needs_a_store_of_this_release(context: Context, store: FailingStore) -> None:
    with pytest.raises(Malformed, match="a schema is of one app"):
        stored(context, {}, App("_default"))
    past(context, Put(context.keyspace.meta, fresh_meta(1)))
    with pytest.raises(Refused, match="confctl upgrade"):
        stored(context)


def test_if_match_sees_the_state_it_is_decided_on(context: Context) -> None:
    def stale(seen: Snapshot) -> None:
        raise Stale("changed")

    with pytest.raises(Stale):
        stored(context, check=stale)


def test_a_schema_shows_who_fails_and_is_refused_unless_forced(context: Context) -> None:
    write(context, texts={"port": "http", "host": "192.0.2.1"})
    write(context, DEV, texts={"port": "80"})
    shown = stored(context, dry_run=True)
    found = {(one.place.env, one.fault.pointer) for one in shown.failing}
    assert found == {("prod", "/port"), ("dev", "/port"), ("dev", "/host")}
    assert shown.fresh == shown.failing
    with pytest.raises(Invalid, match=r"web in dev: port.*web in dev: host: it is required.*web in prod: port"):
        stored(context)
    assert stored(context, force=True).version == 1
    again = stored(context, {**STRICT, "title": "new"})
    assert (again.version, len(again.failing), again.fresh) == (2, 3, [])
    write(context, DEV, set={"port": 80, "host": "192.0.2.2"})
    narrower = {**STRICT, "properties": {"port": {**PORT, "minimum": 1024}, "host": {"format": "ipv4"}}}
    with pytest.raises(Invalid, match="web in dev: port: expected an integer, at least 1024"):
        stored(context, narrower)


def test_a_schema_for_the_next_image_is_tried_on_an_env(context: Context) -> None:
    write(context, texts={"port": "http"})
    write(context, Scope(Env("prod"), WEB, Host("h1")), texts={"port": "x"})
    found = schemas.check(context, context.snapshot(), PROD, {**STRICT, "requird": []})
    assert [(one["host"], one["key"], one["rule"]) for one in found["faults"]] == [
        (None, "port", "type"),
        (None, "host", "required"),
        ("h1", "port", "type"),
        ("h1", "host", "required"),
    ]
    assert len(found["warnings"]) == 1
    assert (
        schemas.check(context, context.snapshot(), Scope(Env("prod"), WEB, Host("h1")), STRICT)["faults"][0]["host"]
        == "h1"
    )
    stored(context, force=True)
    assert schemas.check(context, context.snapshot(), PROD, None)["version"] == 1
    with pytest.raises(Invalid):
        schemas.check(context, context.snapshot(), PROD, {"type": "int"})


def test_what_somebody_put_there_that_is_no_schema_is_told(context: Context) -> None:
    past(context, Put(context.keyspace.schema(WEB, 1), "no schema"))
    shown = schemas.get(context.snapshot(), WEB)
    assert (shown["schema"], shown["broken"] != "") == ("no schema", True)
    with pytest.raises(Invalid, match="the schema of web is none"):
        schemas.check(context, context.snapshot(), PROD, None)
    write(context, texts={"a": "1"})
    assert stored(context, {}).version == 2


# --- writes of settings -----------------------------------------------------------------------------------


def test_a_shared_change_that_breaks_prod_of_any_app_is_refused(context: Context) -> None:
    stored(context)
    stored(context, {"properties": {"port": {"type": "string"}}}, API)
    write(context, set={"host": "192.0.2.1"})
    write(context, Scope(Env("dev"), API), set={"x": 1})
    error = refused(context, EVERYTHING, set={"port": True}, yes=True)
    assert error.detail == (
        "api in dev: port: expected a string (at /port, schema 1); "
        "web in prod: port: expected an integer, at least 1, at most 65535 (at /port, schema 1); nothing was stored"
    )
    assert error.pointer == "/set/port"
    assert write(context, ALL_ENVS, set={"port": 80}).change == 2
    assert refused(context, ALL_ENVS, set={"port": 0}).pointer == "/set/port"


def test_what_was_wrong_before_is_not_this_writers_but_another_wrong_value_is(context: Context) -> None:
    write(context, set={"port": "x", "a": 1})
    stored(context, force=True)
    assert write(context, set={"a": 2}).change == 2
    assert "port" in refused(context, set={"port": "y"}).detail
    assert write(context, set={"port": 80}).change == 3


def test_required_keys_count_once_the_app_is_there(context: Context) -> None:
    stored(context)
    write(context, ALL_ENVS, set={"port": 80})
    error = refused(context, set={"a": 1})
    assert (error.pointer, "web in prod: host: it is required, and not set" in error.detail) == ("/set/host", True)
    write(context, set={"a": 1, "host": "192.0.2.1"})
    assert "host" in refused(context, unset=["host"]).detail
    write(context, unset=["a", "host"], force=True)
    bind(context, DEV, {}, Edit())
    runs(context, Env("qa"))
    write(context, Scope(Env("qa"), WEB), set={"a": 1})  # its container was there before, and lacked it then


def test_all_keys_together_are_told_without_a_key(context: Context) -> None:
    stored(context, {"minProperties": 3})
    error = refused(context, set={"a": 1})
    assert (error.pointer, error.detail) == (
        "/set",
        "web in prod: expected at least 3 members (schema 1); nothing was stored",
    )


def test_rollback_and_a_hosts_layer_are_checked_too(context: Context) -> None:
    write(context, set={"port": "x"})
    write(context, set={"port": 80, "host": "192.0.2.1"})
    stored(context)
    with pytest.raises(Invalid, match="web in prod: port"):
        settings.rollback(context, PROD, 1, Edit())
    error = refused(context, Scope(Env("prod"), WEB, Host("h1")), texts={"port": "x"})
    assert "web in prod on h1: port" in error.detail


def test_each_change_tells_the_versions_that_it_was_checked_against(context: Context) -> None:
    stored(context, {})
    stored(context, {}, API)
    write(context, set={"a": 1})
    write(context, Scope(Env("dev"), API), set={"a": 1})
    write(context, EVERYTHING, set={"b": 1}, yes=True)
    assert changes.record(context, PROD.layer, 1).schemas == {"web": 1}
    assert changes.record(context, EVERYTHING.layer, 1).schemas == {"api": 1, "web": 1}
    schemas.remove(context, WEB, Edit())
    write(context, set={"a": 2})
    assert changes.record(context, PROD.layer, 2).schemas == {}


@pytest.mark.parametrize(
    ("text", "taken"),
    [("8080", Number("8080")), ("80a", None), ("0", None), ("70000", None), ("1.0", Number("1.0"))],
)
def test_b166_a_text_is_a_number_where_the_schema_says_so(context: Context, text: str, taken: Any) -> None:
    stored(context, {"properties": {"port": PORT}})
    if taken is None:
        error = refused(context, texts={"port": text})
        assert error.detail.startswith("web in prod: port: expected an integer, at least 1, at most 65535")
        return
    write(context, texts={"port": text})
    assert settings.read_one(context, context.snapshot(), PROD, Key("port"))["value"] == taken


def test_b165_true_is_no_integer_and_a_boolean_is_true_or_false_alone(context: Context) -> None:
    stored(context, {"properties": {"n": {"type": "integer"}, "b": {"type": "boolean"}}})
    assert "expected an integer" in refused(context, set={"n": True}).detail
    write(context, texts={"b": "true"})
    assert settings.read_one(context, context.snapshot(), PROD, Key("b"))["value"] is True
    for wrong in ("1", "yes", "True"):
        assert "b: expected true or false" in refused(context, texts={"b": wrong}).detail


def test_a_text_for_all_apps_gets_the_type_in_which_their_schemas_agree(context: Context) -> None:
    stored(context, {"properties": {"n": {"type": "integer"}, "m": {"type": "integer"}}})
    stored(context, {"properties": {"m": {"type": "boolean"}}}, API)
    write(context, set={"x": 1})
    done = write(context, EVERYTHING, texts={"n": "5", "o": "5"}, yes=True)
    assert [(one.key, one.after) for one in done.differences] == [("n", "5"), ("o", '"5"')]
    assert "expected an integer" in refused(context, EVERYTHING, texts={"m": "x"}, yes=True).detail


def test_b163_a_wrong_format_is_refused_by_name(context: Context) -> None:
    stored(context, STRICT)
    assert "host: expected an IPv4 address" in refused(context, texts={"host": "nope"}).detail
    with pytest.raises(Invalid, match=r"format 'ipv5' is unknown; known are: .*ipv6"):
        stored(context, {"properties": {"a": {"format": "ipv5"}}})


def test_a_text_and_a_value_of_one_key_are_refused_and_so_is_what_is_reserved(context: Context) -> None:
    with pytest.raises(Malformed, match="given twice"):
        write(context, set={"a": 1}, texts={"a": "1"})
    stored(context, {"properties": {"a": {"type": "object"}}})
    with pytest.raises(Malformed, match="reserved"):
        write(context, texts={"a": '{"$secret":{}}'})


def test_a_key_that_has_to_be_a_secret_is_not_stored_in_plain_text(context: Context) -> None:
    write(context, set={"pw": "a"})
    done = stored(context, {"patternProperties": {"^pw": {"x-secret": True}}})
    assert list(done.written.warnings) == [
        "web in prod: pw has to be a secret and is stored in plain text; set it anew with --secret"
    ]
    for scope in (PROD, EVERYTHING):
        with pytest.raises(Refused, match="pw2: secrets are refused"):
            write(context, scope, texts={"pw2": "x"}, yes=True)
    write(context, unset=["pw"])


def test_a_key_that_has_to_be_a_secret_is_sealed_by_itself_and_cannot_be_plain(context: Context) -> None:
    with_keys = replace(context, keys=KEYS)
    write(with_keys, set={"pw": "canary-91"})
    stored(with_keys, {"patternProperties": {"^pw": {"x-secret": True, "maxLength": 9}}})
    assert write(with_keys, set={"pw": "canary-91"}).change == 2
    shown = settings.read(with_keys, with_keys.fresh(), PROD)["settings"]["pw"]
    assert (shown["value"], shown["secret"]) == (MASK, True)
    with pytest.raises(Invalid, match="x-secret"):
        write(with_keys, set={"pw": "b"}, plain=("pw",))
    with pytest.raises(Invalid, match="pw") as caught:
        write(with_keys, set={"pw": "canary-9100"})
    assert "canary" not in caught.value.detail
    settings.rollback(with_keys, PROD, 1, Edit())
    assert settings.read(with_keys, with_keys.fresh(), PROD)["settings"]["pw"]["secret"] is True


# --- defaults ---------------------------------------------------------------------------------------------


def test_a_default_is_the_lowest_layer_and_explained(context: Context) -> None:
    schema = {"properties": {"port": {**PORT, "default": 5432, "title": "Port", "x-on-change": "restart"}}}
    stored(context, schema)
    write(context, set={"a": 1})
    one = settings.read_one(context, context.snapshot(), PROD, Key("port"))
    assert (one["value"], one["layer"], one["change"]) == (Number("5432"), "schema", None)
    told = fleet.explain(context, context.snapshot(), PROD, Key("port"))
    assert (told["winner"]["layer"], told["variable"]) == ("schema", "port")
    assert told["schema"] == {"version": 1, "title": "Port", "x-on-change": "restart"}
    write(context, set={"port": 1})
    assert fleet.explain(context, context.snapshot(), PROD, Key("port"))["hidden"][0]["layer"] == "schema"
    assert fleet.explain(context, context.snapshot(), PROD, Key("a"))["schema"] == {"version": 1}
    write(context, Scope(Env("prod"), API), set={"a": 1})
    assert fleet.explain(context, context.snapshot(), Scope(Env("prod"), API), Key("a"))["schema"] is None


def test_a_default_that_cannot_be_rendered_is_refused(context: Context) -> None:
    write(context, set={"db/port": 1})
    with pytest.raises(Invalid, match="all give the variable DB_PORT") as caught:
        stored(context, {"properties": {"DB_PORT": {"default": 1}}})
    assert caught.value.pointer == "/properties/DB_PORT"


def test_a_schema_that_reaches_far_needs_a_yes_and_one_that_takes_much_away_force(context: Context) -> None:
    defaults = {"properties": {name: {"default": 1} for name in "abcdef"}}
    write(context, set={"x": 1})
    stored(context, defaults)
    shown = stored(context, {}, dry_run=True)
    assert "needs force" in shown.written.warnings[0]
    with pytest.raises(Shrinks):
        stored(context, {})
    stored(context, {}, force=True)
    for number in range(11):
        runs(context, Env(f"e{number}"))
    with pytest.raises(NeedsYes):
        stored(context, defaults)
    assert stored(context, defaults, yes=True).version == 3


# --- who wins ---------------------------------------------------------------------------------------------


def test_a_schema_and_a_setting_written_at_once_do_not_pass_each_other_by(
    context: Context, other: Context, store: FailingStore
) -> None:
    stored(context, {})
    write(context, set={"a": 1, "host": "192.0.2.1"})
    snapshot = context.snapshot()
    stored(other, STRICT)
    change = changes.draft(PROD.layer, {"port": None}, {"port": '"x"'}, author="", message="", at="")
    with pytest.raises(Conflict):
        changes.commit(context, snapshot, change)
    snapshot = context.fresh()
    write(other, set={"port": 80})
    change = changes.draft(
        ALL_ENVS.layer,
        {"schema": None},
        {"schema": "{}"},
        kind=ChangeKind.SCHEMA,
        author="",
        message="",
        at="",
        schemas={"web": 3},
    )
    with pytest.raises(Conflict):
        changes.commit(context, snapshot, change)


def test_a_write_is_decided_anew_by_a_schema_that_came_meanwhile(context: Context, other: Context) -> None:
    write(context, set={"host": "192.0.2.1"})
    seen: list[int] = []

    def once(snapshot: Snapshot) -> None:
        if not seen:
            stored(other, STRICT)
        seen.append(snapshot.revision)

    with pytest.raises(ConfdError, match="web in prod: port"):
        write(context, texts={"port": "x"}, check=once)
    assert len(seen) == 2
