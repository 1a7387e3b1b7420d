"""How secrets reach containers: which mount brings them, what is rendered, and what a plan does about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from confd.actions.fidelity import as_it_is, replacement_of
from confd.keys import App, Container, Env, Key, Layer
from confd.model import (
    Applied,
    Binding,
    BindingFile,
    Cause,
    ContainerPlan,
    Entry,
    Observed,
    OnChange,
    Reach,
    Rendered,
    Secrets,
    Snapshot,
    VariablesRule,
)
from confd.options import observed_options
from confd.plan import binding_problems, effect_of, make_plan
from confd.plan.fields import fields_of
from confd.render import render
from confd.resolve import resolve
from confd.secret import DigestKey
from confd.secretfiles import FOLDER, folder_of, is_secret_mount, is_secret_path, mount_of_secrets

KEY = DigestKey(b"k" * 32)
PROD, WEB = Env("prod"), App("web")
REACHES = {"signal": Reach.IN_PLACE, "restart": Reach.NEW_PROCESS, "recreate": Reach.NEW_CONTAINER}
SECRET = {"db/password": '"p4ssw0rd"'}


def due(
    binding: Binding = Binding(),  # noqa: B008 - frozen
    secret: Mapping[str, str] = SECRET,
    **plain: str,
) -> Rendered:
    texts = {**plain, **secret}
    snapshot = Snapshot(7, {Layer(PROD, WEB): {key: Entry(key, text, 5) for key, text in texts.items()}})
    resolved = resolve(snapshot, PROD, WEB)
    settings = {key: replace(one, secret=key in secret) for key, one in resolved.settings.items()}
    return render(replace(resolved, settings=settings), binding, KEY)


def running(now: Rendered, **changes: Any) -> Observed:
    """A container that has all it is due."""
    one = Observed(
        *(Container("c1"), "web", WEB, PROD, True),
        variables=dict(now.variable_digests),
        files={file.path: file.digest for file in now.files},
        applied=Applied(3, now.spec_digest, dict(now.key_digests)),
        secrets=now.needs_folder,
    )
    return replace(one, **changes)


def plan(now: Rendered, observed: Observed, binding: Binding = Binding()) -> ContainerPlan:  # noqa: B008
    return make_plan(now, binding, [observed], REACHES).containers[0]


def actions(made: ContainerPlan) -> list[tuple[str, bool]]:
    return [(step.action, step.blocked is None) for step in made.steps]


def on(action: str, **more: Any) -> Binding:
    return Binding(on_change=(OnChange("**", action, "HUP" if action == "signal" else "", **more),))


# --- what is rendered -----------------------------------------------------------------------------------------


def test_a_secret_is_a_file_and_a_variable_that_tells_where() -> None:
    now = due(LOG_LEVEL='"debug"')
    assert now.variables == {"DB_PASSWORD_FILE": f"{FOLDER}/DB_PASSWORD", "LOG_LEVEL": "debug"}
    (file,) = now.files
    assert (file.path, file.content, file.mode, file.owner) == (f"{FOLDER}/DB_PASSWORD", "p4ssw0rd", 0o444, None)
    assert "p4ssw0rd" not in repr((now.variables, now.shim_variables, now.options, now.arguments))


@pytest.mark.parametrize(("value", "text"), [('{"a":1}', '{"a":1}'), ("1.10", "1.10"), ("true", "true")])
def test_a_secret_that_is_no_text_stands_in_its_file_as_json(value: str, text: str) -> None:
    assert due(secret={"x": value}).files[0].content == text


def test_its_name_follows_the_rules_of_variables() -> None:
    rule = VariablesRule(prefix="APP_", rename={"token": "TOKEN"}, exclude=("internal/**",))
    binding = Binding(variables=rule, secrets=Secrets(mode="0400", owner="1000"))
    now = due(binding, {"db/password": '"a"', "token": '"b"', "internal/x": '"c"'})
    assert set(now.variables) == {"APP_DB_PASSWORD_FILE", "TOKEN_FILE"}
    assert {(file.path, file.mode, file.owner) for file in now.files} == {
        (f"{FOLDER}/APP_DB_PASSWORD", 0o400, (1000, 1000)),
        (f"{FOLDER}/TOKEN", 0o400, (1000, 1000)),
    }


def test_a_setting_of_the_name_of_that_variable_collides() -> None:
    now = due(DB_PASSWORD_FILE='"/x"')
    assert now.problems[0].keys == ("DB_PASSWORD_FILE", "db/password")
    assert not now.files


def test_a_file_of_the_binding_in_its_place_collides() -> None:
    now = due(Binding(files=(BindingFile(f"{FOLDER}/DB_PASSWORD", "json"),)))
    assert "give that another path" in now.problems[0].detail


def test_the_shim_alone_gets_what_is_left_to_it() -> None:
    now = due(Binding(secrets=Secrets("shim")), A="1")
    assert now.variables == {"A": "1"}
    assert now.shim_variables == {"DB_PASSWORD": "p4ssw0rd"}
    assert "p4ssw0rd" not in repr(now)
    assert now.spec_digest == due(secret={}, A="1").spec_digest


def test_the_binding_may_ask_for_variables() -> None:
    now = due(Binding(secrets=Secrets("variables")))
    assert (now.variables, now.files) == ({"DB_PASSWORD": "p4ssw0rd"}, ())


def test_a_secret_is_neither_a_run_option_nor_an_argument() -> None:
    now = due(Binding(arguments={"--password": "p"}), {"run/memory": '"64m"', "p": '"x"'})
    assert (now.options, now.arguments) == ({}, ())
    assert [problem.keys for problem in now.problems] == [("run/memory",), ("p",)]
    assert "cannot be a secret" in now.problems[0].detail
    assert "everybody on the host sees the arguments" in now.problems[1].detail


@pytest.mark.parametrize(
    ("file", "holds"),
    [
        (BindingFile("/a", "json"), False),
        (BindingFile("/a", "json", include=("db/**",)), False),
        (BindingFile("/a", "json", include=("db/password",)), True),
        (BindingFile("/a", "", template="{% for k in settings %}{{ settings[k] }}{% endfor %}"), False),
        (BindingFile("/a", "", template='{{ settings["db/password"] }}'), True),
    ],
)
def test_a_file_holds_a_secret_where_its_very_name_is_asked_for(file: BindingFile, holds: bool) -> None:
    written = due(Binding(files=(file,)), A="1").files[0]
    assert ("p4ssw0rd" in written.content) is holds
    assert (Key("db/password") in written.keys) is holds
    assert written.mode == (0o400 if holds else 0o644)


def test_a_file_of_the_binding_may_stand_with_the_secrets() -> None:
    file = BindingFile(f"{FOLDER}/app.json", "json", include=("db/password",))
    now = due(Binding(variables=VariablesRule(exclude=("**",)), files=(file,)))
    assert (now.files[0].mode, now.needs_folder, now.variables) == (0o444, True, {})
    assert not due(secret={}).needs_folder


def test_what_nobody_is_to_see_is_known_in_each_spelling() -> None:
    hidden = due(secret={"x": '"one\\ntwo"', "y": '"abc"', "z": '{"k": "inner"}'}).hidden
    assert {"one\ntwo", "one\\ntwo", "inner", "b25lCnR3bw"} <= set(hidden)
    assert "abc" not in hidden  # too short to say where it comes from


# --- what is done about it --------------------------------------------------------------------------------------


def test_the_first_secret_needs_a_new_container_and_its_next_value_none() -> None:
    before, now, later = due(secret={}), due(), due(secret={"db/password": '"other"'})
    assert actions(plan(now, running(before))) == [("recreate", True)]
    assert not plan(now, running(now)).steps
    assert actions(plan(later, running(now))) == [("files", True), ("restart", True)]
    assert actions(plan(later, running(now), on("signal"))) == [("files", True), ("signal", True)]
    assert actions(plan(later, running(now), on("none"))) == [("files", True)]


def test_a_lost_folder_needs_a_new_container_though_the_variables_are_there() -> None:
    now = due()
    steps = plan(now, running(now, secrets=False)).steps
    assert [step.action for step in steps] == ["recreate"]
    assert steps[0].reasons[0].why == f"secret file {FOLDER}/DB_PASSWORD"


def test_a_ceiling_keeps_the_first_secret_out_and_lets_the_next_value_in() -> None:
    binding, two = on("signal"), due(secret={**SECRET, "token": '"t"'})
    assert actions(plan(due(), running(due(secret={})), binding)) == [("recreate", False)]
    assert ("recreate", False) in actions(plan(two, running(due()), binding))
    assert actions(plan(due(), running(due(secret={})), on("signal", escalate=True))) == [("recreate", True)]


def test_a_secret_that_goes_takes_its_variable_along() -> None:
    assert actions(plan(due(secret={}), running(due(), secrets=True))) == [("recreate", True)]


def test_a_shim_gets_the_folder_too() -> None:
    now = due()
    assert not plan(now, running(now, shim="http", variables={})).steps
    assert actions(plan(now, running(now, shim="http", variables={}, secrets=False))) == [("recreate", True)]


@pytest.mark.parametrize(("shim", "blocked"), [("", True), ("dir", True), ("http", False)])
def test_what_is_left_to_a_shim_is_blocked_without_one(shim: str, blocked: bool) -> None:
    binding = Binding(secrets=Secrets("shim"))
    now = due(binding)
    made = plan(now, running(now, shim=shim), binding)
    assert bool(made.steps) is blocked
    if blocked:
        (step,) = made.steps
        assert (step.cause, made.spec) == (Cause.RULE, now.target(shim=bool(shim)))
        assert "label confd.shim=http" in str(step.blocked)
    assert not binding_problems(replace(binding, on_change=on("signal").on_change), now)


def test_a_host_without_memory_for_them_says_so() -> None:
    facts = {"no_secrets": "secrets: /x is on a disk"}
    (step,) = plan(due(), running(due(secret={}), facts=facts)).steps
    assert (step.action, step.blocked) == ("recreate", "secrets: /x is on a disk")
    assert plan(due(secret={}, A="1"), running(due(secret={}), facts=facts)).due


@pytest.mark.parametrize(
    ("binding", "changes", "action"),
    [
        (Binding(), {}, "restart"),
        (Binding(), {"secrets": False}, "recreate"),
        (Binding(secrets=Secrets("variables")), {}, "recreate"),
        (Binding(secrets=Secrets("shim")), {"shim": "http"}, "none"),
        (Binding(secrets=Secrets("shim")), {}, "none"),
    ],
)
def test_what_a_change_would_cause_is_told(binding: Binding, changes: dict[str, Any], action: str) -> None:
    now = due(binding)
    effect = effect_of(Key("db/password"), (now, binding), running(now, **changes), REACHES)
    assert effect.action == action
    assert (effect.blocked is not None) is (binding.secrets.by == "shim" and not changes)


def test_the_fields_of_a_new_container_tell_of_the_mount_and_of_no_value() -> None:
    now, before = due(), running(due(secret={}))
    told = [str(one) for one in fields_of(plan(now, before), now, before)]
    assert told == [
        "Config.Env.DB_PASSWORD_FILE: (not shown) -> (not shown)",
        "HostConfig.Mounts: not set -> (not shown)",
    ]
    later = due(secret={}, A="1")
    told = [str(one) for one in fields_of(plan(later, running(now)), later, running(now))]
    assert "HostConfig.Mounts: (not shown) -> not set" in told


# --- the successor's body -----------------------------------------------------------------------------------------


def test_a_successor_has_the_mount_that_is_asked_for_or_the_one_before() -> None:
    own = {"Type": "bind", "Source": "/srv", "Target": "/data"}
    inspect: dict[str, Any] = {
        "Id": "c1",
        "Name": "/web",
        "Config": {"Image": "web:1", "Env": []},
        "HostConfig": {"Mounts": [own]},
    }
    room, next_room = f"/run/x/{'a1' * 16}", f"/run/x/{'b2' * 16}"
    wanted = replace(as_it_is(inspect, "web:1"), secrets=room)
    for mounts, folder, found in (
        ([own], room, room),
        ([own], "", ""),
        ([own], None, ""),
        ([own, {"Type": "bind", "Source": room, "Target": FOLDER}], next_room, next_room),
        ([own, {"Type": "bind", "Source": room, "Target": FOLDER}], "", ""),
        ([own, {"Type": "bind", "Source": room, "Target": FOLDER}], None, room),
    ):
        before = {**inspect, "HostConfig": {"Mounts": mounts}}
        body = replacement_of(before, "web", replace(wanted, secrets=folder)).config
        assert folder_of(body) == found
        assert sum(map(is_secret_mount, body["HostConfig"]["Mounts"])) == bool(found)
        assert own in body["HostConfig"]["Mounts"]


# --- the mount ------------------------------------------------------------------------------------------------

ROOM = "/run/confd-secrets/0123456789abcdef/" + "a1" * 16


@pytest.mark.parametrize(
    ("path", "is_one"),
    [(f"{FOLDER}/DB", True), (FOLDER, False), (f"{FOLDER}/a/b", False), ("/etc/DB", False)],
)
def test_secrets_stand_in_one_folder(path: str, is_one: bool) -> None:
    assert is_secret_path(path) is is_one


@pytest.mark.parametrize(
    "other",
    [
        {"Type": "volume"},
        {"Target": "/data"},
        {"Source": "/srv/own"},
        {"Source": "a1" * 16},
        {"Source": None},
    ],
)
def test_a_mount_of_somebody_elses_is_not_ours(other: dict[str, Any]) -> None:
    assert not is_secret_mount({**mount_of_secrets(ROOM), **other})


def test_the_mount_is_none_of_the_containers_own_options() -> None:
    own = {"Type": "bind", "Source": "/srv", "Target": "/data"}
    inspect: dict[str, Any] = {
        "Config": {"Image": "x"},
        "HostConfig": {"Mounts": [own, mount_of_secrets(ROOM)]},
    }
    assert folder_of(inspect) == ROOM
    assert FOLDER not in observed_options(inspect)["mount"]
    assert folder_of({"HostConfig": {"Mounts": None}}) == ""
    assert folder_of({}) == ""
