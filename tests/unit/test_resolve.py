"""Which value wins, and what it hid."""

from __future__ import annotations

import pytest

from confd.keys import App, Env, Host, Key, Layer
from confd.model import Entry, Head, Snapshot
from confd.resolve import normal_text, resolve

PROD, WEB, ALL = Env("prod"), App("web"), "_default"
LAYERS = {
    "everything": Layer(Env(ALL), App(ALL)),
    "env": Layer(PROD, App(ALL)),
    "app": Layer(Env(ALL), WEB),
    "own": Layer(PROD, WEB),
    "host": Layer(PROD, WEB, Host("h1")),
}


def snapshot(**layers: dict[str, str]) -> Snapshot:
    return Snapshot(
        revision=9,
        layers={
            LAYERS[name]: {key: Entry(key, text, 5) for key, text in entries.items()}
            for name, entries in layers.items()
        },
        heads={LAYERS[name]: Head(3, "id", 5) for name in layers},
    )


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ({"everything": {"k": "1"}}, "1"),
        ({"everything": {"k": "1"}, "env": {"k": "2"}}, "2"),
        ({"env": {"k": "2"}, "app": {"k": "3"}}, "3"),
        ({"app": {"k": "3"}, "own": {"k": "4"}}, "4"),
        ({"own": {"k": "4"}, "host": {"k": "5"}}, "5"),
        ({"own": {"k": '{"a":1}'}, "env": {"k": '{"b":2}'}}, '{"a":1}'),
    ],
)
def test_the_higher_layer_wins_key_by_key(layers: dict[str, dict[str, str]], expected: str) -> None:
    resolved = resolve(snapshot(**layers), PROD, WEB, Host("h1"))
    assert {key: s.text for key, s in resolved.settings.items()} == {"k": expected}


def test_a_host_layer_reaches_that_host_only() -> None:
    store = snapshot(own={"k": "4"}, host={"k": "5"})
    assert [s.text for s in resolve(store, PROD, WEB).settings.values()] == ["4"]
    assert [s.text for s in resolve(store, PROD, WEB, Host("h2")).settings.values()] == ["4"]


def test_null_removes_and_tells_what_it_hid() -> None:
    resolved = resolve(snapshot(env={"k": "2"}, own={"k": "null"}), PROD, WEB)
    assert resolved.settings == {}
    assert [(key, s.layer) for key, s in resolved.removed.items()] == [("k", LAYERS["own"])]
    assert [s.text for s in resolved.hidden["k"]] == ["2"]  # type: ignore[index]


def test_hidden_settings_stand_highest_first() -> None:
    resolved = resolve(snapshot(everything={"k": "1"}, env={"k": "2"}, own={"k": "4"}), PROD, WEB)
    assert [s.text for s in resolved.hidden["k"]] == ["2", "1"]  # type: ignore[index]
    assert resolved.changes == {LAYERS["everything"]: 3, LAYERS["env"]: 3, LAYERS["own"]: 3}


def test_one_unusable_key_leaves_the_others_b57() -> None:
    resolved = resolve(snapshot(own={"bad key": "1", "good": "2"}), PROD, WEB)
    assert list(resolved.settings) == ["good"]
    assert [(p.code, p.keys) for p in resolved.problems] == [("invalid", ("bad key",))]


@pytest.mark.parametrize(
    "text", ["a\x00b", '"a\\u0000b"', '["\\u0000"]', '{"\\u0000":1}', '[1,null,{"a":"\\u0000"}]']
)
def test_a_nul_in_the_store_marks_the_key_invalid_b56(text: str) -> None:
    resolved = resolve(snapshot(own={"k": text, "good": "2"}), PROD, WEB)
    assert list(resolved.settings) == ["good"]
    assert resolved.problems[0].keys == ("k",)


def test_a_secret_is_resolved_as_its_ciphertext_and_never_shown() -> None:
    resolved = resolve(snapshot(own={"k": '{"$secret":{"v":1}}'}), PROD, WEB)
    setting = resolved.settings[Key("k")]
    assert (setting.secret, setting.text) == (True, '{"$secret":{"v":1}}')
    assert "$secret" not in repr(resolved)
    assert resolved.problems == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", '"plain text"'),
        ("1.10", "1.10"),
        ('{ "a" : 1 }', '{"a":1}'),
        ('"x"', '"x"'),
        ("\\u0000", '"\\\\u0000"'),
        ('["\\\\u0000",1]', '["\\\\u0000",1]'),
    ],
)
def test_text_that_is_no_json_reads_as_a_string(text: str, expected: str) -> None:
    assert normal_text(text) == (expected, False)
