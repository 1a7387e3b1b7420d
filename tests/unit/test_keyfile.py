"""Files of keys: what they say, what is derived from them, and that a wrong line is never shown."""

from __future__ import annotations

import base64

import pytest

from confd.errors import Configuration
from confd.keyfile import KeyFile, exported, fresh_key_file, parse_key_file
from confd.keys import Env
from tests.support.secrets import FIRST, SECOND

DEV, QA = Env("dev"), Env("qa")
BOTH = KeyFile((FIRST, SECOND))


def line(word: str, key: bytes) -> str:
    return f"{word} {base64.b64encode(key).decode()}\n"


def test_a_new_file_holds_one_master_key_that_no_other_has() -> None:
    (one,), (other,) = (parse_key_file(fresh_key_file()).masters for _ in range(2))
    assert one != other
    assert one.id != other.id


def test_a_file_for_an_agent_holds_the_keys_of_its_envs_alone() -> None:
    text = exported(BOTH, [DEV, DEV])
    keys = parse_key_file(text)
    assert keys.masters == ()
    assert keys.keys_of(DEV) == BOTH.keys_of(DEV)
    assert keys.ids_of(DEV) == [FIRST.id, SECOND.id]
    assert (list(keys.keys_of(QA)), keys.ids_of(QA)) == ([], [])
    assert base64.b64encode(FIRST.key).decode() not in text


def test_the_key_of_an_env_is_no_other_envs_nor_the_master_key() -> None:
    keys = {FIRST.key, FIRST.of_env(DEV).key, FIRST.of_env(QA).key, SECOND.of_env(DEV).key}
    assert len(keys) == 4


def test_a_file_reads_as_it_was_written() -> None:
    text = f"# words\n\n{line(f'master {FIRST.id}', FIRST.key)}{line(f'master {FIRST.id}', FIRST.key)}"
    assert parse_key_file(text) == KeyFile((FIRST,))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no key in it"),
        ("# only words\n", "no key in it"),
        ("master CANARY\n", "line 1 is no key"),
        ("env dev CANARY\n", "line 1 is no key"),
        (line("master 00000000", FIRST.key), "line 1: the key does not belong to its id"),
        ("\nmaster x CANARY\n", "line 2: a key is 32 bytes"),
        (line("master x", b"short"), "line 1: a key is 32 bytes"),
        (line("env NO x", FIRST.key), "line 1: env 'NO' is not allowed"),
    ],
)
def test_a_wrong_line_is_named_and_never_shown(text: str, words: str) -> None:
    with pytest.raises(Configuration, match=words) as caught:
        parse_key_file(text)
    assert "CANARY" not in caught.value.detail


def test_keys_do_not_show_themselves() -> None:
    shown = repr((BOTH, BOTH.keys_of(DEV)))
    assert FIRST.id in shown
    assert "1111" not in shown
    assert str(BOTH.keys_of(DEV)[0].key) not in shown
