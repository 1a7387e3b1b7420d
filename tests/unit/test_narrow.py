"""Which settings a change of some keys can touch: a look at those alone sees what a look at all would see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.keys import App, Env, Key, Layer
from confd.model import EMPTY, Binding, BindingFile, Entry, Problem, Resolved, Secrets, Snapshot, VariablesRule
from confd.narrow import touched_by
from confd.references import referred, settings_by
from confd.render import render
from confd.resolve import keys_of, resolve
from confd.secret import DigestKey

KEY = DigestKey(b"k" * 32)
PROD, WEB = Env("prod"), App("web")
OWN, BELOW = Layer(PROD, WEB), Layer(PROD, App("_default"))
PLACE = (PROD, WEB, None)
PLAIN = Binding()


SECRET = '"!'
"""With what the text of a secret begins in these tests."""


def opened(resolved: Resolved) -> Resolved:
    settings = {key: replace(one, secret=one.text.startswith(SECRET)) for key, one in resolved.settings.items()}
    return replace(resolved, settings=settings)


def touched(stored: Snapshot, changed: str, binding: Binding = PLAIN) -> set[str] | None:
    found = touched_by(stored, PLACE, [Key(changed)], binding)
    return None if found is None else {str(key) for key in found}


def snapshot(own: Mapping[str, str], below: Mapping[str, str] = EMPTY) -> Snapshot:
    layers = {
        layer: {key: Entry(key, text, 5) for key, text in entries.items()}
        for layer, entries in ((OWN, own), (BELOW, below))
        if entries
    }
    return Snapshot(7, layers)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ("a/b", {"a/b", "a-b", "A_B"}),
        ("lonely", {"lonely"}),
        ("new", {"new"}),
        ("run/memory", {"run/memory", "run/cpus"}),
    ],
)
def test_what_gives_the_same_variable_and_all_run_options_are_touched(changed: str, expected: set[str]) -> None:
    stored = {"a-b": "1", "A_B": "2", "lonely": "3", "run/cpus": "1", "bad name": "1"}
    assert touched(snapshot({"a/b": "1"}, stored), changed) == expected


def test_a_layer_that_stays_as_it_is_is_looked_at_once() -> None:
    stored = snapshot({"a/b": "1"})
    assert touched(stored, "A_B") == touched(stored, "A_B") == {"A_B", "a/b"}
    assert touched(snapshot({"a/b": "1", "a-b": "2"}), "A_B") == {"A_B", "a/b", "a-b"}


def test_a_renamed_key_stands_with_those_of_its_new_name() -> None:
    rule = VariablesRule(prefix="P_", rename={"db/url": "P_X"})
    stored = snapshot({"db/url": "1", "X": "2"})
    assert touched(stored, "X", Binding(variables=rule)) == {"X", "db/url"}


def test_all_are_touched_where_a_file_has_the_key() -> None:
    file = BindingFile(path="/etc/a", format="json", include=("web/**",))
    stored = snapshot({"web/a": "1", "b": "2"})
    assert touched(stored, "web/a", Binding(files=(file,))) is None
    assert touched(stored, "b", Binding(files=(file,))) == {"b"}


def test_what_refers_to_others_and_what_is_referred_to_are_touched() -> None:
    stored = snapshot(
        {"a": '"${b} and ${db:c}"', "b": "2", "c": "3", "d": "4"}, {"run/cpus": '"${d}"', "run/init": "true"}
    )
    assert touched(stored, "new") == {"new", "a", "b", "c", "d", "run/cpus", "run/init"}


def test_what_a_schema_gives_defaults_is_touched() -> None:
    schema = '{"properties": {"a": {"default": "${b}"}, "c": {}}}'
    stored = replace(snapshot({"b": "1", "c": "2"}), schemas={WEB: {1: Entry("1", schema, 3)}})
    assert touched(stored, "new") == {"new", "a", "b"}


def test_a_secret_is_touched_by_what_has_the_name_of_its_file_s_variable() -> None:
    stored = snapshot({"db/url": "1", "DB_URL": "2", "db-url-file": "3", "DB_URL_FILE": "4"})
    assert touched(stored, "DB_URL") == {"db/url", "DB_URL", "db-url-file", "DB_URL_FILE"}
    assert touched(stored, "DB_URL_FILE") == {"db/url", "DB_URL", "db-url-file", "DB_URL_FILE"}
    assert touched(stored, "DB_URL_FILE", Binding(secrets=Secrets("shim"))) == {"db-url-file", "DB_URL_FILE"}


def test_all_are_touched_where_the_binding_has_a_file_in_the_place_of_a_secret() -> None:
    file = BindingFile(path="/run/confd-secrets/A_B", format="json", include=("c/**",))
    assert touched(snapshot({"b": "1"}), "a/b", Binding(files=(file,))) is None
    assert touched(snapshot({"b": "1"}), "b", Binding(files=(file,))) == {"b"}


NAMES = st.sampled_from(
    [
        *("a/b", "a-b", "A_B", "a-b-file", "a", "A", "1a", "PATH"),
        *("run/memory", "run/cpus", "run/memory-swap", "run/none"),
    ]
)
TEXTS = st.sampled_from(
    [
        '"x"',
        "1",
        "null",
        '"64m"',
        "{}",
        '"\\u0000"',
        "not json",
        '"${a}"',
        '"x${a/b}"',
        '"${web:A_B}"',
        '"$${a}"',
        '"a${@b"',
        '"-1"',
        '"!"',
        '"!${a}"',
        '"!${@b"',
    ]
)
SETTINGS = st.dictionaries(NAMES, TEXTS, max_size=6)
BINDINGS = st.sampled_from(
    [
        Binding(),
        Binding(variables=VariablesRule(prefix="A")),
        Binding(variables=VariablesRule(rename={"a/b": "a", "a": "PATH"})),
        Binding(files=(BindingFile(path="/etc/a", format="env", include=("a*",)),)),
        Binding(secrets=Secrets("shim")),
        Binding(secrets=Secrets("variables"), arguments={"--a": "a/b"}),
    ]
)


FILED = st.dictionaries(
    st.sampled_from(["a", "A", "a-file", "A_FILE", "a/file/file"]),
    st.sampled_from(['"!"', '"!"', '"x"', '"${a}"', "null"]),
    max_size=3,
)
"""Settings of names of which one with _FILE is another."""

FILED_BINDINGS = st.sampled_from(
    [
        Binding(),
        Binding(variables=VariablesRule(rename={"a": "A"})),
        Binding(files=(BindingFile(path="/run/confd-secrets/A", format="env", include=("c",)),)),
    ]
)


@given(SETTINGS, SETTINGS, SETTINGS, BINDINGS)
def test_what_a_write_brings_in_is_the_same_by_the_touched_keys_and_by_all(
    own: dict[str, str], below: dict[str, str], edits: dict[str, str], binding: Binding
) -> None:
    check_same(own, below, edits, binding)


@given(FILED, FILED, FILED, FILED_BINDINGS)
def test_so_it_is_where_secrets_have_files(
    own: dict[str, str], below: dict[str, str], edits: dict[str, str], binding: Binding
) -> None:
    check_same(own, below, edits, binding)


def check_same(own: dict[str, str], below: dict[str, str], edits: dict[str, str], binding: Binding) -> None:
    before, after = snapshot(own, below), snapshot({**own, **edits}, below)
    only = touched_by(after, PLACE, [Key(key) for key in edits], binding)

    def problems(of: Snapshot, narrowed: bool) -> list[Problem]:
        resolved = opened(resolve(of, *PLACE, only if narrowed else None))
        resolved = referred(resolved, settings_by(of, PROD, None, opened))
        least = replace(binding, files=()) if narrowed and only is not None else binding
        return list(render(resolved, least, KEY).problems)

    def fresh(narrowed: bool) -> set[Problem]:
        known = problems(before, narrowed)
        return {one for one in problems(after, narrowed) if one not in known}

    assert fresh(narrowed=True) == fresh(narrowed=False)


def test_the_effective_keys_without_their_values() -> None:
    stored = snapshot({"a": "1", "b": " null", "c": "null"}, {"b": "1", "c": "2", "d": "3"})
    assert keys_of(stored, PROD, WEB) == {"a", "d"} == set(resolve(stored, PROD, WEB).settings)
