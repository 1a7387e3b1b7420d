"""JSON whose numbers keep their text."""

from __future__ import annotations

from collections import deque
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd import jsontext
from confd.errors import Malformed
from confd.jsontext import Number, dump, parse, plain

SCALARS = st.none() | st.booleans() | st.text() | st.integers().map(lambda n: Number(str(n)))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "text", ["1.10", "-0", "1E2", "9123456789012345678", "1e400", "12345678901234567890123", "0.1"]
)
def test_number_keeps_its_text(text: str) -> None:
    assert dump(parse(text)) == text


@given(VALUES)
def test_what_is_dumped_parses_to_the_same(value: jsontext.Value) -> None:
    assert parse(dump(value)) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("NaN", "NaN is no JSON value"),
        ("[Infinity]", "Infinity is no JSON value"),
        ('{"a":1,"a":2}', "'a' stands twice"),
        ('"\\ud83d"', "lone surrogate"),
        ('{"\\ud83d":1}', "lone surrogate"),
        ("{", "no JSON"),
        ("[" * 80 + "]" * 80, "levels deep"),
        ("[" * 100_000, "levels deep"),
        (b"\xff", "no JSON"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(text: str | bytes, says: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse(text)
    assert says in refused.value.detail


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("1.5", 1.5),
        ("1e400", "1e400"),
        ("9" * 5000, "9" * 5000),
        ('[1,"a",{"b":2.0}]', [1, "a", {"b": 2.0}]),
        ("true", True),
    ],
)
def test_plain_gives_numbers_for_a_validator(text: str, expected: object) -> None:
    assert plain(parse(text)) == expected


def test_a_number_prints_as_its_text() -> None:
    assert str(Number("1.10")) == "1.10"


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ((), ""),
        (("a",), "/a"),
        (("set", "a/b~c"), "/set/a~1b~0c"),
        (("",), "/"),
        (("\u00e9\ud800",), "/\u00e9\\ud800"),
    ],
)
def test_a_pointer_escapes_what_separates(members: tuple[str, ...], expected: str) -> None:
    assert jsontext.pointer(*members) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MappingProxyType({"a": (True, None), "ü": deque(["x"])}), '{"a":[true,null],"ü":["x"]}'),
        ({"n": parse("1.10"), "a": ("x", {"b": []}), "c": 1}, '{"n":1.10,"a":["x",{"b":[]}],"c":1}'),
        ([1, 2.5, "\u2028"], '[1,2.5,"\u2028"]'),
    ],
)
def test_any_mapping_and_sequence_is_written_with_and_without_numbers_of_their_own(value: Any, text: str) -> None:
    assert dump(value) == text
