"""The grammar of names and keys, and where things stand in etcd."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.errors import Malformed
from confd.keys import (
    App,
    Container,
    Env,
    Host,
    Key,
    Keyspace,
    Layer,
    is_run_option,
    layers_of,
    matches,
    option_of,
    parse_app,
    parse_env,
    parse_host,
    parse_key,
    parse_policy_name,
    specificity,
)

KEYSPACE = Keyspace()
WEB = Layer(Env("prod"), App("web"))
WEB_H1 = Layer(Env("prod"), App("web"), Host("h1"))


@pytest.mark.parametrize(
    "text", ["a", "A", "_x", "a/b", "a.b-c", "run/memory", "/".join("abcdefgh"), "x" * 512, "1X"]
)
def test_key_in_the_grammar_is_kept(text: str) -> None:
    assert parse_key(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "-a", "a b", "a\x00", "a\n", "é", "x" * 513, "run"],
        *["a/b/c/d/e/f/g/h/i", "../../x", "/etc/passwd", "a\u202e", "a\x7f", "\ud83d"],
    ],
)
def test_key_outside_the_grammar_is_refused_b147(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_key(text)
    assert "\x00" not in refused.value.detail
    assert "\n" not in refused.value.detail


def test_a_policys_name_is_in_the_grammar_of_an_app_and_not_the_default() -> None:
    assert parse_policy_name("base-1") == "base-1"
    for text in ("_default", "Base", "a/b", ""):
        with pytest.raises(Malformed, match="policy"):
            parse_policy_name(text)


@pytest.mark.parametrize("parse", [parse_app, parse_env])
@pytest.mark.parametrize("text", ["web", "a", "a-b", "_default", "1", "x" * 63])
def test_name_in_the_grammar_is_kept(parse: Callable[[str], str], text: str) -> None:
    assert parse(text) == text


@pytest.mark.parametrize("parse", [parse_app, parse_env])
@pytest.mark.parametrize("text", ["", "Web", "-a", "a-", "a.b", "x" * 64, "a/b", "..", "_other", "a\n"])
def test_name_outside_the_grammar_is_refused(parse: Callable[[str], str], text: str) -> None:
    with pytest.raises(Malformed, match="is not allowed"):
        parse(text)


@pytest.mark.parametrize(("text", "good"), [("h1", True), ("h1.example.org", True), ("H1", False), ("a_b", False)])
def test_host_names(text: str, good: bool) -> None:
    if good:
        assert parse_host(text) == text
    else:
        with pytest.raises(Malformed, match="no host name"):
            parse_host(text)


def test_run_options_are_told_apart() -> None:
    assert is_run_option(Key("run/memory"))
    assert not is_run_option(Key("runner"))
    assert option_of(Key("run/memory")) == "memory"


def test_five_layers_lowest_first() -> None:
    layers = layers_of(Env("prod"), App("web"), Host("h1"))
    assert [str(layer) for layer in layers] == [
        "_default/_default",
        "prod/_default",
        "_default/web",
        "prod/web",
        "prod/web@h1",
    ]


def test_the_default_env_has_fewer_layers() -> None:
    assert [str(layer) for layer in layers_of(Env("_default"), App("web"))] == ["_default/_default", "_default/web"]


@pytest.mark.parametrize(
    ("pattern", "key", "fits"),
    [
        ("**", "a/b/c", True),
        ("log/**", "log/level", True),
        ("log/**", "log", True),
        ("log/**", "logs", False),
        ("*", "a", True),
        ("*", "a/b", False),
        ("a/*/c", "a/b/c", True),
        ("**/level", "log/level", True),
        ("**/level", "level", True),
        ("a?", "ab", True),
        ("a.b", "axb", False),
    ],
)
def test_globs(pattern: str, key: str, fits: bool) -> None:
    assert matches(pattern, key) is fits


def test_the_more_specific_pattern_orders_higher() -> None:
    patterns = ["**", "*", "log/**", "log/*", "log/level"]
    assert sorted(patterns, key=specificity) == patterns


@given(st.text(max_size=20))
def test_a_literal_pattern_matches_only_itself(key: str) -> None:
    literal = key.replace("*", "").replace("?", "")
    assert matches(literal, literal)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (KEYSPACE.setting(WEB, Key("a/b")), "/confd/envs/prod/settings/web/a/b"),
        (KEYSPACE.setting(WEB_H1, Key("a")), "/confd/envs/prod/overrides/h1/web/a"),
        (KEYSPACE.head(WEB_H1), "/confd/envs/prod/heads/web@h1"),
        (KEYSPACE.change(WEB, 7), "/confd/envs/prod/changes/web/000000000007"),
        (KEYSPACE.binding(Env("prod"), App("web")), "/confd/envs/prod/bindings/web"),
        (KEYSPACE.freeze(Env("prod")), "/confd/envs/prod/freeze"),
        (KEYSPACE.policy(Env("prod"), "base"), "/confd/envs/prod/policies/base"),
        (KEYSPACE.schema(App("web"), 12), "/confd/schemas/web/12"),
        (KEYSPACE.adoption(Env("prod"), App("web"), Host("h1")), "/confd/envs/prod/adoptions/web/h1"),
        (KEYSPACE.turn(Env("prod"), App("web"), Host("h1")), "/confd/envs/prod/turns/web/h1"),
        (KEYSPACE.sightings(Host("h1")), "/confd/hosts/h1/sightings"),
        (KEYSPACE.stop(Env("prod"), App("web")), "/confd/envs/prod/stops/web"),
        (KEYSPACE.resumed, "/confd/meta/resumed"),
        (KEYSPACE.about(Host("h1")), "/confd/hosts/h1/about"),
        (KEYSPACE.alive(Host("h1")), "/confd/hosts/h1/alive"),
        (Keyspace("/x").meta, "/x/meta"),
        (KEYSPACE.proposal(WEB, "1f"), "/confd/envs/prod/proposals/web/1f"),
        (
            KEYSPACE.proposal(WEB_H1, "1f"),
            "/confd/envs/prod/proposals/web@h1/1f",
        ),
        (Keyspace("/x").audit, "/x/audit/"),
        (KEYSPACE.owned(WEB), "/confd/envs/prod/owned/web"),
        (KEYSPACE.ledger(Host("h1"), Container("c1")), "/confd/hosts/h1/ledger/c1"),
        (KEYSPACE.status(Host("h1"), Container("c1")), "/confd/hosts/h1/status/c1"),
        (KEYSPACE.locks, "/confd/locks/"),
        (KEYSPACE.parts(Env("prod")), "/confd/envs/prod/parts/"),
    ],
)
def test_where_things_stand(place: str, expected: str) -> None:
    assert place == expected


def test_the_layer_of_a_schema_has_its_word_for_a_name() -> None:
    assert str(Layer.of_schema(App("web"))) == "schema"
    assert Layer.of_schema(App("web")) != Layer(Env("_default"), App("web"))
