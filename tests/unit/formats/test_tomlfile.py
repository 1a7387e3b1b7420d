"""TOML: what is read, what is refused and with which line, and what TOML cannot hold."""

from __future__ import annotations

import pytest

from confd.errors import Invalid, Malformed
from confd.formats import tomlfile
from confd.jsontext import Number, Value


def read(text: str) -> dict[str, Value]:
    return dict(tomlfile.load(text))


@pytest.mark.parametrize("text", ["", "\ufeff", "# only a comment\n", "[table]\n"])
def test_a_file_without_names_is_empty_b07(text: str) -> None:
    assert read(text) in ({}, {"table": {}})


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_part_of_a_value_b07_b08() -> None:
    text = "\ufeffmode = 'prod'\r\ntext = '''\r\none\r\ntwo'''\r\n"
    assert read(text) == {"mode": "prod", "text": "one\ntwo"}


@pytest.mark.parametrize("number", ["9007199254740993", "9123456789012345678", "1.10", "1e3", "1E2", "-0", "0.50"])
def test_a_number_keeps_its_text_b36(number: str) -> None:
    assert read(f"id = {number}\n") == {"id": Number(number)}
    assert tomlfile.dump({"id": Number(number)}) == f"id = {number}\n"


@pytest.mark.parametrize(
    "text", ["0x1F", "0o755", "1_000", "+1", "inf", "-nan", "1979-05-27 07:32:00Z", "07:32:00"]
)
def test_a_spelling_that_json_lacks_is_a_string_with_its_text(text: str) -> None:
    assert read(f"a = {text}\nl = [{text}]\n") == {"a": text, "l": [text]}


def test_nested_tables_are_segments_and_a_list_is_one_value() -> None:
    text = "a.b = true\n[t.u]\nx = 'y'\nl = [1, {k = false}]\n[[t.s]]\nn = 1\n[[t.s]]\n[v]\n[t.w]\nx = \"\"\n"
    assert read(text) == {
        "a/b": True,
        "t/u/x": "y",
        "t/u/l": [Number("1"), {"k": False}],
        "t/s": [{"n": Number("1")}, {}],
        "v": {},
        "t/w/x": "",
    }


@pytest.mark.parametrize("text", ["a = 1\na = 2\n", "[a]\n[a]\n", "a.b = 1\na.b = 2\n", "\na = {b = 1, b = 2}"])
def test_a_name_that_stands_twice_is_refused_with_its_line_b38(text: str) -> None:
    with pytest.raises(Malformed, match="line 2"):
        read(text)


def test_a_table_that_stands_again_is_never_merged_b38() -> None:
    with pytest.raises(Malformed, match=r"line 6: .*twice"):
        read("[a.c]\nx = 1\n[b]\n[a.c.e]\nx = 1\n[a.c]\ny = 2\n")


def test_two_names_that_give_one_key_are_refused_with_both_paths_b42() -> None:
    assert read('a.b = 1\n"a.b" = 2\n') == {"a/b": Number("1"), "a.b": Number("2")}
    with pytest.raises(Malformed, match="two members give the key 'a/b'"):
        read('a.b = 1\n"a/b" = 2\n')


@pytest.mark.parametrize(
    "text", ["x = 1\na = \n", "x = 1\na = [1\n", "x = 1\n[a\n", "x = 1\na = 'b\n", "x = 1\nb\n"]
)
def test_what_is_no_toml_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(Malformed, match=r"line [23]: this is no TOML"):
        read(text)


def test_very_deep_lists_are_refused() -> None:
    with pytest.raises(Malformed, match="nested too deep"):
        read("a = " + "[" * 3000)
    with pytest.raises(Malformed, match=r"this TOML is not understood: .*100 levels"):
        read("a = " + "[" * 120 + "]" * 120)


def test_it_is_written_in_tables() -> None:
    values: dict[str, Value] = {"a/b/c": "x\x7f\n", "a/b/d e": [True, {"k": Number("1.10")}], "a/e": {}, "z": False}
    text = 'z = false\n[a]\ne = {}\n[a.b]\nc = "x\\u007f\\n"\n"d e" = [true, {k = 1.10}]\n'
    assert tomlfile.dump(values) == text
    assert read(text) == values


@pytest.mark.parametrize("value", [None, [None], {"k": [None]}])
def test_a_null_is_refused_by_name(value: Value) -> None:
    with pytest.raises(Invalid, match=r"a/b.* null, which TOML does not have"):
        tomlfile.dump({"a/b": value})


@pytest.mark.parametrize("number", [str(2**63), str(-(2**63) - 1)])
def test_an_integer_beyond_64_bits_is_refused_by_name(number: str) -> None:
    with pytest.raises(Invalid, match="a/b is or holds an integer beyond 64 bits"):
        tomlfile.dump({"a/b": [Number(number)]})
    assert read(f"a = {number}\n") == {"a": Number(number)}
