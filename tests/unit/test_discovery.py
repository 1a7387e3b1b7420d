"""References to containers: what they stand for, and what is told of one that stands for nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.discovery import Reference, discovered, find, plain_text, references_in
from confd.jsontext import dump, parse
from confd.keys import App, Env, Key, Layer
from confd.model import Entry, Resolved, Snapshot
from confd.resolve import resolve

LAYER = Layer(Env("prod"), App("web"))


def settings(**values: str) -> Resolved:
    entries = {key: Entry(key, dump(text), 5) for key, text in values.items()}
    return resolve(Snapshot(7, {LAYER: entries}), LAYER.env, LAYER.app)


def texts(resolved: Resolved) -> dict[str, Any]:
    return {key: parse(setting.text) for key, setting in resolved.settings.items()}


def test_a_value_has_what_its_references_stand_for() -> None:
    resolved = settings(URL="tcp://${@db:address}:5432/x?port=${@lb:port/80}", PLAIN="1", LITERAL="$${@db:address}")
    assert references_in(resolved) == {"db:address": Reference("db"), "lb:port/80": Reference("lb", port="80")}
    found = discovered(resolved, {"db:address": "172.17.0.3", "lb:port/80": "49153"}, here=True)
    assert texts(found) == {
        "URL": "tcp://172.17.0.3:5432/x?port=49153",
        "PLAIN": "1",
        "LITERAL": "${@db:address}",
    }
    assert found.problems == ()


def test_what_is_not_found_is_left_out_where_all_is_known_and_stays_elsewhere() -> None:
    resolved = settings(URL="${@db:address}", PORT="${@db:port/53/udp}", PLAIN="1")
    here = discovered(resolved, {}, here=True)
    assert texts(here) == {"PLAIN": "1"}
    assert [problem.detail for problem in here.problems] == [
        "PORT refers to db:port/53/udp: no container db on this host has a published port 53/udp",
        "URL refers to db:address: no container db on this host has an address there",
    ]
    assert texts(discovered(resolved, {}, here=False)) == texts(resolved)


@pytest.mark.parametrize(
    "word", ["", "db", "db:", "db:adress", "db:port", "db:port/http", "-x:address", "a b:address"]
)
@pytest.mark.parametrize("here", [True, False])
def test_what_nobody_could_resolve_is_a_problem_everywhere(word: str, here: bool) -> None:
    (problem,) = discovered(settings(A=f"${{@{word}}}"), {}, here=here).problems
    assert problem.keys == ("A",)
    assert "is no reference to a container: use ${@NAME:address}" in problem.detail


def test_one_that_does_not_end_is_a_problem() -> None:
    assert len(discovered(settings(A="x ${@db:addr"), {}, here=False).problems) == 1


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=50))
def test_a_text_without_references_is_itself(text: str) -> None:
    resolved = settings(A=text)
    if "${@" not in text:
        assert texts(discovered(resolved, {}, here=True)) == {"A": text}


FRONT = {"front": {"IPAddress": "172.30.0.9"}}
BOTH = {**FRONT, "back": {"IPAddress": "172.31.0.2"}}
PORTS = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "49153"}], "53/udp": [{"HostPort": "53"}], "9/tcp": None}


@pytest.mark.parametrize(
    ("reference", "networks", "found"),
    [
        (Reference("db"), FRONT, "172.30.0.9"),
        (Reference("db"), BOTH, None),
        (Reference("db", network="back"), BOTH, "172.31.0.2"),
        (Reference("db", network="none"), BOTH, None),
        (Reference("db"), {"front": {"IPAddress": ""}}, None),
        (Reference("db"), {"six": {"IPAddress": "", "GlobalIPv6Address": "fd00::2"}}, "fd00::2"),
        (Reference("db", port="80"), FRONT, "49153"),
        (Reference("db", port="53/udp"), FRONT, "53"),
        (Reference("db", port="9"), FRONT, None),
        (Reference("db", port="81"), FRONT, None),
    ],
)
def test_what_a_reference_stands_for(reference: Reference, networks: dict[str, Any], found: str | None) -> None:
    assert find(reference, {"NetworkSettings": {"Networks": networks, "Ports": PORTS}}) == found


@given(st.text(alphabet="$${}@db:address"))
def test_a_plain_text_refers_to_nothing_and_stands_for_itself(text: str) -> None:
    made = plain_text(text)
    assert isinstance(made, str)
    assert texts(discovered(settings(A=made), {}, here=True)) == {"A": text}


@pytest.mark.parametrize(("value", "text"), [("a ${@db:address}", "a $${@db:address}"), ("$x", "$x"), (True, True)])
def test_what_is_no_reference_is_written_so(value: Any, text: Any) -> None:
    assert plain_text(value) == text


def test_a_wrong_reference_in_a_secret_shows_nothing_of_it() -> None:
    resolved = resolve(Snapshot(7, {LAYER: {"s": Entry("s", '"${@canary"', 5)}}), LAYER.env, LAYER.app)
    secret = replace(resolved.settings[Key("s")], secret=True)
    (problem,) = discovered(replace(resolved, settings={Key("s"): secret}), {}, here=True).problems
    assert "canary" not in problem.detail
