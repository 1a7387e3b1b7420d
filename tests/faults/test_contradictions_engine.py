"""What is refused at write time as a contradiction, asked of a real engine: why it refuses, or passes one over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from confd.errors import EngineRefused
from confd.options import conflicts, observed_options, write_options
from confd.ports import Replacement
from confd.targets.docker import DockerTarget
from tests.support.engine import IMAGE, EngineProcess
from tests.unit.options.contradicting import CREATE, PASSED_OVER, START, TOGETHER, canonical


@pytest.fixture
def target(engine: EngineProcess) -> Iterator[DockerTarget]:
    made = DockerTarget(engine.docker_host)
    made.create(Replacement("db", {"Image": IMAGE, "Cmd": ["sleep", "9"]}, {}))
    yield made
    made.close()


def create(target: DockerTarget, options: Mapping[str, Any]) -> str:
    body: dict[str, Any] = {"Image": IMAGE, "Cmd": ["sleep", "9"], "HostConfig": {}}
    write_options(body, {}, canonical(options))
    return target.create(Replacement("web", body, {}))


def refused_at_write(options: Mapping[str, Any]) -> str:
    (problem,) = conflicts(canonical(options))
    assert set(problem.keys) >= {f"run/{name}" for name in options}
    assert all(f"--{name}" in problem.detail for name in options)
    return problem.detail


@pytest.mark.parametrize(("options", "words"), CREATE)
def test_what_the_engine_refuses_is_refused_at_write(
    target: DockerTarget, options: Mapping[str, Any], words: str
) -> None:
    assert refused_at_write(options)
    with pytest.raises(EngineRefused) as refused:
        create(target, options)
    assert words in refused.value.detail


@pytest.mark.parametrize(("options", "words"), START)
def test_what_would_not_start_is_refused_at_write(
    target: DockerTarget, options: Mapping[str, Any], words: str
) -> None:
    assert refused_at_write(options)
    made = create(target, options)
    with pytest.raises(EngineRefused) as refused:
        target.start(made)
    assert words in refused.value.detail


@pytest.mark.parametrize("options", PASSED_OVER)
def test_what_the_engine_takes_and_does_not_do_is_refused_at_write(
    target: DockerTarget, options: Mapping[str, Any]
) -> None:
    assert refused_at_write(options)
    create(target, options)


@pytest.mark.parametrize("options", TOGETHER)
def test_what_goes_together_is_taken_by_both(target: DockerTarget, options: Mapping[str, Any]) -> None:
    assert conflicts(canonical(options)) == []
    seen = observed_options(target.inspect(create(target, options)))
    assert {name: seen[name] for name in options} == canonical(options)
