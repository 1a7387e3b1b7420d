"""Each class of error says by itself how it is answered."""

from __future__ import annotations

import pytest

from confd import errors

CLASSES = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_an_error_is_answered_by_its_class(kind: type[errors.ConfdError]) -> None:
    assert issubclass(kind, errors.ConfdError)
    assert 400 <= kind.status < 600
    assert kind.exit_code > 0
    assert isinstance(kind.retryable, bool)


def test_codes_tell_the_classes_apart() -> None:
    assert len({kind.code for kind in CLASSES}) == len(CLASSES)


def test_a_failed_start_carries_the_last_words_of_the_container() -> None:
    failed = errors.StartFailed("it exited with 3", log="no such setting\n")
    assert (failed.detail, failed.log) == ("it exited with 3", "no such setting\n")
    assert errors.StartFailed("it exited with 3").log == ""
    assert errors.CommandFailed("nginx ended with 1", log="no such file\n").log == "no such file\n"


def test_a_failure_inside_a_container_brings_its_last_words() -> None:
    assert [kind("no", log="words").log for kind in (errors.CommandFailed, errors.CheckFailed)] == ["words"] * 2
