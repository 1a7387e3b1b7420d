"""Where each key stands in a container, by what the plan says of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from confd.keys import Key
from confd.keystates import STATES, KeyState, states_of
from confd.model import Applied, Binding, Cause, Hold, OnChange, Reach
from confd.plan import make_plan
from tests.unit.test_plan import FILE, REACHES, container, on, rendered

OLD = {"A": "1", "run__memory": '"256m"', "B": "1"}
NEW = {"A": "2", "run__memory": '"512m"', "B": "1"}


def states(binding: Binding = Binding(), hold: Hold | None = None, **observed: Any) -> dict[str, str]:  # noqa: B008
    due, seen = rendered(binding, **NEW), replace(container(rendered(binding, **OLD)), **observed)
    (plan,) = make_plan(due, binding, [seen], REACHES, [hold] if hold else []).containers
    return {key: one.state for key, one in states_of(due, seen, plan).items()}


@pytest.mark.parametrize(
    ("given", "a", "memory"),
    [
        pytest.param({}, "pending", "pending", id="a recreate is due"),
        pytest.param({"binding": on("signal")}, "needs-restart", "pending", id="the binding allows less"),
        pytest.param({"binding": on("none")}, "needs-restart", "needs-restart", id="the binding does nothing"),
        pytest.param({"max_reach": Reach.IN_PLACE}, "needs-restart", "pending", id="the label allows less"),
        pytest.param(
            {"hold": Hold(Cause.WINDOW, "at ten", Reach.NEW_PROCESS)}, "waits-for-window", "pending", id="window"
        ),
        pytest.param({"hold": Hold(Cause.HELD, "frozen")}, "held", "held", id="frozen"),
        pytest.param({"adopted": False}, "held", "held", id="not adopted"),
        pytest.param({"obstacles": ("it is paused",)}, "refused", "pending", id="an obstacle"),
        pytest.param({"shim": "http"}, "shim", "pending", id="with an entrypoint"),
    ],
)
def test_where_a_key_stands(given: dict[str, Any], a: str, memory: str) -> None:
    found = states(**given)
    assert (found["A"], found["run/memory"]) == (a, memory)
    assert found["B"] in ("in-effect", "shim")
    assert set(found.values()) <= set(STATES)


def test_what_the_engine_refused_live_is_refused() -> None:
    old, new = rendered(run__memory='"256m"'), rendered(run__memory='"7m"')
    seen = container(old, applied=Applied(3, old.spec_digest, dict(old.key_digests), refused=new.spec_digest))
    (plan,) = make_plan(new, Binding(), [seen], REACHES).containers
    assert states_of(new, seen, plan)[Key("run/memory")].state == "refused"


def test_a_key_that_goes_is_told_until_it_is_gone() -> None:
    old, new = rendered(A="1", B="1"), rendered(B="1")
    (plan,) = make_plan(new, Binding(), [container(old)], REACHES).containers
    assert states_of(new, container(old), plan) == {
        Key("A"): KeyState("pending", "recreate is due"),
        Key("B"): KeyState("in-effect"),
    }


def test_what_cannot_be_rendered_is_refused_with_its_reason() -> None:
    due = rendered(PATH='"/bin"', A="1")
    (plan,) = make_plan(due, Binding(), [container(due)], REACHES).containers
    assert states_of(due, container(due), plan)[Key("PATH")].state == "refused"


def test_a_signal_on_its_way_is_pending() -> None:
    binding = Binding(files=(FILE,), on_change=(OnChange("**", "signal", "HUP"),))
    old, new = rendered(binding, file__x="1"), rendered(binding, file__x="2")
    (plan,) = make_plan(new, binding, [container(old)], REACHES).containers
    assert states_of(new, container(old), plan)[Key("file/x")] == KeyState("pending", "signal")
