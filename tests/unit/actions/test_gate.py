"""When a container counts as good, how it is ended before, and what is told of one that is not good."""

from __future__ import annotations

import threading

import pytest

from confd.actions import restart
from confd.actions.gate import Gate, check_health, stays_good
from confd.actions.stopping import Stop, stop
from confd.clock import ManualClock
from confd.errors import StartFailed
from confd.ports import Replacement
from confd.targets.memory import MemoryTarget, Program

IMAGE = "app:1"


class Passing(ManualClock):
    """Every wait is over at once; `then` is called with each."""

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        self.advance(timeout_s or 0.0)
        return event.is_set()


def _run(program: Program) -> tuple[MemoryTarget, str]:
    target = MemoryTarget({IMAGE: lambda inspect: program})
    container = target.create(Replacement("web", {"Image": IMAGE, "Cmd": ["run"]}, {}))
    target.start(container)
    return target, container


@pytest.mark.parametrize("health", ["", "healthy"])
def test_one_that_is_good_for_long_enough_passes(health: str) -> None:
    target, container = _run(Program(health=health))
    clock = Passing()
    check_health(target, container, Gate(5, 60), clock)
    assert 5 <= clock.now() < 6


@pytest.mark.parametrize(
    ("program", "says"),
    [
        pytest.param(
            Program(exits=3, says="no such level\n"), "ended with 3, its last words: no such level", id="ends"
        ),
        pytest.param(
            Program(health="unhealthy"), "unhealthy; its health check ended with 1: unhealthy", id="unhealthy"
        ),
        pytest.param(Program(health="starting"), "is not healthy after 60 s", id="never healthy"),
    ],
)
def test_one_that_is_not_good_fails_with_what_it_said(program: Program, says: str) -> None:
    target, container = _run(program)
    with pytest.raises(StartFailed, match=says):
        check_health(target, container, Gate(5, 60), Passing())
    assert not stays_good(target, container, Gate(5, 60), Passing())


@pytest.mark.parametrize(("heeds", "code"), [({"SIGQUIT": 7, "SIGTERM": 0}, 7), ({"SIGTERM": 0}, 0), ({}, 137)])
def test_the_signal_of_the_binding_comes_before_all_else(heeds: dict[str, int | str], code: int) -> None:
    target, container = _run(Program(heeds=heeds))
    stop(target, target.inspect(container), Stop("SIGQUIT", 2), Passing())
    state = target.inspect(container)["State"]
    assert (state["Running"], state["ExitCode"]) == (False, code)


@pytest.mark.parametrize("how", [Stop(), Stop("SIGQUIT")])
def test_a_restart_is_a_new_process_that_is_good(how: Stop) -> None:
    target, container = _run(Program(heeds={"SIGQUIT": 0, "SIGTERM": 0}))
    before = target.inspect(container)
    restart.apply(target, before, how, Gate(1), Passing())
    after = target.inspect(container)
    assert after["State"]["Running"]
    assert after["State"]["StartedAt"] != before["State"]["StartedAt"]


def test_a_restart_that_is_not_good_says_so() -> None:
    target, container = _run(Program(health="unhealthy"))
    with pytest.raises(StartFailed, match="after the restart it is unhealthy"):
        restart.apply(target, target.inspect(container), Stop(), Gate(1), Passing())
