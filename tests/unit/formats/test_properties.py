"""Java .properties: what `java.util.Properties` reads, what is refused and with which line, and what is told."""

from __future__ import annotations

import pytest

from confd.errors import Invalid, Malformed
from confd.formats import properties
from confd.jsontext import Number, Value


def read(text: str) -> dict[str, Value]:
    return dict(properties.load(text))


@pytest.mark.parametrize("text", ["", "\ufeff", "# only\n ! comments\n\n"])
def test_a_file_without_names_is_empty_b07(text: str) -> None:
    assert read(text) == {}


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_part_of_a_value_b07_b08() -> None:
    assert read("\ufeffa=1\r\nb=2\rc=x\\\r\n  y\r\n") == {"a": "1", "b": "2", "c": "xy"}


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("a = b ", "a", "b "),
        ("a:b", "a", "b"),
        ("a b=c", "a", "b=c"),
        ("a  :=c", "a", "=c"),
        ("a", "a", ""),
        (r"a\ b\=\:=c", "a b=:", "c"),
        ("  a=#!b", "a", "#!b"),
        ("a=b\\\n # c", "a", "b# c"),
        ("a=b\\", "a", "b"),
        (r"a=\ b\tc", "a", " b\tc"),
    ],
)
def test_names_and_values(text: str, name: str, value: str) -> None:
    assert read(text) == {name: value}


def test_a_colon_has_its_backslash_in_the_file_alone_b23() -> None:
    assert read(r"k={a\:1}") == {"k": "{a:1}"}
    assert properties.dump({"k": "{a:1}"}) == "k={a:1}\n"
    assert read(properties.dump({"k": "{a:1}"})) == {"k": "{a:1}"}


def test_an_escape_has_four_digits_b25() -> None:
    assert read("city1=M\\u00FCnchen\ncity2=B\\u00fcckeburg\n") == {"city1": "München", "city2": "Bückeburg"}


def test_an_even_number_of_backslashes_ends_the_line_b26() -> None:
    assert read("odd=q\\\\\\\nmore\nbsend=abc\\\\\nnext=n\n") == {"odd": "q\\more", "bsend": "abc\\", "next": "n"}


def test_a_backslash_that_goes_is_told_of_with_name_and_line_b28() -> None:
    text = '# c\nwin=C:\\temp\\new\ndrop=\\z\\"q\\"\nok=C:\\\\temp\\ttab\\:\n'
    assert read(text) == {"win": "C:\temp\new", "drop": 'z"q"', "ok": "C:\\temp\ttab:"}
    first, second = properties.warnings(text)
    assert first.startswith("line 2: win has an unescaped backslash")
    assert second.startswith("line 3: drop has an unescaped backslash")


@pytest.mark.parametrize("line", ["bad=C:\\users\\app", "bad=\\u00g1", "bad=\\u00"])
def test_an_escape_without_four_digits_is_refused_with_name_and_line_b29(line: str) -> None:
    with pytest.raises(Malformed, match=r"line 2: bad has a \\u without four hexadecimal digits"):
        read(f"a=1\n{line}\n")


def test_two_escapes_make_one_character_and_half_of_one_is_refused_b31() -> None:
    text = "emoji=\\ud83d\\ude00\namp=\\u0026\neuro=\\u20ac\n"
    assert read(text) == {"emoji": "😀", "amp": "&", "euro": "€"}
    with pytest.raises(Malformed, match="line 4: lone has a lone surrogate"):
        read(f"{text}lone=\\ud83d\n")


def test_a_name_that_stands_twice_is_refused_with_both_lines_b38() -> None:
    with pytest.raises(Malformed, match="line 3: 'a b' stands again, first in line 1"):
        read("a\\ b=1\n\na\\u0020b=2\n")


@pytest.mark.parametrize("line", ["=1", ":", " = 1"])
def test_a_missing_name_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(Malformed, match="line 2: a name is missing"):
        read(f"a=1\n{line}\n")


def test_it_is_written_in_ascii_with_values_as_text() -> None:
    values: dict[str, Value] = {"db/port": Number("1.10"), "a b#": "  ü\n\\", "😀": True, "l": [1]}
    assert properties.dump(values) == "db/port=1.10\na\\ b\\#=\\  \\u00FC\\n\\\\\n\\uD83D\\uDE00=true\nl=[1]\n"


@pytest.mark.parametrize("values", [{"": "a"}, {"k": None}])
def test_what_the_file_cannot_hold_is_refused(values: dict[str, Value]) -> None:
    with pytest.raises(Invalid, match=r"empty name|k is null"):
        properties.dump(values)
