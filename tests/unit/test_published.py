"""What an agent tells of a container comes back as it was, and its state is told in one word."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from confd.errors import Malformed
from confd.keys import App, Container, Env, Key
from confd.model import Applied, Cause, Observed, Reach, Reason, Step
from confd.published import (
    LOOPING,
    MOVED,
    STATES,
    Told,
    in_effect_of,
    observed_document,
    observed_of,
    state_of,
    status_text,
    step_document,
)
from confd.secret import Digest

SEEN = Observed(
    Container("c1"),
    "web",
    App("web"),
    Env("prod"),
    running=True,
    image_id="sha256:1",
    started_at="2026-01-01T00:00:00Z",
    shim="http",
    max_reach=Reach.NEW_PROCESS,
    variables={"A": Digest("v1:a")},
    base_variables={"B": Digest("v1:b")},
    options={"memory": "1"},
    base_options={"init": "true"},
    arguments=Digest("v1:c"),
    files={"/f": Digest("v1:d"), "/g": None},
    unreachable_files={"/g": "no mount"},
    obstacles=("it was started with --rm",),
    label_digest=Digest("v1:e"),
    applied=Applied(7, Digest("v1:f"), {Key("a"): Digest("v1:g")}, Digest("v1:h"), "exited 1"),
    facts={"cpus": 2},
    unfinished=True,
    looping=True,
    adopted=False,
    contested="Compose",
    held="frozen",
    image="web:1",
    image_moved="sha256:2",
)
DUE = Step("update", Reach.IN_PLACE, (Reason(Key("run/memory"), "run option memory"),), {"memory": "2"})
BLOCKED = Step("recreate", Reach.NEW_CONTAINER, (Reason(Key("A"), "variable A"),), blocked="not allowed")
FAILED = Step("recreate", Reach.NEW_CONTAINER, (), blocked="exited 1; change a setting", cause=Cause.FAILED)
FROZEN = Step("signal", Reach.IN_PLACE, (), blocked="web is frozen by anna", cause=Cause.HELD)
FOUGHT = Step("recreate", Reach.NEW_CONTAINER, (), blocked="Compose did it", cause=Cause.CONTESTED)
STRANGE = Step("recreate", Reach.NEW_CONTAINER, (), blocked="adopt it", cause=Cause.ADOPTION)


@pytest.mark.parametrize("seen", [SEEN, Observed(Container("c"), "w", App("w"), Env("e"), running=False)])
def test_an_observation_comes_back_from_its_json(seen: Observed) -> None:
    assert observed_of(json.loads(json.dumps(observed_document(seen)))) == seen


@pytest.mark.parametrize(
    "change",
    [
        {"applied": None},
        {"max_reach": "far"},
        {"variables": 1},
        {"facts": "x"},
        {"obstacles": None},
    ],
)
def test_what_no_agent_of_this_release_wrote_is_malformed(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="another release"):
        observed_of({**observed_document(SEEN), **change})


LATER = {"adopted", "contested", "held", "image", "image_moved", "newcomer", "found", "alone", "secrets"}


@pytest.mark.parametrize("name", sorted(observed_document(SEEN).keys() - LATER))
def test_an_observation_without_a_member_is_malformed(name: str) -> None:
    document = observed_document(SEEN)
    del document[name]
    with pytest.raises(Malformed):
        observed_of(document)


def test_an_observation_of_the_release_before_is_read() -> None:
    document = {name: told for name, told in observed_document(SEEN).items() if name not in LATER}
    assert observed_of(document) == replace(SEEN, adopted=True, contested="", held="", image="", image_moved="")


def test_a_step_tells_its_reasons() -> None:
    assert step_document(DUE) == {
        "action": "update",
        "reach": "in-place",
        "reasons": [{"key": "run/memory", "why": "run option memory"}],
        "parameters": {"memory": "2"},
        "blocked": None,
        "cause": None,
    }


NOW = Told(9, "2026-01-01T00:00:01Z")


@pytest.mark.parametrize(
    ("steps", "told", "state", "detail"),
    [
        ((), NOW, "in-sync", ""),
        ((DUE,), NOW, "pending", "to do: update"),
        ((DUE, BLOCKED), NOW, "blocked", "not allowed"),
        ((FAILED,), NOW, "failed", "exited 1; change a setting"),
        ((FROZEN,), NOW, "held", "web is frozen by anna"),
        ((FOUGHT,), NOW, "contested", "blocked: contested: Compose did it"),
        ((STRANGE,), NOW, "blocked", "adoption: adopt it"),
        ((DUE,), replace(NOW, failed="the engine refused", again="x"), "failed", "the engine refused"),
        (
            (DUE,),
            replace(NOW, waits="waits for its turn: web is being recreated on h1"),
            "pending",
            "waits for its turn: web is being recreated on h1",
        ),
        ((BLOCKED,), replace(NOW, again="no answer"), "pending", "will be tried again: no answer"),
    ],
)
def test_the_state_of_a_container(steps: tuple[Step, ...], told: Told, state: str, detail: str) -> None:
    assert state_of(steps, told) == (state, detail)
    assert state in STATES


def test_a_tag_that_moved_is_told_of_a_container_that_is_in_sync() -> None:
    seen = replace(SEEN, looping=False)
    assert json.loads(status_text(seen, (), "v1:x", NOW))["detail"] == f"its image web:1 {MOVED}"


@pytest.mark.parametrize(
    ("steps", "left_out", "looping", "detail"),
    [
        ((), "", False, ""),
        ((), "", True, LOOPING),
        ((), "A: no name", True, "A: no name"),
        ((DUE,), "A: no name", True, "to do: update"),
    ],
)
def test_what_is_told_beside_the_state(steps: tuple[Step, ...], left_out: str, looping: bool, detail: str) -> None:
    status = status_text(
        replace(SEEN, image_moved="", looping=looping), steps, "v1:x", replace(NOW, left_out=left_out)
    )
    assert json.loads(status)["detail"] == detail


def test_a_status_holds_what_the_api_plans_from() -> None:
    status = json.loads(status_text(SEEN, (BLOCKED,), "v1:x", NOW))
    assert observed_of(status.pop("observed")) == SEEN
    assert status == {
        "name": "web",
        "app": "web",
        "env": "prod",
        "state": "blocked",
        "revision": 9,
        "in_effect": 0,
        "digest": "v1:x",
        "detail": "not allowed",
        "steps": [step_document(BLOCKED)],
        "at": "2026-01-01T00:00:01Z",
    }


@pytest.mark.parametrize(
    ("text", "revision"),
    [
        (status_text(SEEN, (), "v1:x", replace(NOW, in_effect=7)), 7),
        ('{"revision": 9}', 0),  # by an agent of the release before
        ('{"in_effect": null}', 0),
        ("no status", 0),
        ("[]", 0),
    ],
)
def test_what_is_in_effect_is_read_from_a_status(text: str, revision: int) -> None:
    assert in_effect_of(text) == revision
