"""Plan an option, apply the plan to the inspect, plan again: nothing is left to do, whatever was there before."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from confd.keys import App, Container, Env, Layer
from confd.model import Binding, ContainerPlan, Entry, Observed, Reach, Rendered, Snapshot
from confd.options import OPTIONS, observed_options, overlay, update_fields
from confd.plan import make_plan
from confd.render import render
from confd.resolve import resolve
from confd.secret import DigestKey
from confd.targets.document import update
from tests.unit.options.samples import BARE, DEFAULTS, NEEDED, SAMPLES, created, sample

PROD, WEB = Env("prod"), App("web")
REACHES = {"update": Reach.IN_PLACE, "recreate": Reach.NEW_CONTAINER}
FACTS = {"allow_run": list(OPTIONS), "cpus": 4, "api_version": "1.44"}
TEXTS = [(name, text) for name in SAMPLES for text in (SAMPLES[name], *DEFAULTS.get(name, ()))]
OTHERS = {
    "memory": '"64m"', "memory-swap": '"700m"', "memory-reservation": '"32m"', "restart": '"on-failure:3"',
    "read-only": "true", "pids-limit": "7", "log-driver": '"journald"', "shm-size": '"32m"', "stop-timeout": "0",
    "init": "false", "command": '["other"]', "log-opt": '{"max-file": "3"}', "publish": '"9090"',
}  # fmt: skip
"""Other values than the samples."""


def rendered(settings: Mapping[str, str]) -> Rendered:
    entries = {f"run/{name}": Entry(f"run/{name}", text, 5) for name, text in settings.items()}
    return render(resolve(Snapshot(7, {Layer(PROD, WEB): entries}), PROD, WEB), Binding(), DigestKey(b"k" * 32))


def planned(due: Rendered, inspect: Mapping[str, Any], base: Mapping[str, Any]) -> ContainerPlan:
    """From what is there alone: no digest says that it is in effect already."""
    observed = Observed(
        Container("c1"),
        "web",
        WEB,
        PROD,
        running=True,
        options=observed_options(inspect),
        base_options=observed_options(base),
        facts=FACTS,
    )
    return make_plan(due, Binding(), [observed], REACHES).containers[0]


def applied(plan: ContainerPlan, due: Rendered, inspect: dict[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    for step in plan.due:
        if step.action == "recreate":
            inspect = created(inspect, overlay(observed_options(base), due.options))
        else:
            host = update(inspect["HostConfig"], update_fields(step.parameters, inspect))
            inspect = {**copy.deepcopy(inspect), "HostConfig": host}
    return inspect


def settings_of(name: str, text: str) -> dict[str, str]:
    return {**NEEDED.get(name, {}), name: text}


@pytest.mark.parametrize(("name", "text"), TEXTS)
@pytest.mark.parametrize("owned", [False, True])
def test_what_was_applied_is_no_difference(name: str, text: str, owned: bool) -> None:
    base = created(BARE, sample(name, OTHERS[name])) if owned and name in OTHERS else BARE
    due = rendered(settings_of(name, text))
    first = planned(due, base, base)
    assert first.blocked == ()
    after = applied(first, due, base, base)
    assert planned(due, after, base).steps == ()


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in DEFAULTS for text in DEFAULTS[name]])
def test_a_default_that_is_written_down_is_no_difference_b65(name: str, text: str) -> None:
    base = created(BARE, {other: text for other, text in sample(name, text).items() if other != name})
    assert planned(rendered(settings_of(name, text)), base, base).steps == ()


@pytest.mark.parametrize(("name", "text"), TEXTS)
@pytest.mark.parametrize("owned", [False, True])
def test_one_that_is_unset_brings_back_the_container_s_own(name: str, text: str, owned: bool) -> None:
    base = created(BARE, sample(name, OTHERS[name]) if owned and name in OTHERS else {})
    set_, unset = rendered(settings_of(name, text)), rendered({})
    with_it = applied(planned(set_, base, base), set_, base, base)
    back = applied(planned(unset, with_it, base), unset, with_it, base)
    assert planned(unset, back, base).steps == ()
    assert observed_options(back) == observed_options(base)


def test_a_default_over_the_container_s_own_is_brought_in() -> None:
    base = created(BARE, sample("read-only"))
    due = rendered({"read-only": "false"})
    plan = planned(due, base, base)
    assert [step.action for step in plan.due] == ["recreate"]
    assert applied(plan, due, base, base)["HostConfig"]["ReadonlyRootfs"] is False


@pytest.mark.parametrize("text", ['"no"', ""])
def test_a_restart_policy_is_taken_away_in_place(text: str) -> None:
    with_it = created(BARE, sample("restart"))
    plan = planned(rendered({"restart": text} if text else {}), with_it, BARE)
    assert [(step.action, dict(step.parameters)) for step in plan.due] == [
        ("update", {"restart": OPTIONS["restart"].removal})
    ]
