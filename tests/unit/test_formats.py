"""The .env dialects and JSON: what is read, what is refused, and that what is written reads back."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.errors import Invalid, Malformed
from confd.formats import (
    FORMATS,
    composeenv,
    dotenv,
    ini,
    jsonfile,
    kubernetes,
    properties,
    tomlfile,
    xmlfile,
    yamlfile,
)
from confd.jsontext import Number, Value


def env(text: str) -> dict[str, Value]:
    return dict(dotenv.load(text))


def docker(text: str) -> dict[str, Value]:
    return dict(dotenv.load_docker(text))


def test_a_long_file_is_read_in_a_time_that_grows_with_its_length() -> None:
    """It would be past the test's timeout, where each line counts the lines before it."""
    assert len(env("".join(f"K{number}=v\n" for number in range(200_000)))) == 200_000


def test_quotes_belong_to_the_value_only_for_docker_b01() -> None:
    text = "Q1=\"double\"\nQ2='single'\n"
    assert env(text) == {"Q1": "double", "Q2": "single"}
    assert docker(text) == {"Q1": '"double"', "Q2": "'single'"}


@pytest.mark.parametrize(
    ("text", "as_env", "as_docker"),
    [
        pytest.param("K=val # note", "val", "val # note", id="b02"),
        pytest.param("K= # optional override", "", " # optional override", id="b04"),
        pytest.param("K=kAj$7KJ!Hb", "kAj$7KJ!Hb", "kAj$7KJ!Hb", id="b05"),
        pytest.param("K=abc$def", "abc$def", "abc$def", id="b05-a-name"),
        pytest.param("\ufeffK=prod", "prod", "prod", id="b07"),
        pytest.param("K=app:local\r\n", "app:local", "app:local", id="b08"),
        pytest.param('K="app:local"\r\n', "app:local", '"app:local"', id="b08-quoted"),
        pytest.param(r"K='Let\'s go!'", "Let's go!", r"'Let\'s go!'", id="b10"),
        pytest.param("K=foo bar", "foo bar", "foo bar", id="b13"),
        pytest.param("K=x  ", "x", "x  ", id="b13-trailing"),
        pytest.param("K=#ff8800", "#ff8800", "#ff8800", id="hash"),
        pytest.param("K=", "", "", id="empty"),
    ],
)
def test_values_by_dialect(text: str, as_env: str, as_docker: str) -> None:
    assert env(text) == {"K": as_env}
    assert docker(text) == {"K": as_docker}


@pytest.mark.parametrize("text", ["", "\ufeff", "\n\n", "# only\n  # comments", "  "])
def test_a_file_without_names_is_empty_b07(text: str) -> None:
    assert env(text) == docker(text) == {}


def test_export_is_no_part_of_a_name_b14() -> None:
    assert env("export API=1") == {"API": "1"}
    with pytest.raises(Malformed, match="line 2"):
        docker("A=1\nexport API=1")


@pytest.mark.parametrize("text", ["A=1\nB='C:\\'\nNEXT=1\n", 'A=1\nB="unclosed\nU=after\n', 'A=1\nB="x" y\n'])
def test_an_unclosed_quote_is_an_error_with_its_line_b16(text: str) -> None:
    with pytest.raises(Malformed, match="line 2"):
        env(text)


def test_a_very_long_value_is_whole_b17() -> None:
    assert env("K=" + "x" * 70_000) == docker("K=" + "x" * 70_000) == {"K": "x" * 70_000}


@pytest.mark.parametrize("value", ["C:\\Users", "\\d+", "C:\\", "a\\\\b"])
def test_backslashes_come_back_b18(value: str) -> None:
    assert env(dotenv.dump({"K": value})) == {"K": value}


@pytest.mark.parametrize("value", ["-----BEGIN X-----\nMIIB\n-----END X-----\n", '{"k":"a\\\\nb"}'])
def test_lines_and_json_come_back_b20(value: str) -> None:
    assert env(dotenv.dump({"K": value})) == {"K": value}


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@given(st.dictionaries(NAMES, TEXTS))
def test_docker_holds_what_it_does_not_refuse_b18(values: dict[str, str]) -> None:
    try:
        text = dotenv.dump_docker(values)
    except Invalid:
        assert any("\n" in value or "\r" in value for value in values.values())
        return
    assert docker(text) == values


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize(
    "part", ["<!--", "<![CDATA[", "<?", "a=b\\\n", " ", "[", "{", "a: ", "- ", '"', "\\", "a=", "<a>"]
)
@pytest.mark.timeout(30)
def test_no_file_takes_a_time_that_grows_faster_than_it_does(name: str, part: str) -> None:
    with contextlib.suppress(Malformed):
        FORMATS[name].load("a" + part * 30_000 + "b")
    with contextlib.suppress(Malformed):
        FORMATS[name].load(part * 30_000)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    for known in FORMATS.values():
        with contextlib.suppress(Malformed):
            known.load(text)


def test_a_nul_is_refused_by_name_b56() -> None:
    for dump in (dotenv.dump, dotenv.dump_docker):
        with pytest.raises(Invalid, match="KEY"):
            dump({"KEY": "a\x00b"})


@pytest.mark.parametrize("name", ["", "=A", "a b", "A\n"])
def test_a_name_that_the_file_would_not_give_back_is_refused(name: str) -> None:
    for dump in (dotenv.dump, dotenv.dump_docker):
        with pytest.raises(Invalid, match="cannot stand as a name"):
            dump({name: "x"})


@pytest.mark.parametrize("value", ["a\nb", "a\rb"])
def test_docker_s_dialect_refuses_a_line_end_by_name(value: str) -> None:
    with pytest.raises(Invalid, match="KEY holds a line end") as refused:
        dotenv.dump_docker({"KEY": value})
    assert value not in refused.value.detail


def test_docker_s_dialect_writes_values_as_they_are() -> None:
    assert dotenv.dump_docker({"A": '"x" $Y', "B": True}) == 'A="x" $Y\nB=true\n'


def test_values_other_than_strings_are_their_json_text() -> None:
    text = dotenv.dump({"A": Number("1.10"), "B": True, "C": {"x": 1}})
    assert env(text) == {"A": "1.10", "B": "true", "C": '{"x":1}'}


def test_the_last_of_a_repeated_name_wins() -> None:
    assert env("A=1\nA=2\n") == docker("A=1\nA=2\n") == {"A": "2"}


def test_a_repeated_name_is_told_of_with_both_lines() -> None:
    for name in ("env", "docker-env", "compose-env"):
        words = ["line 4: A stands again and takes the place of line 1"]
        assert FORMATS[name].warnings("A=1\n# c\n\nA=2\nB=1\n") == words


def test_a_name_alone_never_takes_our_own_variable_b11() -> None:
    with pytest.raises(Malformed, match="line 1"):
        env("HOME\n")
    assert docker("A=1\nHOME\n") == {"A": "1"}
    (words,) = FORMATS["docker-env"].warnings("A=1\nHOME\n")
    assert words.startswith("line 2: HOME has no =")


@pytest.mark.parametrize("line", ["export HOME", "HOME ", "a b", "\u00e9", "-x"])
def test_a_line_that_is_no_name_is_refused(line: str) -> None:
    with pytest.raises(Malformed, match="line 2"):
        docker(f"A=1\n{line}\n")


# --- JSON ---------------------------------------------------------------------------------------------------


def test_nested_members_are_segments_and_numbers_keep_their_text() -> None:
    text = '\ufeff{"a": {"b": 1.10, "c": []}, "d": {}, "e/f": null}'
    expected = [("a/b", Number("1.10")), ("a/c", []), ("d", {}), ("e/f", None)]
    assert jsonfile.load(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a": 1, "a": 2}', id="b38"),
        pytest.param('{"a/b": 1, "a": {"b": 2}}', id="b42"),
        pytest.param("[]", id="no-object"),
        pytest.param("", id="empty"),
        pytest.param('{"a": NaN}', id="nan"),
    ],
)
def test_json_that_would_lose_something_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        jsonfile.load(text)


@pytest.mark.parametrize("values", [{"a": 1, "a/b": 2}, {"a": {"x": 1}, "a/b": 2}, {"a/b": 1, "a/b/c": 2}])
def test_a_key_that_is_also_a_folder_is_refused_not_merged(values: dict[str, Value]) -> None:
    before = repr(values)
    with pytest.raises(Invalid, match="cannot stand"):
        jsonfile.dump(values)
    assert repr(values) == before


def test_no_values_are_an_empty_object() -> None:
    assert jsonfile.dump({}) == "{}\n"
    assert jsonfile.load("{}") == []


SCALARS = st.none() | st.booleans() | TEXTS | st.integers().map(lambda number: Number(str(number)))


@given(st.dictionaries(st.from_regex(r"[a-c](/[a-c]){0,2}", fullmatch=True), SCALARS | st.lists(SCALARS)))
def test_json_comes_back(values: dict[str, Value]) -> None:
    folders = {key.rsplit("/", depth)[0] for key in values for depth in range(1, key.count("/") + 1)}
    if folders & values.keys():
        with pytest.raises(Invalid):
            jsonfile.dump(values)
    else:
        assert dict(jsonfile.load(jsonfile.dump(values))) == values


# --- every format -------------------------------------------------------------------------------------------

LINES = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"))
LEAVES = st.from_regex(r"[a-c]/[a-c]/[a-c]", fullmatch=True)


def _trees(scalars: st.SearchStrategy[Value]) -> st.SearchStrategy[Value]:
    """Values whose members are not keys of their own."""
    some = st.recursive(scalars, lambda one: st.lists(one) | st.dictionaries(TEXTS, one), max_leaves=8)
    return some.filter(lambda value: not isinstance(value, dict) or not value)


def _stands_in_ini(text: str) -> bool:
    lines = text.split("\n")
    return (
        all(line == line.strip(" \t") and "\r" not in line for line in lines)
        and not any(line.startswith(("#", ";")) for line in lines[1:])
        and (not lines[1:] or lines[-1] != "")
    )


KEYS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,3}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,3}){0,2}", fullmatch=True)
XML_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc"], include_characters="\t\n\r").filter(
        lambda character: character not in "\ufffe\uffff"
    )
)
INTEGERS = st.integers(-(2**63), 2**63 - 1).map(lambda number: Number(str(number)))
FLOATS = st.from_regex(r"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,4}|[eE][+-]?[0-9]{1,3})", fullmatch=True).map(Number)

ROUND_TRIPS: Mapping[str, st.SearchStrategy[dict[str, Value]]] = {
    dotenv.NAME: st.dictionaries(NAMES, TEXTS),
    composeenv.NAME: st.dictionaries(NAMES, TEXTS),
    dotenv.DOCKER: st.dictionaries(NAMES, LINES),
    jsonfile.NAME: st.dictionaries(LEAVES, SCALARS | st.lists(SCALARS)),
    yamlfile.NAME: st.dictionaries(LEAVES, _trees(SCALARS | FLOATS)),
    tomlfile.NAME: st.dictionaries(LEAVES, _trees(st.booleans() | TEXTS | INTEGERS | FLOATS)),
    properties.NAME: st.dictionaries(TEXTS.filter(bool), TEXTS),
    ini.NAME: st.dictionaries(KEYS, TEXTS.filter(_stands_in_ini)),
    xmlfile.NAME: st.dictionaries(XML_TEXTS, XML_TEXTS),
    kubernetes.NAME: st.dictionaries(NAMES, TEXTS),
    kubernetes.SECRET: st.dictionaries(NAMES, TEXTS),
}
"""What each format holds. A new format takes one more."""


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(data=st.data())
def test_what_a_format_holds_comes_back_b18(name: str, data: st.DataObject) -> None:
    values = data.draw(ROUND_TRIPS[name])
    text = FORMATS[name].dump(values)
    assert dict(FORMATS[name].load(text)) == values
    assert FORMATS[name].dump(dict(FORMATS[name].load(text))) == text
