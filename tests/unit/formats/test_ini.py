"""INI: what is read, what is refused and with which line, what is told, and what the file cannot hold."""

from __future__ import annotations

import configparser

import pytest

from confd.errors import Invalid, Malformed
from confd.formats import ini
from confd.jsontext import Number, Value


def read(text: str) -> dict[str, Value]:
    return dict(ini.load(text))


@pytest.mark.parametrize("text", ["", "\ufeff", "; only\n  # comments\n\n", "[section]\n"])
def test_a_file_without_names_is_empty_b07(text: str) -> None:
    assert read(text) == {}


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_part_of_a_value_b07_b08() -> None:
    assert read("\ufeff[a]\r\nb = c\r\n  d\r\n") == {"a/b": "c\nd"}


def test_a_percent_sign_is_one_b43() -> None:
    assert read("[app]\nfmt=%h server\npct=50%\nurl=http://h/%41\n") == {
        "app/fmt": "%h server",
        "app/pct": "50%",
        "app/url": "http://h/%41",
    }


def test_what_looks_like_a_comment_behind_a_value_is_data_and_told_of_b45() -> None:
    text = "[a]\nsemi=a;b ; c\nhash=a # b\nplain=a;b\n"
    assert read(text) == {"a/semi": "a;b ; c", "a/hash": "a # b", "a/plain": "a;b"}
    first, second = ini.warnings(text)
    assert first == "line 2: what looks like a comment is part of the value of a/semi"
    assert second.startswith("line 3")


def test_the_section_default_is_one_as_any_other_b46() -> None:
    text = "[DEFAULT]\nbase=1\nmore=2\n[App]\nx=1\n"
    assert read(text) == {"DEFAULT/base": "1", "DEFAULT/more": "2", "App/x": "1"}
    assert read(ini.dump(read(text))) == read(text)
    (words,) = ini.warnings(text)
    assert words.startswith("line 2: [DEFAULT] is a section as any other")


def test_a_value_of_several_lines_keeps_those_between_b46() -> None:
    text = "[App]\nmulti=one\n  two\n\n  three\n\nnext=1\n"
    assert read(text) == {"App/multi": "one\ntwo\n\nthree", "App/next": "1"}
    assert read("[a]\nb =\n  c\n  # no\n  d = e\n  [f]\n") == {"a/b": "\nc\nd = e\n[f]"}


def test_a_name_without_a_value_is_refused_with_its_line_b46() -> None:
    with pytest.raises(Malformed, match="line 2: expected"):
        read("[App]\nflagonly\n")


@pytest.mark.parametrize("text", ["[a]\n[a\n", "[a]\n= 1\n", "[a]\n[]\n", "[a]\n[b] x\n"])
def test_any_other_line_is_refused_with_its_number(text: str) -> None:
    with pytest.raises(Malformed, match="line 2: expected"):
        read(text)


def test_what_stands_twice_is_refused_with_both_lines_b38() -> None:
    with pytest.raises(Malformed, match=r"line 4: \[a\] stands again, first in line 1"):
        read("[a]\nb=1\n[c]\n[a]\n")
    with pytest.raises(Malformed, match="line 3: 'a/b' stands again, first in line 2"):
        read("[a]\nb=1\nb=2\n")


def test_two_names_that_give_one_key_are_refused_with_both_lines_b42() -> None:
    with pytest.raises(Malformed, match="line 4: 'a/b/c' stands again, first in line 2"):
        read("[a]\nb/c=1\n[a/b]\nc=2\n")


def test_lines_above_every_section_are_keys_without_a_folder() -> None:
    assert read("top: 1\n  [a]\n  b = =x\n  c=d\n") == {"top": "1\n[a]\nb = =x\nc=d"}
    assert read("  top: 1\n[a]\n  b = =x\n  c=d\n") == {"top": "1", "a/b": "=x", "a/c": "d"}


def test_it_is_written_in_sections() -> None:
    values: dict[str, Value] = {"a/b": "x\n\ny", "top": Number("1.10"), "a/c/d": True, "a/e": ""}
    text = "top = 1.10\n\n[a]\nb = x\n\t\n\ty\ne =\n\n[a/c]\nd = true\n"
    assert ini.dump(values) == text
    assert read(text) == {"a/b": "x\n\ny", "top": "1.10", "a/c/d": "true", "a/e": ""}
    assert ini.dump({}) == ""


def test_python_s_own_reader_agrees() -> None:
    text = ini.dump({"a/b": "x\n\ny", "a/pct": "5%", "a/empty": "", "a/url": "http://h/?a=b;c#d"})
    python = configparser.ConfigParser(interpolation=None)
    python.read_string(text)
    assert {f"a/{name}": value for name, value in python["a"].items()} == read(text)


@pytest.mark.parametrize("text", [" a", "a ", "a\tb\n c", "a\n;b", "a\n#b", "a\n", "\n", "a\rb", "a\n\n"])
def test_a_value_that_would_not_read_back_is_refused_by_name(text: str) -> None:
    with pytest.raises(Invalid, match="a/b has blanks at an end"):
        ini.dump({"a/b": text})


@pytest.mark.parametrize("key", ["", "a=b", "a b", "#a", "[a]", "a//b", "/a"])
def test_a_name_that_would_not_read_back_is_refused(key: str) -> None:
    with pytest.raises(Invalid, match="cannot stand as a name"):
        ini.dump({key: "x"})


def test_a_null_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="k is null"):
        ini.dump({"k": None})
