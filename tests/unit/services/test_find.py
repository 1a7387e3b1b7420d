"""Find: by key and by value, over all apps and envs, page by page, and never by what a secret holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from confd.errors import Malformed
from confd.keys import App, Env, Host, Keyspace, Layer
from confd.ports import Put
from confd.secret import MASK
from confd.services import settings
from confd.services.context import Context
from confd.services.find import Wanted, find
from confd.services.scope import Scope
from confd.services.settings import Edit

DEV, QA, WEB, DB, H1 = Env("dev"), Env("qa"), App("web"), App("db"), Host("h1")
EVERY = Scope(Env("_default"), App("_default"))


@pytest.fixture(autouse=True)
def stored(context: Context) -> None:
    for scope, edit in (
        (EVERY, {"LOG_LEVEL": "info", "db/host": "db.internal"}),
        (Scope(DEV, WEB), {"LOG_LEVEL": "debug", "db/pool/size": 12, "flags": ["db.internal"]}),
        (Scope(QA, DB), {"db/host": "10.0.0.1", "note": "a[0] is*"}),
        (Scope(DEV, WEB, H1), {"db/host": None}),
    ):
        settings.edit(context, scope, Edit(edit, yes=True))  # type: ignore[arg-type]
    key = Keyspace().settings(Layer(DEV, DB)) + "db/password"
    context.mirror.wait(context.store.commit([Put(key, '{"$secret": {"text": "db.internal"}}')]), 5)


def found(context: Context, pattern: str, **more: Any) -> list[str]:
    document = find(context, context.fresh(), Wanted(pattern, **more))
    return [f"{one['layer']} {one['key']}" for one in document["settings"]]


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("LOG", ["_default/_default LOG_LEVEL", "dev/web LOG_LEVEL"]),
        ("pool", ["dev/web db/pool/size"]),
        ("db/*", ["_default/_default db/host", "dev/db db/password", "dev/web@h1 db/host", "qa/db db/host"]),
        ("db/**/size", ["dev/web db/pool/size"]),
        ("??te", ["qa/db note"]),
        ("host.", []),
    ],
)
def test_by_key(context: Context, pattern: str, keys: list[str]) -> None:
    assert found(context, pattern) == keys


@pytest.mark.parametrize(
    ("pattern", "keys"),
    [
        ("db.internal", ["_default/_default db/host", "dev/web flags"]),
        ("db.*", ["_default/_default db/host"]),
        ("*.0.?", ["qa/db db/host"]),
        ("a[0]*", ["qa/db note"]),
        ("a[0", ["qa/db note"]),
        ("12", ["dev/web db/pool/size"]),
        ("$secret", []),
        ("null", ["dev/web@h1 db/host"]),
    ],
)
def test_by_value_and_never_by_what_a_secret_holds(context: Context, pattern: str, keys: list[str]) -> None:
    assert found(context, pattern, in_values=True) == keys


def test_a_secret_is_shown_masked(context: Context) -> None:
    (one,) = find(context, context.fresh(), Wanted("password"))["settings"]
    assert (one["value"], one["secret"]) == (MASK, True)


def test_a_secret_is_not_among_what_all_values_match(context: Context) -> None:
    assert "dev/db db/password" not in found(context, "*", in_values=True)
    assert "dev/db db/password" not in found(context, "*", in_values=True, effective=True)


@pytest.mark.parametrize("pattern", ["*", "$secret", "db.internal", "at db", "to-find"])
def test_what_refers_to_a_secret_is_one_itself(context: Context, pattern: str) -> None:
    refers = {"url": "at ${db:db/password}", "far": "${url}", "plain": "is ${LOG_LEVEL}-to-find"}
    at = Keyspace().settings(Layer(DEV, WEB))
    context.wrote(context.store.commit([Put(at + key, f'"{text}"') for key, text in refers.items()]))
    hits = found(context, pattern, in_values=True, effective=True, app=WEB, env=DEV)
    assert not {"dev/web url", "dev/web far"}.intersection(hits)
    assert ("dev/web plain" in hits) == (pattern in ("*", "to-find"))
    page = find(context, context.fresh(), Wanted("*", effective=True, app=WEB, env=DEV))["settings"]
    shown = {one["key"]: (one["value"], one["secret"]) for one in page}
    assert shown["url"] == shown["far"] == (MASK, True)
    assert shown["plain"] == ("is debug-to-find", False)


def test_where_it_stands_with_the_change_that_wrote_it(context: Context) -> None:
    first, _ = find(context, context.fresh(), Wanted("LOG_LEVEL"))["settings"]
    assert first == {
        "env": "_default",
        "app": "_default",
        "host": None,
        "key": "LOG_LEVEL",
        "value": "info",
        "secret": False,
        "layer": "_default/_default",
        "change": 1,
    }


def test_narrowed_down(context: Context) -> None:
    assert found(context, "db/host", env=QA) == ["qa/db db/host"]
    assert found(context, "L", app=WEB) == ["dev/web LOG_LEVEL"]
    assert found(context, "db", host=H1) == ["dev/web@h1 db/host"]


def test_what_apps_are_due(context: Context) -> None:
    told = find(context, context.fresh(), Wanted("db/host", effective=True))["settings"]
    assert [(one["env"], one["app"], one["host"], one["layer"]) for one in told] == [
        ("dev", "db", None, "_default/_default"),
        ("dev", "web", None, "_default/_default"),
        ("qa", "db", None, "qa/db"),
    ], "and on h1 it is taken away"


@pytest.mark.parametrize("effective", [False, True])
def test_page_by_page_nothing_is_left_out_or_told_twice(context: Context, effective: bool) -> None:
    seen, wanted = context.fresh(), Wanted("*", in_values=True, effective=effective)
    pages: list[dict[str, Any]] = []
    whole = find(context, seen, wanted)
    assert (whole["truncated"], whole["next"]) == (False, None)
    while True:
        page = find(context, seen, replace(wanted, limit=2, after=pages[-1]["next"] if pages else ""))
        pages.append(page)
        if not page["truncated"]:
            break
    assert [one for page in pages for one in page["settings"]] == whole["settings"]


@pytest.mark.parametrize("in_values", [False, True])
@pytest.mark.parametrize(
    ("pattern", "more", "why"),
    [
        ("", {}, "1 to 512 characters"),
        ("x" * 513, {}, "1 to 512 characters"),
        ("*a*a*a*a*a", {}, "5 wildcards"),
        ("a", {"after": "a|b"}, "`next` of the page before"),
    ],
)
def test_what_cannot_be_looked_for(
    context: Context, in_values: bool, pattern: str, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(Malformed, match=why):
        found(context, pattern, in_values=in_values, **more)
