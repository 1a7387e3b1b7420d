"""References in Compose's .env files: each gives the value that is stored, or the file is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.errors import Malformed
from confd.formats import composeenv

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00")) | st.text("$\\{}A:-'\"\n #")
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A=$X", "x", id="name"),
        pytest.param("A=${X}", "x", id="braced"),
        pytest.param("A=a${X}b$X.c", "axbx.c", id="inside"),
        pytest.param('A="${X} # y"', "x # y", id="double-quotes"),
        pytest.param("A='${X} $X'", "${X} $X", id="single-quotes"),
        pytest.param("A=${X:-d}", "x", id="default-unused"),
        pytest.param("A=${U:-d}", "d", id="default"),
        pytest.param("A=${E:-d}", "d", id="default-of-empty"),
        pytest.param("A=${E-d}", "", id="default-of-unset-alone"),
        pytest.param("A=${U-d}", "d", id="unset"),
        pytest.param("A=${U:-}", "", id="empty-default"),
        pytest.param("A=${U:-${V:-${X}}}", "x", id="nested"),
        pytest.param("A=${U:-a-b:c}", "a-b:c", id="default-with-signs"),
        pytest.param("A=${X:+r}", "r", id="instead"),
        pytest.param("A=${E:+r}", "", id="instead-of-empty"),
        pytest.param("A=${E+r}", "r", id="instead-of-set"),
        pytest.param("A=${U+r}", "", id="instead-of-unset"),
        pytest.param("A=${X:?needed}", "x", id="required"),
        pytest.param("A=${E?needed}", "", id="required-set"),
        pytest.param("A=$$X", "$X", id="two-dollars"),
        pytest.param('A="\\$X"', "$X", id="escaped"),
        pytest.param("A=kAj$7KJ!Hb", "kAj$7KJ!Hb", id="b05"),
        pytest.param("A=$2y$10$", "$2y$10$", id="no-names"),
        pytest.param("A=100$", "100$", id="at-the-end"),
    ],
)
def test_a_reference_gives_the_value_of_an_earlier_line(text: str, expected: str) -> None:
    assert dict(composeenv.load(f"X=x\nE=\n{text}\n"))["A"] == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("A=abc$def", "line 2: the value of A: it refers to def", id="b05"),
        pytest.param("A=${U}", "refers to U", id="unset"),
        pytest.param("A=${E:?why}", "refers to E", id="required"),
        pytest.param("A=${U:-${V}}", "refers to V", id="nested"),
        pytest.param("A=${X", "no closing }", id="open"),
        pytest.param("A=${}", "no reference", id="empty"),
        pytest.param("A=${X/a/b}", "no reference", id="shell"),
        pytest.param("A=" + "${U:-" * 5000 + "}" * 5000, "more than 20 deep", id="deep"),
        pytest.param("A=${A}:more", "refers to A", id="itself"),
        pytest.param("A=$E\nE=2", "A refers to E, which a later line sets", id="set-again"),
        pytest.param("A=${U:-d}\nU=2", "A refers to U, which a later line sets", id="set-later"),
    ],
)
def test_a_reference_that_would_give_another_value_than_the_stored_one_is_refused_b05_b11(
    text: str, words: str
) -> None:
    with pytest.raises(Malformed) as caught:
        composeenv.load(f"E=\n{text}\nX=x\n" if "X" not in text else f"X=x\n{text}\n")
    assert words in caught.value.detail


def test_no_message_holds_a_value() -> None:
    with pytest.raises(Malformed) as caught:
        composeenv.load("A=hunter2${U:?hunter2}\n")
    assert "hunter2" not in caught.value.detail


def test_a_dollar_sign_is_written_so_that_it_refers_to_nothing() -> None:
    assert composeenv.dump({"A": "$HOME ${B}"}) == 'A="\\$HOME \\${B}"\n'


@given(st.dictionaries(NAMES, TEXTS))
def test_every_string_comes_back_b18(values: Mapping[str, str]) -> None:
    assert dict(composeenv.load(composeenv.dump(values))) == values
