"""References between settings: what they stand for, whom they reach, and what cannot be resolved."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import jsontext
from confd.discovery import discovered, references_in
from confd.jsontext import dump, parse, plain
from confd.keys import App, Env, Host, Key, Layer
from confd.model import Entry, Resolved, Setting, Snapshot
from confd.references import (
    MAX_CHAIN,
    MISSING,
    Link,
    effective,
    linked_layers,
    links_at,
    mentioned_in,
    plain_text,
    referred,
    stamps,
    strays,
)
from confd.resolve import resolve

DEV, WEB, DB = Env("dev"), App("web"), App("db")
Values = dict[str, Any]

HOW = "set it, change what refers to it, or write $${ for a plain ${"


def stored(web: Values, db: Values | None = None, **layers: Values) -> Snapshot:
    """`layers`: host -> a host's own settings of db."""
    found = {Layer(DEV, WEB): web, Layer(DEV, DB): db or {}}
    found |= {Layer(DEV, DB, Host(host)): values for host, values in layers.items()}
    return Snapshot(
        9,
        {
            layer: {key: Entry(key, dump(value), 5) for key, value in values.items()}
            for layer, values in found.items()
        },
    )


def due(snapshot: Snapshot, host: str | None = None) -> Resolved:
    return discovered(effective(snapshot, DEV, WEB, Host(host) if host else None), {}, here=False)


def values(resolved: Resolved) -> Values:
    return {key: plain(parse(setting.text)) for key, setting in resolved.settings.items()}


def problems(snapshot: Snapshot) -> list[tuple[str, tuple[str, ...], str]]:
    return [(one.code, one.keys, one.detail) for one in effective(snapshot, DEV, WEB).problems]


def test_a_value_has_what_it_refers_to_in_its_own_app_and_in_others() -> None:
    web = {"URL": "pg://${db:db/host}:${db:port}/${name}?x=${web:name}", "name": "shop"}
    found = values(due(stored(web, {"db/host": "h1", "port": 5432})))
    assert found == {"URL": "pg://h1:5432/shop?x=shop", "name": "shop"}


@pytest.mark.parametrize(
    ("target", "whole", "within"),
    [
        ("text", "text", "<text>"),
        (jsontext.Number("1.10"), 1.10, "<1.10>"),
        (True, True, "<true>"),
        ([1, "a"], [1, "a"], '<[1,"a"]>'),
        ({"a": {"b": 'x"y'}}, {"a": {"b": 'x"y'}}, '<{"a":{"b":"x\\"y"}}>'),
        ("", "", "<>"),
    ],
)
def test_alone_it_keeps_its_type_and_within_text_it_is_what_a_variable_would_be(
    target: Any, whole: Any, within: str
) -> None:
    snapshot = stored(
        {"alone": "${db:x}", "within": "<${db:x}>", "list": ["${db:x}", {"m": "${db:x}"}]}, {"x": target}
    )
    found = values(due(snapshot))
    assert found == {"alone": whole, "within": within, "list": [whole, {"m": whole}]}
    assert due(snapshot).settings[Key("alone")].text == dump(target)


def test_a_number_keeps_its_text() -> None:
    snapshot = stored({"a": "${db:x}", "b": "v${db:x}"}, {"x": jsontext.Number("1.10")})
    texts = {key: setting.text for key, setting in due(snapshot).settings.items()}
    assert texts == {"a": "1.10", "b": '"v1.10"'}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("$${a}", "${a}"),
        ("$$${a}", "$${a}"),
        ("$${a} ${a}", "${a} A"),
        ("${a", "${a"),
        ("${", "${"),
        ("$a $$ $", "$a $$ $"),
        ("${catalina.home:.}/conf", "${catalina.home:.}/conf"),
        ("${mt:WAIT,0275}", "${mt:WAIT,0275}"),
        ("${VAR:-default}", "${VAR:-default}"),
        ("${_default:a}", "${_default:a}"),
        ("${run}", "${run}"),
        ("${a b}${a}", "${a b}A"),
        ("${a${a}}", "${aA}"),
        ("${}", "${}"),
        ("$${@db:address}", "${@db:address}"),
        ("$${${a}", "${A"),
    ],
)
def test_an_escape_is_plain_and_what_is_no_reference_stays_b144_b145(written: str, text: str) -> None:
    assert values(due(stored({"T": written, "a": "A"})))["T"] == text


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("${VAR:-x} ${a} $${b} ${@db:address}", ["${VAR:-x"]),
        (["${x y}", {"${n m}": "${"}], ["${x y", "${"]),
        ("$x", []),
        (1, []),
    ],
)
def test_what_begins_like_a_reference_and_is_none_can_be_told(value: Any, found: list[str]) -> None:
    assert strays(value) == found


def test_what_a_reference_brings_in_is_never_read_as_another() -> None:
    snapshot = stored(
        {"a": "${open}${brace}", "b": "${open}{x}", "c": "${open}${at}", "d": "<${map}>", "x": "X"}
        | {"open": "$", "brace": "{x}", "at": "{@db:address}", "map": {"${x}": "$${x}", "${@db:address}": [1]}}
    )
    found = due(snapshot)
    assert references_in(effective(snapshot, DEV, WEB)) == {}
    assert {key: values(found)[key] for key in "abcd"} == {
        "a": "${x}",
        "b": "${x}",
        "c": "${@db:address}",
        "d": '<{"${x}":"${x}","${@db:address}":[1]}>',
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a ${@db:address}", "a $${@db:address}"),
        ("$x ${y} $${z}", "$x $${y} $$${z}"),
        (["${a}", {"${b}": "${c}"}], ["$${a}", {"${b}": "$${c}"}]),
        (True, True),
    ],
)
def test_what_is_no_reference_is_written_so(value: Any, text: Any) -> None:
    assert plain_text(value) == text
    assert values(due(stored({"T": {"v": text}})))["T"] == {"v": value}


def test_a_quick_look_finds_all_that_may_be_referred_to() -> None:
    text = dump(["${@a", "${db:host} $${x/y}", {"m": "${run/memory}"}])
    assert list(mentioned_in(text)) == [("db", "host"), ("", "x/y"), ("", "run/memory")]
    assert list(mentioned_in('"$x"')) == []


def test_a_reference_to_a_setting_that_refers_to_a_container_is_one_to_it() -> None:
    snapshot = stored({"URL": "pg://${db:at}/x", "at": "${db:at}"}, {"at": "${@pg:address}:${@pg:port/5432}"})
    resolved = effective(snapshot, DEV, WEB)
    assert set(references_in(resolved)) == {"pg:address", "pg:port/5432"}
    found = discovered(resolved, {"pg:address": "10.0.0.2", "pg:port/5432": "32768"}, here=True)
    assert values(found) == {"URL": "pg://10.0.0.2:32768/x", "at": "10.0.0.2:32768"}


def test_a_dollar_before_a_reference_to_a_container_is_told_not_guessed() -> None:
    ((code, keys, detail),) = problems(stored({"a": "${d}${c}", "d": "$", "c": "${@pg:address}"}))
    assert (code, keys) == ("reference", ("a",))
    assert "ends with $ before a reference to a container" in detail


def test_a_reference_to_a_container_that_does_not_end_ends_with_its_setting() -> None:
    resolved = effective(stored({"a": "${b}ess}", "b": "${@pg:addr"}), DEV, WEB)
    assert {problem.keys for problem in discovered(resolved, {}, here=False).problems} == {("a",), ("b",)}


def test_the_hosts_own_layer_of_the_other_app_counts() -> None:
    snapshot = stored({"H": "${db:host}"}, {"host": "h0"}, h1={"host": "h1"})
    assert [values(due(snapshot, host))["H"] for host in (None, "h1", "h2")] == ["h0", "h1", "h0"]


def test_what_is_not_set_is_told_with_the_way_and_how_to_mend_it() -> None:
    web = {"A": "${db:dsn}", "B": "${nope}", "C": "1"}
    snapshot = stored(web, {"dsn": "x${host}"})
    assert problems(snapshot) == [
        (
            MISSING,
            ("A",),
            "A: A -> db:dsn -> db:host is not set; set it, change what refers to it, or write $${ for a plain ${",
        ),
        (
            MISSING,
            ("B",),
            "B refers to nope, which is not set; set it, change what refers to it, or write $${ for a plain ${",
        ),
    ]
    assert list(effective(snapshot, DEV, WEB).settings) == ["C"]


def test_null_takes_what_others_refer_to_away() -> None:
    snapshot = stored({"A": "${db:host}"}, {"host": "h"}, h1={"host": None})
    assert [len(effective(snapshot, DEV, WEB, host).problems) for host in (None, Host("h1"))] == [0, 1]


@pytest.mark.parametrize(
    ("web", "db", "ways"),
    [
        ({"a": "${a}"}, {}, ["a -> a"]),
        (
            {"a": "${b}", "b": "${c}", "c": "x${a}"},
            {},
            ["a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c"],
        ),
        ({"a": "${db:x}", "z": "1"}, {"x": "${web:a}"}, ["a -> db:x -> a"]),
        ({"d": "${db:x}"}, {"x": "${y}", "y": ["${x}"]}, ["d -> db:x -> db:y -> db:x"]),
    ],
)
def test_a_circle_is_told_with_its_way(web: Values, db: Values, ways: list[str]) -> None:
    found = problems(stored(web, db))
    assert [(code, detail.partition(" goes round")[0].partition(": ")[2]) for code, _, detail in found] == [
        ("reference", way) for way in ways
    ]


def test_a_chain_is_bounded_and_one_within_the_bound_is_resolved() -> None:
    chain = {f"k{number:03}": f"${{k{number + 1:03}}}" for number in range(200)} | {"k200": "end"}
    found = effective(stored(chain), DEV, WEB)
    assert len(found.settings) == MAX_CHAIN
    assert {plain(parse(setting.text)) for setting in found.settings.values()} == {"end"}
    assert "is a chain of more than 64 references" in found.problems[0].detail
    assert "k000 -> k001 -> k002 -> k003 -> ... -> k062" in found.problems[0].detail


@pytest.mark.parametrize(
    "join", [lambda name: f"${{{name}}}" * 10, lambda name: [f"${{{name}}}"] * 10], ids=["text", "list"]
)
def test_a_thousand_million_laughs_are_refused(join: Any) -> None:
    laughs = {"k0": "ha" * 10} | {f"k{number}": join(f"k{number - 1}") for number in range(1, 12)}
    found = effective(stored(laughs), DEV, WEB)
    assert {"k0", "k1", "k2", "k3"} < set(found.settings)
    assert {problem.keys[0] for problem in found.problems} >= {"k5", "k6", "k7", "k8", "k9", "k10", "k11"}
    assert any("would be more than 524288 bytes as JSON" in problem.detail for problem in found.problems)


@pytest.mark.parametrize("value", ["${big}${big}", ["${big}", "${big}"], ["${big}"] * 3])
def test_a_value_is_as_short_as_any_may_be(value: Any) -> None:
    found = problems(stored({"a": value, "big": "x" * 400_000}))
    assert [detail for _, _, detail in found] == [
        "a would be more than 524288 bytes as JSON with what it refers to"
    ]


def test_what_all_references_bring_in_is_bounded_too() -> None:
    wide = {"big": "x" * 400_000} | {f"k{number:02}": "${big}" for number in range(30)}
    found = effective(stored(wide), DEV, WEB)
    assert len(found.settings) == 21
    assert "the app's other references bring in more than 8388608 characters" in found.problems[0].detail


def test_a_value_does_not_become_deeper_than_any_may_be() -> None:
    nest: Values = {"k0": [[]]} | {
        f"k{number:02}": [[[[[f"${{k{number - 1 or 0:02}}}"]]]]] for number in range(1, 20)
    }
    nest["k00"] = nest.pop("k0")
    found = effective(stored(nest), DEV, WEB)
    assert "nested more than 64 levels deep" in found.problems[0].detail
    assert len(found.settings) == 13


def test_a_secret_makes_what_refers_to_it_secret_however_far() -> None:
    resolved = resolve(stored({"A": "${b}", "b": "${c}", "c": "s", "d": "${e}", "e": "x"}), DEV, WEB)
    settings = {key: Setting(key, s.text, key == "c", s.layer, 5) for key, s in resolved.settings.items()}
    told = Resolved(WEB, DEV, None, 9, settings, {}, {}, {})
    found = referred(told, lambda app: resolved)
    assert {key: setting.secret for key, setting in found.settings.items()} == {
        "A": True,
        "b": True,
        "c": True,
        "d": False,
        "e": False,
    }


def test_what_was_written_is_kept() -> None:
    found = effective(stored({"A": "x${b}", "b": "1"}), DEV, WEB).settings
    assert [(setting.text, setting.written) for setting in found.values()] == [('"x1"', '"x${b}"'), ('"1"', None)]


def test_all_that_an_app_comes_to_is_told_also_what_is_not_set() -> None:
    snapshot = stored(
        {"A": "${b} ${db:dsn}", "b": "1", "C": ["${db:dsn}", "${lb:x}"]}, {"dsn": "${host}", "q": "${z}"}
    )
    found = [Link(WEB, Key("b")), Link(DB, Key("dsn")), Link(App("lb"), Key("x")), Link(DB, Key("host"))]
    assert sorted(links_at(snapshot, DEV, WEB)) == sorted(found)
    assert {layer.app for layer in linked_layers(snapshot, DEV, WEB)} == {"_default", "web", "db", "lb"}
    assert {f"{link.app}:{link.key}": at for link, at in stamps(snapshot, DEV, WEB).items()} == {
        "db:dsn": (0, 0, 0, 5),
        "db:host": (0, 0, 0, 0),
        "lb:x": (0, 0, 0, 0),
    }


def test_a_circle_does_not_keep_from_telling_whom_one_refers_to() -> None:
    assert len(links_at(stored({"a": "${b}", "b": "${a}"}), DEV, WEB)) == 2


# --- for any settings ---------------------------------------------------------------------------------------

TEXT = st.text(alphabet="${}@ab:x/", max_size=12)


@given(
    st.recursive(TEXT | st.integers() | st.none(), lambda of: st.lists(of, max_size=3) | st.dictionaries(TEXT, of))
)
def test_a_plain_text_refers_to_nothing_and_stands_for_itself(value: Any) -> None:
    snapshot = stored({"T": {"v": plain_text(value)}, "a": "A", "b": "B"})
    assert values(due(snapshot))["T"] == {"v": value}
    assert links_at(snapshot, DEV, WEB) == []


@given(TEXT, TEXT, TEXT)
def test_what_is_put_together_is_what_its_parts_are(one: str, two: str, between: str) -> None:
    wanted = {"one": plain_text(one), "two": plain_text(two)}
    wanted["both"] = "${one}" + str(plain_text(f"-{between}-")) + "${two}"
    assert values(due(stored(wanted)))["both"] == f"{one}-{between}-{two}"


@st.composite
def graphs(draw: st.DrawFn) -> Values:
    """Keys that refer to any keys, in circles too."""
    names = [f"k{number}" for number in range(draw(st.integers(1, 8)))]
    piece = st.sampled_from(
        [*(f"${{{name}}}" for name in names), *(f"${{web:{name}}}" for name in names), "a", "-"]
    )
    return {name: "".join(draw(st.lists(piece, max_size=3))) for name in names}


def naive(values: Values, name: str, seen: tuple[str, ...] = ()) -> str | None:
    """What a value is by plain substitution; None in a circle."""
    if name in seen:
        return None
    text = str(values[name])
    for match in re.findall(r"\$\{(?:web:)?(k\d)\}", text):
        inner = naive(values, match, (*seen, name))
        if inner is None:
            return None
        text = re.sub(rf"\$\{{(?:web:)?{match}\}}", inner, text)
    return text


@given(graphs())
def test_any_graph_is_substituted_or_its_circles_are_told(graph: Values) -> None:
    found = effective(stored(graph), DEV, WEB)
    wanted = {name: naive(graph, name) for name in graph}
    assert values(found) == {name: text for name, text in wanted.items() if text is not None}
    assert {problem.keys[0] for problem in found.problems} == {name for name in graph if wanted[name] is None}
    for problem in found.problems:
        way = problem.detail.partition(": ")[2].partition(" goes")[0].split(" -> ")
        assert way[-1] in way[:-1]
        assert all(f"{two}}}" in graph[one] for one, two in pairwise(way))


def test_of_what_stands_in_a_secret_not_even_a_name_is_told() -> None:
    resolved = resolve(stored({"A": "x ${s}", "s": "${canary}", "b": "${gone}"}), DEV, WEB)
    settings = {key: Setting(key, one.text, key == "s", one.layer, 5) for key, one in resolved.settings.items()}
    told = Resolved(WEB, DEV, None, 9, settings, {}, {}, {})
    found = referred(told, lambda app: resolved).problems
    assert [(one.keys, "canary" in one.detail) for one in found] == [
        (("A",), False),
        (("b",), False),
        (("s",), False),
    ]
    assert "gone" in found[1].detail
