"""YAML 1.2: what is read by the core schema alone, what is refused, and with which line."""

from __future__ import annotations

import pytest

from confd.errors import Invalid, Malformed
from confd.formats import yamlfile, yamlreader
from confd.jsontext import Number, Value


def read(text: str) -> dict[str, Value]:
    return dict(yamlfile.load(text))


@pytest.mark.parametrize("text", ["", "\ufeff", "---\n", "# only a comment\n", "~\n", "{}\n"])
def test_a_file_without_names_is_empty_b07(text: str) -> None:
    assert read(text) == {}


def test_a_byte_order_mark_and_the_line_ends_of_windows_are_no_part_of_a_value_b07_b08() -> None:
    text = "\ufeffmode: prod\r\ntext: |\r\n  one\r\n  two\r\n"
    assert read(text) == {"mode": "prod", "text": "one\ntwo\n"}


def test_words_that_1_1_took_for_booleans_are_strings_b32() -> None:
    assert read("country: NO\nflag: yes\non: on\ndbg: false\n") == {
        "country": "NO",
        "flag": "yes",
        "on": "on",
        "dbg": False,
    }


def test_a_single_letter_is_a_string_b33() -> None:
    assert read("ACCEPT_EULA: Y\nn: n\n") == {"ACCEPT_EULA": "Y", "n": "n"}


def test_a_number_keeps_its_text_and_what_json_cannot_spell_is_a_string_b35() -> None:
    assert read("tag: 20161216\nsha: 12e34567\nbuild: 1e3\nzip: 01234\nmode: 0755\nv: 1.10\n") == {
        "tag": Number("20161216"),
        "sha": Number("12e34567"),
        "build": Number("1e3"),
        "zip": "01234",
        "mode": "0755",
        "v": Number("1.10"),
    }


@pytest.mark.parametrize(
    "text", ["0x1F", "0o17", "1_000", ".5", "5.", "+1", ".inf", "-.INF", ".nan", "12:30", "2024-01-02"]
)
def test_a_spelling_that_json_lacks_is_a_string_with_its_text(text: str) -> None:
    assert read(f"a: {text}\n") == {"a": text}


@pytest.mark.parametrize("number", ["9007199254740993", "9123456789012345678", "12345678901234567890123"])
def test_no_digit_of_a_long_number_is_lost_b36(number: str) -> None:
    assert read(f"id: {number}\n") == {"id": Number(number)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ('"true"', "true"), ("'1'", "1"),
        ("!!str 1", "1"), ("! 1", "1"), ('"\\ud83d\\ude00"', "😀"), ("!!seq [a]", ["a"]), ("!!map {}", {}),
        ("|-\n  1", "1"),
    ],
)  # fmt: skip
def test_values(text: str, value: Value) -> None:
    assert read(f"a: {text}\n") == {"a": value}


def test_a_name_is_the_text_that_is_written() -> None:
    assert read("1.10: a\ntrue: b\n'0': c\n!!str x: d\n") == {"1.10": "a", "true": "b", "0": "c", "x": "d"}


def test_nested_members_are_segments_and_a_list_is_one_value() -> None:
    assert read("a:\n  b: {c: 1}\n  l: [1, {x: ~}]\n") == {"a/b/c": Number("1"), "a/l": [Number("1"), {"x": None}]}


def test_a_name_that_stands_twice_is_refused_with_both_lines_b38() -> None:
    with pytest.raises(Malformed, match=r"line 2: 'a' stands again, first in line 1"):
        read("a: 1\na: 2\n")
    with pytest.raises(Malformed, match="line 3"):
        read("l:\n  - 1: a\n    '1': b\n")


def test_two_names_that_give_one_key_are_refused_with_both_paths_b42() -> None:
    with pytest.raises(Malformed, match="two members give the key 'a/b'"):
        read("a/b: 1\na: {b: 2}\n")


def test_merged_members_stand_below_those_of_the_mapping_itself() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nm:\n  c: 3\n  <<: [*x, *y]\nn: {<<: *x}\n"
    assert read(text) == {
        **{"x/a": Number("1"), "x/b": Number("1"), "y/b": Number("2"), "y/c": Number("2")},
        **{"m/a": Number("1"), "m/b": Number("1"), "m/c": Number("3"), "n/a": Number("1"), "n/b": Number("1")},
    }
    assert read("'<<': a\n") == {"<<": "a"}


LEVELS = "abcdefgh"
BOMB = "".join(
    f"{name}: &{name} [{','.join([f'*{below}' if below else 'lol'] * 9)}]\n"
    for name, below in zip(LEVELS, [None, *LEVELS], strict=False)
)


def test_a_bomb_of_aliases_is_refused_at_once_b39() -> None:
    assert len(BOMB) < 400
    with pytest.raises(Malformed, match="line 5: aliases stand for more than"):
        read(BOMB)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: 1\nb: [1\n", "line 3: this is no YAML", id="unclosed"),
        pytest.param("a: 1\nb: @x\n", "line 2: this is no YAML", id="reserved-character"),
        pytest.param("a: 1\nb: \x07\n", "line 2: U\\+0007 may not stand", id="control-character"),
        pytest.param("a: 1\nb: x\x85y\n", "line 2: U\\+0085 stands here", id="next-line"),
        pytest.param("a: 1\n---\nb: 2\n", "line 2: a second document", id="two-documents"),
        pytest.param("a: &a [*a]\n", "line 1: \\*a stands for what is anchored within itself", id="within-itself"),
        pytest.param("a: *b\n", "line 1: \\*b stands for what is anchored nowhere above", id="nowhere"),
        pytest.param("a: !!int '3'\n", "line 1: the tag", id="tag"),
        pytest.param("a: !!python/object:x []\n", "line 1: the tag", id="tag-of-a-list"),
        pytest.param("a: !x {}\n", "line 1: the tag", id="tag-of-a-mapping"),
        pytest.param("? [a]\n: 1\n", "line 1: a name must be a text", id="list-as-a-name"),
        pytest.param("a: 1\n<<: 3\n", "line 2: << takes a mapping", id="merge"),
        pytest.param("a: \"\\ud83d\"\n", "line 1: a lone surrogate", id="b41"),
        pytest.param("a: " + "[" * 100, "line 1: nested more than", id="deep"),
        pytest.param("- a\n", "one mapping of keys and values", id="list"),
        pytest.param("a\n", "one mapping of keys and values", id="text"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read(text)


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_a_manifest_of_kubernetes_is_told_of(kind: str) -> None:
    (words,) = yamlfile.warnings(f"apiVersion: v1\nkind: {kind}\n")
    assert words.endswith(f"--format k8s-{kind.lower()} reads its data")
    assert yamlfile.warnings("a: {kind: Secret}\nkind: none\n") == []


def test_it_is_written_in_block_style() -> None:
    values: dict[str, Value] = {"a/b": Number("1.10"), "a/on": "NO", "l": [{"x": [1, None]}, []], "e": {}}
    text = 'a:\n  b: 1.10\n  "on": "NO"\ne: {}\nl:\n  -\n    x:\n      - 1\n      - null\n  - []\n'
    assert yamlfile.dump(values) == text
    assert yamlfile.dump({}) == "{}\n"


def test_a_key_that_is_also_a_folder_is_refused_not_merged() -> None:
    with pytest.raises(Invalid, match="'a/b' cannot stand in a YAML file beside 'a'"):
        yamlfile.dump({"a": 1, "a/b": 2})


# --- several documents ------------------------------------------------------------------------------------

STREAM = "a: 1.10\n---\n# nothing\n---\nb: [x, {y: 2}]\nc:\n  d: &t 3\n---\ne: 4\n"


def test_documents_come_with_their_places_and_the_empty_ones_are_left_out() -> None:
    assert yamlreader.documents(STREAM) == [
        (0, {"a": Number("1.10")}),
        (2, {"b": ["x", {"y": Number("2")}], "c": {"d": Number("3")}}),
        (3, {"e": Number("4")}),
    ]
    assert yamlreader.documents("") == yamlreader.documents("---\n---\n") == []


def test_an_anchor_of_another_document_is_not_known() -> None:
    with pytest.raises(Malformed, match=r"line 3: \*t stands for what is anchored nowhere above"):
        yamlreader.documents("a: &t 1\n---\nb: *t\n")


@pytest.mark.parametrize(
    ("place", "members", "line"),
    [(0, [], 1), (0, ["a"], 1), (2, ["b", "1", "y"], 5), (2, ["c", "d"], 7), (2, ["c", "zzz"], 6),
     (2, ["b", "7"], 5), (2, ["c", "d", "e"], 7), (3, ["e"], 9)],
)  # fmt: skip
def test_the_line_of_a_member_or_of_what_is_nearest_around_it(place: int, members: list[str], line: int) -> None:
    assert yamlreader.line_at(STREAM, place, members) == line
