"""A layer as a text: nothing is lost on the way through an editor, nor to others who write meanwhile."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from confd.cli.editing import FORMATS, Layer, body_of, edits, rebased, text_of, told, values_of
from confd.errors import Malformed
from confd.jsontext import Number, Value, dump
from confd.secret import MASK

KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,5}(/[A-Za-z0-9_]{1,3}){0,2}", fullmatch=True).filter(
    lambda key: key != "run"
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | TEXTS | st.sampled_from([Number("1.10"), Number("-0"), Number("1e400")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


def layer(secrets: str = "", **values: Value) -> Layer:
    return Layer(values, set(secrets), "tag")


@pytest.mark.parametrize("form", FORMATS)
@settings(deadline=None)
@given(values=st.dictionaries(KEYS, VALUES, max_size=5))
def test_what_is_not_edited_is_the_same(form: str, values: dict[str, Value]) -> None:
    read = values_of(text_of(["who", "", "where"], FORMATS[form](values)), form)
    assert dump(read) == dump(values)
    assert not any(edits(Layer(values, set(), ""), read or {}))


@pytest.mark.parametrize(
    ("text", "form", "values"),
    [
        ("", "yaml", None),
        ("#: head\n# mine\n", "yaml", None),
        ("#: head\n\n", "json", None),
        ("{}", "yaml", {}),
        ("a: {b: 1}\nlog/level: x\n", "yaml", {"a": {"b": Number("1")}, "log/level": "x"}),
        ('#: head\n{"a": 1}', "json", {"a": Number("1")}),
    ],
)
def test_a_text_is_read_without_its_head(text: str, form: str, values: Value) -> None:
    assert values_of(text, form) == values


@pytest.mark.parametrize(
    ("text", "form", "words"),
    [
        ("#: head\n#: more\na: [\n", "yaml", "line 4: this is no YAML"),
        ("#: head\na: 1\na: 2\n", "yaml", "line 3: 'a' stands again, first in line"),
        ('#: head\n{"a": \n x}', "json", "line 3 column 2"),
        ("#: head\n- 1\n", "yaml", "it is to be one mapping"),
        ("#: head\na b: 1\n", "yaml", "key 'a b'"),
    ],
)
def test_what_is_wrong_is_told_with_the_line_of_the_text(text: str, form: str, words: str) -> None:
    with pytest.raises(Malformed) as raised:
        values_of(text, form)
    assert words in raised.value.detail


def test_a_line_of_the_text_that_only_looks_like_the_head_stays() -> None:
    assert body_of("#: head\na: |\n#: not the head\n") == "a: |\n#: not the head\n"


def test_a_mask_that_stays_is_no_edit_and_another_value_is_a_secret() -> None:
    base = layer("ps", p=MASK, s=MASK, a="1")
    assert edits(base, {"p": MASK, "s": MASK, "a": "1"}) == ({}, [], [])
    assert edits(base, {"p": "new", "a": "2"}) == ({"p": "new", "a": "2"}, ["s"], ["p"])
    with pytest.raises(Malformed, match=r"b: \*+ stands for the value of a secret, and b is none"):
        edits(base, {"p": MASK, "b": MASK})


@pytest.mark.parametrize(
    ("wanted", "now", "merged", "clashes"),
    [
        ({"a": "1", "b": "2"}, {"a": "1", "b": "9"}, {"a": "1", "b": "9"}, []),
        ({"a": "5", "b": "2"}, {"a": "1", "b": "9", "n": "x"}, {"a": "5", "b": "9", "n": "x"}, []),
        ({"a": "5", "b": "2"}, {"a": "7", "b": "2"}, {"a": "5", "b": "2"}, ["a"]),
        ({"a": "5", "b": "2"}, {"a": "5", "b": "2"}, {"a": "5", "b": "2"}, []),
        ({"b": "2"}, {"a": "7", "b": "2"}, {"b": "2"}, ["a"]),
        ({"b": "2"}, {"b": "2"}, {"b": "2"}, []),
        ({"a": "5", "b": "2"}, {"b": "2"}, {"a": "5", "b": "2"}, ["a"]),
        ({"a": "1", "b": "2", "n": "y"}, {"a": "1", "b": "2"}, {"a": "1", "b": "2", "n": "y"}, []),
    ],
)
def test_what_was_edited_is_brought_over_what_others_changed(
    wanted: dict[str, Value], now: dict[str, Value], merged: dict[str, Value], clashes: list[str]
) -> None:
    assert rebased(layer(a="1", b="2"), wanted, Layer(now, set(), "t")) == (merged, clashes)


def test_what_others_changed_is_told_a_line_a_key() -> None:
    before: dict[str, Value] = {"a": "1", "b": Number("1.0"), "c": None}
    after: dict[str, Value] = {"b": Number("1.10"), "c": None, "d": "x\x1b"}
    assert told(before, after) == ["a: 1 -> (not set)", "b: 1.0 -> 1.10", "d: (not set) -> x\\x1b"]
