"""Promotion: what is carried over, what goes, and what stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from confd.promotion import Choice, promotion

KEYS = some.sampled_from(["a", "b", "db/url", "db/pool", "web/port"])
LAYERS = some.dictionaries(KEYS, some.sampled_from(["1", "2", "3"]))
GLOBS = some.lists(some.sampled_from(["a", "db/**", "*", "**"]), max_size=2).map(tuple)
CHOICES = some.builds(Choice, GLOBS, GLOBS, some.booleans())


def test_what_differs_is_carried_over_and_env_specific_keys_stay() -> None:
    source = {"a": "1", "same": "1", "db/url": "qa", "log": "x"}
    target = {"a": "2", "same": "1", "db/url": "prod", "own": "3"}
    found = promotion(source, target, ["db/**"], Choice(left_out=("log",)), "prod")
    assert dict(found.after) == {"a": "1"}
    assert found.kept == {"db/url": "kept by the binding's promote", "log": "not chosen", "own": "only in prod"}


def test_prune_takes_away_what_only_the_target_has() -> None:
    found = promotion({"a": "1"}, {"b": "2", "db/url": "3"}, ["db/**"], Choice(prune=True), "prod")
    assert dict(found.after) == {"a": "1", "b": None}


@given(LAYERS, LAYERS, GLOBS, CHOICES)
def test_every_difference_is_either_carried_over_or_told_of(
    source: dict[str, str], target: dict[str, str], excluded: tuple[str, ...], choice: Choice
) -> None:
    found = promotion(source, target, excluded, choice, "prod")
    differ = {key for key in source.keys() | target.keys() if source.get(key) != target.get(key)}
    assert found.after.keys() | found.kept.keys() == differ
    assert not found.after.keys() & found.kept.keys()
    after = {key: text for key, text in {**target, **found.after}.items() if text is not None}
    assert all(after.get(key) == source.get(key) for key in found.after)
    assert all(after.get(key) == target.get(key) for key in found.kept)
    assert choice.prune or target.keys() <= after.keys()
    assert promotion(source, after, excluded, choice, "prod").after == {}


@given(LAYERS, LAYERS)
def test_all_of_it_with_prune_makes_both_the_same(source: dict[str, str], target: dict[str, str]) -> None:
    found = promotion(source, target, (), Choice(prune=True), "prod")
    assert {key: text for key, text in {**target, **found.after}.items() if text is not None} == source
