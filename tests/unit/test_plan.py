"""The cheapest sufficient action per changed key, once per container, as a table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.keys import App, Container, Env, Key, Layer
from confd.model import (
    Applied,
    Binding,
    BindingFile,
    Cause,
    ContainerPlan,
    Entry,
    FileCheck,
    Hold,
    Observed,
    OnChange,
    Reach,
    Rendered,
    Snapshot,
    Step,
)
from confd.plan import binding_problems, effect_of, make_plan, rule_for
from confd.plan.fields import fields_of
from confd.render import render
from confd.resolve import resolve
from confd.secret import Digest, DigestKey

KEY = DigestKey(b"k" * 32)
PROD, WEB = Env("prod"), App("web")
REACHES = {
    "signal": Reach.IN_PLACE,
    "exec": Reach.IN_PLACE,
    "update": Reach.IN_PLACE,
    "restart": Reach.NEW_PROCESS,
    "recreate": Reach.NEW_CONTAINER,
}
FILE = BindingFile("/etc/web/app.json", "json", include=("file/**",))
WITH_FILE = Binding(files=(FILE,))


def rendered(binding: Binding = Binding(), **settings: str) -> Rendered:  # noqa: B008 - frozen
    entries = {name.replace("__", "/").replace("_m_", "-"): text for name, text in settings.items()}
    layer = Layer(PROD, WEB)
    snapshot = Snapshot(7, {layer: {key: Entry(key, text, 5) for key, text in entries.items()}})
    return render(resolve(snapshot, PROD, WEB), binding, KEY)


def container(due: Rendered | None = None, **changes: Any) -> Observed:
    """A container in which `due` is in effect."""
    one = Observed(Container("c1"), "web", WEB, PROD, running=True)
    if due is not None:
        one = replace(
            one,
            variables=dict(due.variable_digests),
            options=dict(due.options),
            arguments=due.arguments_digest,
            files={file.path: file.digest for file in due.files},
            applied=Applied(revision=3, spec=due.spec_digest, keys=dict(due.key_digests)),
        )
    return replace(one, **changes)


def plan(due: Rendered, observed: Observed, binding: Binding = Binding()) -> ContainerPlan:  # noqa: B008
    return make_plan(due, binding, [observed], REACHES).containers[0]


def words(steps: tuple[Step, ...]) -> list[str]:
    return [step.action for step in steps]


def on(action: str, keys: str = "**", escalate: bool = False, **more: Any) -> Binding:
    signal, command = ("HUP" if action == "signal" else ""), (("reload",) if action == "exec" else ())
    return Binding(on_change=(OnChange(keys, action, signal, escalate, command),), **more)


FROZEN = Hold(Cause.HELD, "web is frozen by anna")
STOPPED = Hold(Cause.STOPPED, "web on h2 failed", Reach.NEW_PROCESS)


@pytest.mark.parametrize(
    ("hold", "own", "cause"),
    [
        (FROZEN, {}, Cause.HELD),
        (None, {"held": "the host is frozen"}, Cause.HELD),
        (None, {"contested": "Compose"}, Cause.CONTESTED),
        (None, {"adopted": False}, Cause.ADOPTION),
        (FROZEN, {"adopted": False}, Cause.HELD),
        (None, {"contested": "Compose", "adopted": False}, Cause.CONTESTED),
    ],
)
def test_a_hold_blocks_all_that_is_due_and_settles_nothing(hold: Hold | None, own: Any, cause: Cause) -> None:
    before = rendered(A="1", run__memory='"256m"')
    due = rendered(A="2", run__memory='"512m"')
    observed = [container(before, **own)]
    (held,) = make_plan(due, Binding(), observed, REACHES, [hold] if hold else []).containers
    assert [(step.action, step.cause) for step in held.steps] == [("recreate", cause)]
    assert held.held is not None
    assert (held.held.cause, held.spec, dict(held.settles)) == (cause, None, {})


def test_a_hold_lets_pass_what_reaches_less_far() -> None:
    before, due = rendered(A="1", run__memory='"256m"'), rendered(A="1", run__memory='"512m"')
    (one,) = make_plan(due, Binding(), [container(before)], REACHES, [STOPPED]).containers
    assert (words(one.due), one.held) == (["update"], None)
    (one,) = make_plan(rendered(A="2"), Binding(), [container(before)], REACHES, [STOPPED]).containers
    assert [step.cause for step in one.steps] == [Cause.STOPPED]


def test_a_hold_on_what_needs_nothing_is_told() -> None:
    due = rendered(A="1")
    (one,) = make_plan(due, Binding(), [container(due)], REACHES, [FROZEN]).containers
    assert (one.steps, one.held) == ((), FROZEN)


def test_nothing_differs_nothing_is_due() -> None:
    due = rendered(A="1", run__memory='"256m"')
    assert plan(due, container(due)).steps == ()
    assert plan(due, container(due)).spec == due.spec_digest


def test_a_variable_needs_a_new_container() -> None:
    steps = plan(rendered(A="2"), container(rendered(A="1"))).steps
    assert [(s.action, s.reach, s.blocked) for s in steps] == [("recreate", Reach.NEW_CONTAINER, None)]
    assert [(r.key, r.why) for r in steps[0].reasons] == [("A", "variable A")]


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        ({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, ["b"]),
        ({"a": "1"}, {"a": "1", "b": "3"}, ["b"]),
        ({"a": "1", "b": "2"}, {"a": "1"}, ["a"]),
        ({"a": "1"}, {}, ["arguments"]),
    ],
)
def test_a_changed_argument_needs_a_new_container(
    before: dict[str, str], after: dict[str, str], reasons: list[str]
) -> None:
    rule = replace(Binding().variables, exclude=("**",))
    binding = Binding(variables=rule, arguments={"--a": "a", "--b": "b"})
    (step,) = plan(rendered(binding, **after), container(rendered(binding, **before)), binding).steps
    assert (step.action, [str(r.key) for r in step.reasons]) == ("recreate", reasons)
    assert {r.why for r in step.reasons} == {"arguments"}


def test_a_memory_limit_is_updated_live() -> None:
    due = rendered(run__memory='"512m"')
    steps = plan(due, container(rendered(run__memory='"256m"'))).steps
    assert [(s.action, dict(s.parameters)) for s in steps] == [("update", {"memory": due.options["memory"]})]


@pytest.mark.parametrize(
    ("action", "due"),
    [("auto", ["update"]), ("update", ["update"]), ("restart", ["update", "restart"]), ("recreate", ["recreate"])],
)
def test_a_limit_is_brought_in_as_its_rule_says(action: str, due: list[str]) -> None:
    new, old = rendered(run__memory='"512m"'), rendered(run__memory='"256m"')
    assert words(plan(new, container(old), on(action)).due) == due


def test_a_new_container_replaces_all_in_place_actions() -> None:
    old = rendered(WITH_FILE, A="1", run__memory='"256m"', file__x="1")
    new = rendered(WITH_FILE, A="2", run__memory='"512m"', file__x="2")
    binding = replace(WITH_FILE, on_change=(OnChange("file/**", "signal", "HUP"), OnChange("**", "auto")))
    steps = plan(new, container(old), binding).steps
    assert words(steps) == ["files", "recreate"]
    assert {reason.key for reason in steps[1].reasons} >= {"A", "run/memory", "file/x"}


def test_in_place_actions_add_up_each_once() -> None:
    binding = replace(
        WITH_FILE,
        variables=replace(Binding().variables, exclude=("**",)),
        on_change=(OnChange("**", "signal", "HUP"),),
    )
    old = rendered(binding, run__memory='"256m"', file__x="1", file__y="1")
    new = rendered(binding, run__memory='"512m"', file__x="2", file__y="2")
    steps = plan(new, container(old), binding).steps
    assert words(steps) == ["files", "update", "signal"]
    assert [r.key for r in steps[2].reasons] == ["file/x", "file/y"]


def test_a_restart_follows_an_update_and_replaces_signals() -> None:
    binding = replace(
        WITH_FILE,
        variables=replace(Binding().variables, exclude=("**",)),
        on_change=(OnChange("file/**", "signal", "HUP"), OnChange("**", "restart")),
    )
    old = rendered(binding, run__memory='"256m"', file__x="1")
    new = rendered(binding, run__memory='"512m"', file__x="2")
    assert words(plan(new, container(old), binding).steps) == ["files", "update", "restart"]


def test_auto_restarts_for_a_file() -> None:
    binding = replace(WITH_FILE, variables=replace(Binding().variables, exclude=("**",)))
    steps = plan(rendered(binding, file__x="2"), container(rendered(binding, file__x="1")), binding).steps
    assert words(steps) == ["files", "restart"]


@pytest.mark.parametrize(
    ("binding", "actions", "blocked"),
    [
        (on("recreate"), ["recreate"], False),
        (on("auto"), ["recreate"], False),
        (on("signal", escalate=True), ["recreate"], False),
        (on("signal"), ["recreate"], True),
        (on("restart"), ["recreate"], True),
        (on("update"), ["recreate"], True),
        (on("none"), [], False),
    ],
)
def test_a_named_action_is_a_ceiling(binding: Binding, actions: list[str], blocked: bool) -> None:
    one = plan(rendered(A="2"), container(rendered(A="1")), binding)
    assert words(one.steps) == actions
    assert bool(one.blocked) is blocked
    settled = "A" in one.settles
    assert settled is (actions == ["recreate"] and not blocked)


def test_a_shims_variables_are_its_own_business() -> None:
    old, new = rendered(A="1"), rendered(A="2")
    shim = container(old, shim="http", applied=Applied(3, old.run_digest, old.key_digests))
    assert plan(new, shim).steps == ()


def test_unset_brings_the_base_back() -> None:
    base = {"A": Digest("v1:base")}
    old = container(rendered(A="1"), base_variables=base)
    steps = plan(rendered(B="1"), old).steps
    assert [r.why for s in steps for r in s.reasons] == ["variable A", "variable B"]
    back = container(None, base_variables=base, variables=base)
    assert plan(rendered(), back).steps == ()


def test_removing_a_limit_needs_a_new_container() -> None:
    assert words(plan(rendered(), container(rendered(run__memory='"256m"'))).steps) == ["recreate"]


def test_cpus_over_a_quota_of_the_base_clears_it_b61() -> None:
    base = {"cpu-quota": "50000"}
    one = container(None, options=base, base_options=base, facts={"cpus": 2})
    steps = plan(rendered(run__cpus='"0.7"'), one).steps
    assert words(steps) == ["recreate"]


def test_a_host_refuses_what_it_cannot_give_b62() -> None:
    one = plan(rendered(run__cpus='"1000"'), container(rendered(), facts={"cpus": 2}))
    assert one.due == ()
    assert "2" in (one.blocked[0].blocked or "")
    assert one.spec is None


def test_what_one_host_cannot_give_another_gives_all_the_same_b62() -> None:
    due, binding = rendered(run__cpus='"8"'), Binding()
    hosts = [container(rendered(), facts={"cpus": count}) for count in (2, 16)]
    small, large = make_plan(due, binding, hosts, REACHES).containers
    assert (small.due, words(large.due), large.blocked) == ((), ["update"], ())
    assert "0.01 to 2" in (small.blocked[0].blocked or "")


def test_options_beyond_limits_need_the_hosts_word() -> None:
    due = rendered(run__read_m_only="true")
    assert "--allow-run read-only" in (plan(due, container(rendered())).blocked[0].blocked or "")
    assert plan(due, container(rendered(), facts={"allow_run": ["read-only"]})).blocked == ()


SECURE = {(PROD, "base"): Entry("policy", '{"preset": "secure"}', 5)}


def policed(**settings: str) -> Rendered:
    layer = Layer(PROD, WEB)
    entries = {name.replace("__", "/"): Entry(name, text, 5) for name, text in settings.items()}
    return render(resolve(Snapshot(7, {layer: entries}, policies=SECURE), PROD, WEB), Binding(), KEY)


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("privileged", "true", "privileged"),
        ("network", '"host"', "network-host"),
        ("restart", '"always"', "restart"),
    ],
)
def test_what_is_against_a_policy_is_not_let_in(name: str, text: str, rule: str) -> None:
    facts = {"allow_run": [name]}
    one = plan(policed(**{f"run__{name}": text}), container(rendered(), facts=facts))
    (blocked,) = one.blocked
    assert (one.due, blocked.cause) == ((), Cause.RULE)
    assert f"the policy prod/base, rule {rule}," in (blocked.blocked or "")


def test_what_is_against_a_policy_already_stays_and_keeps_nothing_back() -> None:
    base = {"privileged": "true"}
    one = plan(policed(A="1", run__memory='"64m"'), container(rendered(), options=base, base_options=base))
    assert (words(one.due), one.blocked) == (["recreate"], ())


def test_a_setting_that_a_policy_asks_for_is_not_taken_away() -> None:
    had = container(rendered(run__memory='"64m"'))
    one = plan(policed(), had)
    assert "run/memory: the policy prod/base, rule memory, asks for" in (one.blocked[0].blocked or "")
    assert words(plan(policed(run__memory='"32m"'), had).due) == ["update"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"max_reach": Reach.NEW_PROCESS}, "max-reach"),
        ({"obstacles": ("it was started with --rm",)}, "--rm"),
    ],
)
def test_what_the_container_does_not_allow_is_blocked(changes: dict[str, Any], says: str) -> None:
    one = plan(rendered(A="2"), container(rendered(A="1"), **changes))
    assert one.due == ()
    assert says in (one.blocked[0].blocked or "")


@pytest.mark.parametrize(
    ("start_first", "running", "due"), [(True, True, False), (True, False, True), (False, True, True)]
)
def test_one_that_cannot_run_twice_has_no_successor_beside_it(start_first: bool, running: bool, due: bool) -> None:
    seen = container(rendered(A="1"), alone="it publishes 80/tcp at the host's port 80", running=running)
    one = plan(rendered(A="2"), seen, binding=Binding(start_first=start_first))
    assert words(one.due) == (["recreate"] if due else [])
    assert all("order start-first: it publishes 80/tcp" in str(step.blocked) for step in one.blocked)
    assert bool(one.blocked) is not due


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"max_reach": Reach.IN_PLACE}, ["update"]),
        ({"obstacles": ("it was started with --rm",)}, ["update"]),
        ({"max_reach": Reach.NONE}, []),
    ],
)
def test_what_may_not_be_replaced_is_changed_in_place_where_that_is_enough(
    changes: dict[str, Any], due: list[str]
) -> None:
    one = plan(rendered(A="2", run__memory='"64m"'), container(rendered(A="1"), **changes))
    assert words(one.due) == due
    assert "recreate" in words(one.blocked)
    assert one.spec is None
    assert Key("A") not in one.settles
    assert (Key("run/memory") in one.settles) == bool(due)


def test_a_failed_recreate_is_not_tried_again_until_a_setting_changes_b109() -> None:
    old, new = rendered(A="1"), rendered(A="2")
    applied = Applied(3, old.spec_digest, old.key_digests, failed=new.spec_digest, failed_detail="exited 1")
    assert "exited 1" in (plan(new, container(old, applied=applied)).blocked[0].blocked or "")
    assert words(plan(rendered(A="3"), container(old, applied=applied)).due) == ["recreate"]


def test_one_that_was_kept_though_it_failed_is_told_as_failed_until_a_setting_changes() -> None:
    old, new = rendered(A="1"), rendered(A="2")
    applied = Applied(3, old.spec_digest, old.key_digests, failed=new.spec_digest, failed_detail="unhealthy")
    kept = container(new, applied=applied)
    (step,) = plan(new, kept).steps
    assert (step.cause, plan(new, kept).spec) == (Cause.FAILED, None)
    assert "unhealthy" in (step.blocked or "")
    assert words(plan(rendered(A="3"), kept).due) == ["recreate"]


def test_an_invalid_key_holds_a_running_container_b56() -> None:
    old, new = rendered(A="1", B="1"), rendered(A='"\\u0000"', B="2")
    one = plan(new, container(old))
    assert one.due == ()
    assert "invalid" in (one.blocked[0].blocked or "")


def test_an_invalid_key_is_left_out_of_a_first_start_b57() -> None:
    assert words(plan(rendered(A='"\\u0000"', B="2"), container(None)).due) == ["recreate"]


def test_a_signal_that_was_not_sent_is_sent_again() -> None:
    binding = replace(
        WITH_FILE, variables=replace(Binding().variables, exclude=("**",)), on_change=on("signal").on_change
    )
    old, new = rendered(binding, file__x="1"), rendered(binding, file__x="2")
    written = container(old, files={f.path: f.digest for f in new.files})
    assert words(plan(new, written, binding).due) == ["files", "signal"]


def test_a_signal_is_sent_again_also_to_a_container_that_nothing_was_in_effect_in_yet_b118() -> None:
    binding = replace(
        WITH_FILE, variables=replace(Binding().variables, exclude=("**",)), on_change=on("signal").on_change
    )
    due = rendered(binding, file__x="1")
    written = container(None, files={f.path: f.digest for f in due.files})
    assert words(plan(due, written, binding).due) == []
    assert words(plan(due, replace(written, unfinished=True), binding).due) == ["files", "signal"]


def test_a_file_out_of_reach_is_blocked_b158() -> None:
    binding = replace(WITH_FILE, variables=replace(Binding().variables, exclude=("**",)))
    one = container(None, unreachable_files={FILE.path: "it is no mounted directory"})
    blocked = plan(rendered(binding, file__x="2"), one, binding).blocked
    assert [(s.action, s.blocked) for s in blocked] == [("files", f"{FILE.path}: it is no mounted directory")]


def test_a_file_whose_keys_recreate_is_written_and_read_by_a_new_container() -> None:
    binding = replace(
        WITH_FILE, variables=replace(Binding().variables, exclude=("**",)), on_change=on("recreate").on_change
    )
    old, new = rendered(binding, file__x="1"), rendered(binding, file__x="2")
    assert words(plan(new, container(old), binding).due) == ["files", "recreate"]


def test_a_file_that_is_as_it_is_due_is_left_alone() -> None:
    old, new = rendered(WITH_FILE, A="1", file__x="1"), rendered(WITH_FILE, A="2", file__x="1")
    assert words(plan(new, container(old), WITH_FILE).due) == ["recreate"]


@pytest.mark.parametrize("action", ["signal", "restart"])
def test_a_key_that_a_file_brings_in_is_settled_while_its_variable_waits(action: str) -> None:
    binding = replace(WITH_FILE, on_change=on(action).on_change)
    old, new = rendered(binding, file__x="1"), rendered(binding, file__x="2")
    one = plan(new, container(old), binding)
    assert words(one.steps) == ["files", action]
    assert one.settles == new.key_digests
    assert one.spec is None


def test_a_stopped_container_is_neither_signalled_nor_restarted() -> None:
    binding = replace(WITH_FILE, variables=replace(Binding().variables, exclude=("**",)))
    old = container(rendered(binding, file__x="1"), running=False)
    assert words(plan(rendered(binding, file__x="2"), old, binding).due) == ["files"]


def test_a_reason_says_that_the_schema_has_the_rule() -> None:
    before, due = rendered(file__a="1", b="1"), rendered(file__a="2", b="2")
    binding = Binding(by_schema={Key("b"): OnChange("b", "signal", "HUP", escalate=True)})
    (step,) = plan(due, container(before), binding).steps
    assert (step.action, [one.why for one in step.reasons]) == (
        "recreate",
        ["variable FILE_A", "variable b (the schema says signal:HUP)"],
    )
    assert effect_of(Key("b"), (due, binding), container(due), REACHES).action == "recreate"


def test_the_most_specific_rule_wins_then_the_first() -> None:
    binding = Binding(
        on_change=(OnChange("**", "auto"), OnChange("log/**", "restart"), OnChange("log/level", "none"))
    )
    assert [rule_for(binding, Key(k)).action for k in ("a", "log/x", "log/level")] == ["auto", "restart", "none"]
    assert rule_for(Binding(on_change=()), Key("a")).action == "auto"


def test_a_signal_that_only_variables_carry_is_refused() -> None:
    due = rendered(A="1")
    assert [p.keys for p in binding_problems(on("signal"), due)] == [("A",)]
    assert binding_problems(on("signal", escalate=True), due) == []
    assert binding_problems(Binding(), due) == []


@pytest.mark.parametrize(
    ("key", "action"),
    [("A", "recreate"), ("run/memory", "update"), ("file/x", "restart"), ("internal", "none")],
)
def test_what_a_change_would_cause(key: str, action: str) -> None:
    binding = replace(WITH_FILE, variables=replace(Binding().variables, include=("A",)))
    due = rendered(binding, A="1", run__memory='"256m"', file__x="1", internal="1")
    effect = effect_of(Key(key), (due, binding), container(due), REACHES)
    assert (effect.action, effect.blocked) == (action, None)


def test_the_effect_on_a_file_whose_keys_signal_is_the_signal() -> None:
    binding = replace(WITH_FILE, on_change=(OnChange("**", "signal", "HUP"),))
    due = rendered(binding, file__x="1")
    assert effect_of(Key("file/x"), (due, binding), container(due), REACHES).action == "signal"


def test_the_effect_on_a_key_that_an_argument_carries_is_a_new_container() -> None:
    binding = Binding(variables=replace(Binding().variables, exclude=("**",)), arguments={"--a": "a"})
    due = rendered(binding, a="1")
    assert effect_of(Key("a"), (due, binding), container(due), REACHES).action == "recreate"


@pytest.mark.parametrize(
    ("told", "why"), [({"adopted": False}, "confctl adopt"), ({"held": "frozen by the file"}, "by the file")]
)
def test_the_effect_is_none_where_the_host_keeps_the_container_as_it_is(told: dict[str, Any], why: str) -> None:
    due = rendered(A="1")
    effect = effect_of(Key("A"), (due, Binding()), replace(container(due), **told), REACHES)
    assert (effect.action, why in (effect.blocked or "")) == ("none", True)


def test_effect_tells_what_blocks_it() -> None:
    due = rendered(A="1")
    effect = effect_of(Key("A"), (due, on("signal")), container(due), REACHES)
    assert effect.action == "none"
    assert "new container" in (effect.blocked or "")


SETTINGS = st.dictionaries(
    st.sampled_from(["A", "B", "file__x", "file__y", "run__memory", "run__cpus"]),
    st.sampled_from(['"64m"', '"128m"', "1", "2"]),
).map(
    lambda s: {
        k: v for k, v in s.items() if not ((k == "run__memory" and "m" not in v) or (k == "run__cpus" and "m" in v))
    }
)


@given(SETTINGS, SETTINGS, st.sampled_from(["auto", "recreate", "restart", "signal"]), st.booleans())
def test_planning_after_applying_finds_nothing(
    before: dict[str, str], after: dict[str, str], action: str, escalate: bool
) -> None:
    binding = replace(WITH_FILE, on_change=on(action, escalate=escalate).on_change)
    old, new = rendered(binding, **before), rendered(binding, **after)
    one = plan(new, container(old), binding)
    if one.blocked:
        return
    applied = Applied(new.revision, one.spec, dict(one.settles))
    done = words(one.due)
    observed = container(old, files={f.path: f.digest for f in new.files}, applied=applied)
    if "update" in done:
        observed = replace(observed, options=dict(new.options))
    if "recreate" in done or one.spec:
        observed = container(new, applied=applied)
    assert plan(new, observed, binding).due == ()


# --- commands -----------------------------------------------------------------------------------------------

EXECUTES = {"allow_run": ("exec",)}


def test_a_command_follows_its_file_once() -> None:
    binding = on("exec", files=(FILE,), variables=replace(Binding().variables, exclude=("**",)))
    old, new = rendered(binding, file__x="1", file__y="1"), rendered(binding, file__x="2", file__y="2")
    steps = plan(new, container(old, facts=EXECUTES), binding).due
    assert words(steps) == ["files", "exec"]
    assert dict(steps[1].parameters) == {"command": '["reload"]', "timeout_s": "10"}
    assert [reason.key for reason in steps[1].reasons] == ["file/x", "file/y"]
    assert words(plan(new, container(old, facts=EXECUTES, running=False), binding).due) == ["files"]


def test_a_host_that_allows_no_command_blocks_it_and_the_key_stays_behind() -> None:
    binding = on("exec", files=(FILE,), variables=replace(Binding().variables, exclude=("**",)))
    old, new = rendered(binding, file__x="1"), rendered(binding, file__x="2")
    one = plan(new, container(old), binding)
    assert words(one.due) == ["files"]
    assert [(step.action, step.cause) for step in one.blocked] == [("exec", Cause.RULE)]
    assert 'allow-run = ["exec"]' in (one.blocked[0].blocked or "")
    assert "file/x" not in one.settles


@pytest.mark.parametrize(
    ("keys", "action", "steps"),
    [
        ("**", "signal", ["update"]),
        ("run/**", "signal", ["update", "signal"]),
        ("run/memory", "exec", ["update", "exec"]),
        ("**", "restart", ["update", "restart"]),
        ("run/**", "recreate", ["recreate"]),
        ("**", "auto", ["update"]),
    ],
)
def test_the_binding_says_what_a_live_update_is_worth(keys: str, action: str, steps: list[str]) -> None:
    old, new = rendered(run__memory='"256m"'), rendered(run__memory='"512m"')
    assert words(plan(new, container(old, facts=EXECUTES), on(action, keys)).due) == steps


@pytest.mark.parametrize(("escalate", "steps"), [(False, ["update"]), (True, ["recreate"])])
def test_a_refused_update_climbs_only_where_the_binding_says_so(escalate: bool, steps: list[str]) -> None:
    old, new = rendered(run__memory='"512m"'), rendered(run__memory='"64m"')
    applied = Applied(3, old.spec_digest, dict(old.key_digests), refused=new.spec_digest)
    observed = container(old, applied=applied)
    assert words(plan(new, observed, on("update", escalate=escalate)).due) == steps
    other = rendered(run__memory='"128m"')
    assert words(plan(other, observed, on("update", escalate=escalate)).due) == ["update"]


def test_what_is_live_does_not_wait_for_the_window_of_what_is_not() -> None:
    old, new = rendered(A="1", run__memory='"256m"'), rendered(A="2", run__memory='"512m"')
    closed = Hold(Cause.WINDOW, "opens at ten", Reach.NEW_PROCESS)
    (one,) = make_plan(new, Binding(), [container(old)], REACHES, [closed]).containers
    assert (words(one.due), [(step.action, step.cause) for step in one.blocked]) == (
        ["update"],
        [("recreate", Cause.WINDOW)],
    )
    assert ("run/memory" in one.settles, "A" in one.settles, one.spec) == (True, False, None)


# --- files by template, and their checks --------------------------------------------------------------------

TEMPLATE = BindingFile("/etc/web/app.conf", "", template='{% if a == 1 %}{{ settings["b/c"] }}{% endif %}{{ a }}')
CHECKED = replace(TEMPLATE, check=FileCheck(("nginx", "-t", "{file}")))
NO_VARIABLES = replace(Binding().variables, exclude=("**",))


def by(file: BindingFile, action: str = "signal") -> Binding:
    return on(action, files=(file,), variables=NO_VARIABLES)


def test_only_a_key_that_the_template_read_has_its_file_written() -> None:
    binding = by(TEMPLATE)
    old = rendered(binding, a="2", b__c="1", d="1")
    assert plan(rendered(binding, a="2", b__c="2", d="2"), container(old), binding).steps == ()
    assert words(plan(rendered(binding, a="1", b__c="1", d="1"), container(old), binding).due) == [
        "files",
        "signal",
    ]


def test_a_key_that_a_template_may_come_to_is_not_one_that_variables_carry_alone() -> None:
    binding = on("signal", files=(TEMPLATE,))
    assert [one.keys for one in binding_problems(binding, rendered(binding, a="2", b__c="1", d="1"))] == [("d",)]


def test_a_file_that_cannot_be_rendered_blocks_a_running_container_though_nothing_else_differs_b156() -> None:
    binding = by(TEMPLATE)
    old, new = rendered(binding, a="1", b__c="1"), rendered(binding, a="1")
    for due in (plan(new, container(old), binding), plan(new, container(new), binding)):
        assert due.due == ()
        assert "there is no setting b/c" in (due.blocked[0].blocked or "")
    first = plan(rendered(on("auto", files=(TEMPLATE,)), a="1"), container(), on("auto", files=(TEMPLATE,)))
    assert (words(first.due), words(first.blocked)) == (["recreate"], ["files"])
    effect = effect_of(Key("b/c"), (new, binding), container(new), REACHES)
    assert "there is no setting b/c" in (effect.blocked or "")


def test_a_template_that_reads_nothing_and_fails_is_told_by_its_path() -> None:
    binding = by(replace(TEMPLATE, template="{{ 1 / 0 }}"))
    (blocked,) = plan(rendered(binding), container(rendered()), binding).blocked
    assert blocked.reasons[0].key == "etc/web/app.conf"


def test_a_checked_file_needs_a_host_that_lets_commands_in() -> None:
    binding = by(CHECKED)
    old, new = rendered(binding, a="2"), rendered(binding, a="3")
    (blocked,) = plan(new, container(old), binding).steps
    assert 'allow-run = ["exec"]' in (blocked.blocked or "")
    assert words(plan(new, container(old, facts=EXECUTES), binding).due) == ["files", "signal"]


def test_files_that_a_check_refused_hold_all_until_they_are_others() -> None:
    binding = replace(by(CHECKED), variables=Binding().variables)
    old, new = rendered(binding, a="2"), rendered(binding, a="3", run__memory='"64m"')
    applied = Applied(3, old.spec_digest, dict(old.key_digests), rejected=new.files_digest, rejected_detail="no")
    observed = container(old, facts=EXECUTES, applied=applied)
    held = plan(new, observed, binding)
    assert held.due == ()
    assert {(step.cause, step.blocked) for step in held.blocked if step.cause is Cause.FAILED} == {
        (Cause.FAILED, "no; change a setting to try again")
    }
    assert held.held is not None
    assert "files" in words(plan(rendered(binding, a="4"), observed, binding).due)
    silent = replace(observed, applied=replace(applied, rejected_detail=""))
    assert "did not agree" in (plan(new, silent, binding).held or FROZEN).why


# --- fields -------------------------------------------------------------------------------------------------


def fields(due: Rendered, observed: Observed, binding: Binding = Binding()) -> list[str]:  # noqa: B008
    return [str(one) for one in fields_of(plan(due, observed, binding), due, observed)]


def test_every_field_that_a_plan_changes_is_told_and_no_value_of_a_variable() -> None:
    old, new = rendered(A="1", B="1", run__memory='"256m"'), rendered(A="2", C="3", run__memory='"512m"')
    observed = container(old, facts={"allow_run": ()})
    assert fields(new, observed) == [
        "Config.Env.A: (not shown) -> (not shown)",
        "Config.Env.B: (not shown) -> (not shown)",
        "Config.Env.C: (not shown) -> (not shown)",
        "HostConfig.Memory: 268435456 -> 536870912",
        "HostConfig.MemorySwap: 536870912 -> 1073741824",
    ]
    assert fields(new, replace(observed, shim="http")) == [
        "HostConfig.Memory: 268435456 -> 536870912",
        "HostConfig.MemorySwap: 536870912 -> 1073741824",
    ]


def test_a_live_update_and_changed_arguments_tell_their_fields_too() -> None:
    old, new = rendered(A="1", run__pids_m_limit="9"), rendered(A="1")
    assert fields(new, container(old)) == ["HostConfig.PidsLimit: 9 -> -1"]
    with_arguments = Binding(arguments={"--a": "A"})
    told = fields(rendered(with_arguments, A="2"), container(old), with_arguments)
    assert "Config.Cmd: (not shown) -> (not shown)" in told
    assert fields(old, container(old)) == []
    barred = container(rendered(A="1"), max_reach=Reach.IN_PLACE)
    assert fields(rendered(A="2"), barred) == []
