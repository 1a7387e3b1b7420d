"""Every option of the registry is written, read back and taken away again without a trace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.errors import Invalid
from confd.options import OPTIONS, conflicts, observed_options, read_back
from confd.options.texts import flag
from tests.unit.options.samples import BARE, DEFAULTS, OWN, SAMPLES, created, parsed, sample, together

NAMES = sorted(OPTIONS)
SETS = st.sets(st.sampled_from(NAMES)).map(
    lambda names: {one: text for name in names for one, text in sample(name).items()}
)
POSSIBLE = SETS.filter(lambda options: not conflicts(options))


def test_there_is_a_sample_of_every_option() -> None:
    assert SAMPLES.keys() == OPTIONS.keys()


def test_a_container_without_options_has_none() -> None:
    assert OWN.keys() == {"image", "entrypoint"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_reads_back_the_same(name: str) -> None:
    assert observed_options(created(BARE, sample(name))) == {**OWN, **sample(name)}
    assert read_back(sample(name)) == sample(name)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in DEFAULTS for text in DEFAULTS[name]])
def test_a_default_that_is_written_down_reads_back_as_unset(name: str, text: str) -> None:
    assert name not in observed_options(created(BARE, sample(name, text)))
    assert name not in read_back(sample(name, text))


@pytest.mark.parametrize("name", NAMES)
def test_one_that_is_unset_leaves_nothing_behind(name: str) -> None:
    assert created(created(BARE, sample(name)), {}) == created(BARE, {})


@pytest.mark.exhaustive
@pytest.mark.parametrize("other", [name for name in NAMES if not conflicts(sample(name))])
def test_one_that_is_unset_leaves_the_others_as_they_were(other: str) -> None:
    kept = sample(other)
    alone = created(BARE, kept)
    for name in filter(lambda name: together(name, other), NAMES):
        assert created(created(BARE, {**sample(name), **kept}), kept) == alone, name


@given(POSSIBLE, POSSIBLE)
def test_options_do_not_depend_on_those_before(before: dict[str, str], after: dict[str, str]) -> None:
    assert created(created(BARE, before), after) == created(BARE, after)
    assert observed_options(created(BARE, after)) == {**OWN, **after}


@pytest.mark.parametrize("name", NAMES)
def test_options_exclude_each_other_both_ways(name: str) -> None:
    assert all(name in OPTIONS[other].excludes for other in OPTIONS[name].excludes)


@pytest.mark.parametrize("name", [name for name in NAMES if OPTIONS[name].removal])
def test_what_takes_an_option_away_in_place_reads_as_unset(name: str) -> None:
    assert OPTIONS[name].live
    assert read_back({name: OPTIONS[name].removal}) == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ['{"a":{"b":null}}', '"\\u0000"', '[["x"]]'])
def test_what_no_option_takes_is_refused_naming_it(name: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed(name, text)
    assert refused.value.detail.startswith(f"run/{name} ({flag(name)}): expected ")
