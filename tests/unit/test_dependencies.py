"""Which apps come before which, and ways that go round in a circle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd.agent.order import Waiting, unsettled
from confd.dependencies import come_before, cycle_at
from confd.keys import App, Container, Env
from confd.model import Cause, ContainerPlan, Entry, Reach, Snapshot, Step

PROD = Env("prod")
WEB, API, DB = App("web"), App("api"), App("db")


def bound(**depends: str) -> Snapshot:
    """Apps, each with a list of those that come first."""
    texts = {app: json.dumps({"depends_on": names.split()}) for app, names in depends.items()}
    return Snapshot(1, bindings={(PROD, App(app)): Entry("b", text, 1) for app, text in texts.items()})


def test_what_comes_first_is_what_the_binding_says() -> None:
    snapshot = bound(web="api db", api="db")
    assert come_before(snapshot, PROD, WEB) == (API, DB)
    assert come_before(snapshot, PROD, DB) == ()
    assert [cycle_at(snapshot, PROD, app) for app in (WEB, API, DB)] == [[], [], []]


@pytest.mark.parametrize(
    ("depends", "cycle"),
    [
        ({"web": "db", "db": "web"}, ["web", "db", "web"]),
        ({"web": "api", "api": "db", "db": "web"}, ["web", "api", "db", "web"]),
        ({"web": "db api", "api": "web", "db": "x", "x": "db"}, ["web", "api", "web"]),
    ],
)
def test_a_circle_is_told_by_its_way_and_holds_nobody(depends: dict[str, str], cycle: list[str]) -> None:
    snapshot = bound(**depends)
    assert cycle_at(snapshot, PROD, WEB) == cycle
    assert App(cycle[1]) not in come_before(snapshot, PROD, WEB)


RUNS = {"Running": True}


def step(reach: Reach, blocked: str | None = None, cause: Cause | None = None) -> Step:
    return Step("recreate", reach, (), blocked=blocked, cause=cause)


@pytest.mark.parametrize(
    ("steps", "state", "why"),
    [
        ((), RUNS, ""),
        ((), {**RUNS, "Health": {"Status": "healthy"}}, ""),
        ((), {**RUNS, "Health": {"Status": "none"}}, ""),
        ((), {**RUNS, "Health": {"Status": "starting"}}, "is starting"),
        ((), {**RUNS, "Health": {"Status": "unhealthy"}}, "is unhealthy"),
        ((), {"Running": False}, "does not run"),
        ((), {"Running": True, "Restarting": True}, "does not run"),
        ((step(Reach.NEW_CONTAINER),), RUNS, "is to be recreated first"),
        ((step(Reach.IN_PLACE),), RUNS, ""),
        ((step(Reach.NEW_CONTAINER, "no", Cause.RULE),), RUNS, ""),
        ((step(Reach.NEW_CONTAINER, "it died", Cause.FAILED),), RUNS, "comes first, and it died"),
    ],
)
def test_what_follows_waits_until_a_container_has_its_due_and_is_healthy(
    steps: tuple[Step, ...], state: dict[str, Any], why: str
) -> None:
    assert unsettled(ContainerPlan(Container("c"), "db", steps), state) == why


def test_who_waits_is_known_until_it_goes_on() -> None:
    waiting = Waiting()
    waiting.wait((PROD, WEB), (PROD, DB))
    waiting.wait((PROD, API), (PROD, DB))
    assert waiting.whom((PROD, DB)) == [(PROD, API), (PROD, WEB)]
    waiting.stop((PROD, API))
    assert waiting.whom((PROD, DB)) == [(PROD, WEB)]
    assert waiting.whom((PROD, WEB)) == []
