"""What every target keeps to, in memory and on a real Docker Engine: its calls and what an inspect shows then."""

from __future__ import annotations

from typing import Any

import pytest

from confd.errors import CommandFailed, ContainerGone, EngineRefused
from confd.ports import Inspect
from confd.targets import TARGETS
from tests.support.engine import IMAGE
from tests.support.targets import (
    ALWAYS,
    DEAF,
    EACH_TARGET,
    FAILS,
    MIB,
    MISSING,
    NOBODY,
    QUITS,
    SERVES,
    Rig,
    unheard,
)
from tests.support.wait import until

pytestmark = EACH_TARGET


# --- create -------------------------------------------------------------------------------------------------


def test_the_contract_runs_on_what_is_registered(rig: Rig, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["rig"]
    registered = TARGETS[name](NOBODY, 1.0, unheard)
    assert type(registered) is type(rig.target)


def test_the_engine_tells_its_facts(rig: Rig) -> None:
    facts = rig.target.engine()
    assert facts["id"]
    assert facts["cpus"] >= 1
    assert facts["memory_bytes"] > 64 * MIB
    assert {type(facts[name]) for name in ("swap_limit", "pids_limit")} == {bool}


def test_a_created_container_does_not_run_and_shows_what_it_was_made_with(rig: Rig) -> None:
    container = rig.create("web", Env=["A=1"], Labels={"confd.app": "web"}, StopSignal="SIGTERM")
    seen = rig.target.inspect(container)
    assert (seen["Id"], seen["Name"], seen["Image"]) == (container, "/web", rig.target.image_id(IMAGE))
    config = seen["Config"]
    assert (config["Env"], config["Labels"], config["Cmd"]) == (["A=1"], {"confd.app": "web"}, SERVES)
    assert (config["Image"], config["StopSignal"], config["Hostname"]) == (IMAGE, "SIGTERM", container[:12])
    state = seen["State"]
    assert (state["Status"], state["Running"], state["Restarting"]) == ("created", False, False)
    assert (state["Pid"], state["ExitCode"], seen["RestartCount"]) == (0, 0, 0)
    assert state["StartedAt"] == state["FinishedAt"] == "0001-01-01T00:00:00Z"
    assert seen["Created"] > "2020"


def test_what_was_not_asked_for_is_the_engine_s_default(rig: Rig) -> None:
    seen = rig.target.inspect(rig.create("web"))
    host, config = seen["HostConfig"], seen["Config"]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"], host["PidsLimit"]) == (0, 0, 0, None)
    assert (host["NetworkMode"], host["RestartPolicy"]["Name"], host["AutoRemove"]) == ("default", "", False)
    assert (config["Env"], config["Labels"], config["Entrypoint"]) == (None, {}, None)
    assert (list(seen["NetworkSettings"]["Networks"]), seen["Mounts"]) == (["bridge"], [])


def test_a_memory_limit_comes_with_twice_as_much_swap(rig: Rig) -> None:
    host = rig.host(rig.create("web", host={"Memory": 64 * MIB}))
    assert (host["Memory"], host["MemorySwap"]) == (64 * MIB, 128 * MIB)


@pytest.mark.parametrize(
    ("name", "more"),
    [
        pytest.param("taken", {}, id="a-name-in-use"),
        pytest.param("a name", {}, id="a-name-outside-the-grammar"),
        pytest.param("web", {"Image": "no-such-image:1"}, id="an-unknown-image"),
        pytest.param("web", {"command": None}, id="no-command"),
        pytest.param("web", {"host": {"Memory": 1024}}, id="too-little-memory"),
        pytest.param("web", {"host": {"RestartPolicy": {"Name": "sometimes"}}}, id="an-unknown-policy"),
        pytest.param("web", {"host": {"RestartPolicy": ALWAYS, "AutoRemove": True}}, id="rm-with-a-policy"),
        pytest.param("web", {"host": {"Binds": ["relative"]}}, id="a-bind-without-a-path"),
        pytest.param("web", {"networks": {"bridge": {"Aliases": ["x"]}}}, id="an-alias-on-the-bridge"),
    ],
)
def test_a_create_that_is_refused_leaves_no_container_behind(rig: Rig, name: str, more: dict[str, Any]) -> None:
    taken = rig.create("taken")
    with pytest.raises(EngineRefused):
        rig.create(name, **more)
    assert [one["Id"] for one in rig.target.containers("")] == [taken]


def test_the_ids_are_those_of_all_containers(rig: Rig) -> None:
    one, two = rig.create("one"), rig.create("two")
    rig.target.start(one)
    assert set(rig.target.ids()) == {one, two}
    assert rig.target.ids(one) == [two]
    rig.target.remove(two)
    with pytest.raises(ContainerGone):
        rig.target.ids(two)


def test_an_image_is_known_by_its_name_and_its_id(rig: Rig) -> None:
    image = rig.target.image_id(IMAGE)
    assert image is not None
    assert rig.target.image_id(image) == image
    assert rig.target.image_id("no-such-image:1") is None
    assert rig.target.image_config(image) == rig.target.image_config(IMAGE)
    assert rig.target.image_config("no-such-image:1") == {}
    seen = rig.target.inspect(rig.create("web", Image=image))
    assert seen["Image"] == seen["Config"]["Image"] == image


def test_networks_are_connected_with_their_aliases_and_the_short_id(rig: Rig) -> None:
    rig.made.make_network("front")
    container = rig.create("web", networks={"front": {"Aliases": ["api"]}})
    networks = rig.target.inspect(container)["NetworkSettings"]["Networks"]
    assert sorted(networks) == ["bridge", "front"]
    assert sorted(networks["front"]["Aliases"]) == sorted(["api", container[:12]])
    rig.target.start(container)
    networks = rig.target.inspect(container)["NetworkSettings"]["Networks"]
    assert networks["front"]["NetworkID"] != networks["bridge"]["NetworkID"] != ""


def test_the_network_of_a_create_takes_the_place_of_the_bridge(rig: Rig) -> None:
    rig.made.make_network("front")
    endpoints = {"EndpointsConfig": {"front": {"Aliases": ["api"]}}}
    container = rig.create("web", host={"NetworkMode": "front"}, NetworkingConfig=endpoints)
    rig.target.start(container)
    networks = rig.target.inspect(container)["NetworkSettings"]["Networks"]
    assert list(networks) == ["front"]
    assert sorted(networks["front"]["Aliases"]) == sorted(["api", container[:12]])


def test_a_network_that_is_not_there_is_refused_by_the_start(rig: Rig) -> None:
    container = rig.create("web", networks={"nowhere": {}})
    with pytest.raises(EngineRefused, match="nowhere"):
        rig.target.start(container)
    assert not rig.state(container)["Running"]


def test_mounts_show_what_is_mounted_where(rig: Rig) -> None:
    host = {
        "Binds": ["/tmp:/host:ro", "named:/named"],
        "Mounts": [{"Type": "volume", "Source": "other", "Target": "/other", "ReadOnly": True}],
    }
    container = rig.create("web", host=host, Volumes={"/data": {}, "/named": {}})
    seen = {mount["Destination"]: mount for mount in rig.target.inspect(container)["Mounts"]}
    assert {(at, mount["Type"], mount["RW"]) for at, mount in seen.items()} == {
        ("/host", "bind", False),
        ("/named", "volume", True),
        ("/other", "volume", False),
        ("/data", "volume", True),
    }
    assert (seen["/host"]["Source"], seen["/named"]["Name"], seen["/other"]["Name"]) == ("/tmp", "named", "other")
    assert len(seen["/data"]["Name"]) == 64


# --- inspect ------------------------------------------------------------------------------------------------


def test_a_container_is_found_by_id_short_id_and_name(rig: Rig) -> None:
    container = rig.create("web")
    for known_as in (container, container[:12], "web", "/web"):
        assert rig.target.inspect(known_as)["Id"] == container


def test_containers_are_chosen_by_label_whether_they_run_or_not(rig: Rig) -> None:
    web = rig.create("web", Labels={"confd.app": "web"})
    shop = rig.run("shop", Labels={"confd.app": "shop"})
    other = rig.create("other")

    def chosen(label: str) -> set[str]:
        return {str(one["Id"]) for one in rig.target.containers(label)}

    assert chosen("confd.app") == {web, shop}
    assert chosen("confd.app=web") == {web}
    assert chosen("confd.nothing") == set()
    assert chosen("") == {web, shop, other}


def test_an_inspect_is_a_copy(rig: Rig) -> None:
    container = rig.create("web", Labels={"a": "1"})
    first: Inspect = rig.target.inspect(container)
    first["Config"]["Labels"]["a"] = "2"
    assert rig.target.inspect(container)["Config"]["Labels"] == {"a": "1"}


# --- start, stop, restart -----------------------------------------------------------------------------------


def test_a_started_container_runs_until_it_is_stopped(rig: Rig) -> None:
    container = rig.run("web")
    state = rig.state(container)
    assert (state["Status"], state["Running"], state["Restarting"]) == ("running", True, False)
    assert state["Pid"] > 0
    rig.target.stop(container, 10)
    ended = rig.state(container)
    assert (ended["Status"], ended["Running"], ended["ExitCode"], ended["Pid"]) == ("exited", False, 0, 0)
    assert ended["StartedAt"] == state["StartedAt"] < ended["FinishedAt"]


def test_starting_what_runs_changes_nothing(rig: Rig) -> None:
    container = rig.run("web")
    before = rig.state(container)
    rig.target.start(container)
    assert rig.state(container) == before


def test_stopping_what_does_not_run_changes_nothing(rig: Rig) -> None:
    container = rig.create("web")
    rig.target.stop(container, 0)
    assert rig.state(container)["Status"] == "created"


def test_the_container_s_own_signal_stops_it(rig: Rig) -> None:
    container = rig.run("web", QUITS, StopSignal="SIGQUIT", StopTimeout=20)
    rig.target.stop(container, None)
    assert rig.state(container)["ExitCode"] == 7


def test_a_program_that_does_not_heed_the_stop_is_killed(rig: Rig) -> None:
    container = rig.run("web", DEAF)
    rig.target.stop(container, 0)
    assert rig.state(container)["ExitCode"] == 137


def test_a_program_that_ends_by_itself_leaves_its_code_and_its_output(rig: Rig) -> None:
    container = rig.create("web", FAILS)
    rig.target.start(container)
    ended = rig.ends(container)
    assert (ended["Status"], ended["ExitCode"], ended["Restarting"]) == ("exited", 3, False)
    assert rig.target.logs(container, 10) == "one\ntwo\n"
    assert rig.target.logs(container, 1) == "two\n"
    assert rig.target.logs(container, 0) == ""


def test_a_program_that_is_not_there_is_refused_by_the_start(rig: Rig) -> None:
    container = rig.create("web", MISSING)
    with pytest.raises(EngineRefused, match="not found"):
        rig.target.start(container)
    state = rig.state(container)
    assert (state["Running"], state["ExitCode"]) == (False, 127)


def test_a_restart_is_a_new_process_in_the_same_container(rig: Rig) -> None:
    container = rig.run("web")
    before = rig.state(container)
    rig.target.restart(container, 10)
    after = rig.target.inspect("web")
    assert (after["Id"], after["RestartCount"], after["State"]["Running"]) == (container, 0, True)
    assert after["State"]["Pid"] != before["Pid"]
    assert after["State"]["StartedAt"] > before["StartedAt"]


def test_a_restart_starts_what_does_not_run(rig: Rig) -> None:
    container = rig.create("web")
    rig.target.restart(container, None)
    assert rig.state(container)["Running"]


def test_one_that_removes_itself_is_gone_after_its_stop(rig: Rig) -> None:
    container = rig.run("web", host={"AutoRemove": True})
    rig.target.stop(container, 10)
    until(lambda: not rig.target.containers(""), 10)
    with pytest.raises(ContainerGone):
        rig.target.inspect(container)


# --- update -------------------------------------------------------------------------------------------------


def test_limits_change_in_the_same_process(rig: Rig) -> None:
    container = rig.run("web")
    before = rig.state(container)
    fields = {"Memory": 64 * MIB, "MemorySwap": 128 * MIB, "CpuShares": 512, "NanoCpus": 10**9, "PidsLimit": 50}
    rig.target.update(container, fields)
    assert {name: rig.host(container)[name] for name in fields} == fields
    assert rig.state(container) == before


def test_limits_and_policy_of_a_stopped_container_change_too(rig: Rig) -> None:
    container = rig.create("web")
    rig.target.update(container, {"Memory": 64 * MIB, "MemorySwap": -1, "RestartPolicy": ALWAYS})
    host = rig.host(container)
    assert (host["Memory"], host["MemorySwap"], host["RestartPolicy"]) == (64 * MIB, -1, ALWAYS)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"Memory": 1024}, id="too-little-memory"),
        pytest.param({"Memory": 512 * MIB}, id="memory-above-its-swap"),
        pytest.param({"NanoCpus": 10**14}, id="more-cpus-than-there-are"),
        pytest.param({"CpuQuota": 50_000}, id="quota-beside-cpus"),
        pytest.param({"RestartPolicy": {"Name": "sometimes"}}, id="an-unknown-policy"),
        pytest.param({"RestartPolicy": {**ALWAYS, "MaximumRetryCount": 3}}, id="a-maximum-for-always"),
    ],
)
def test_an_update_that_is_refused_changes_nothing(rig: Rig, fields: dict[str, Any]) -> None:
    limits = {"Memory": 64 * MIB, "MemorySwap": 128 * MIB, "NanoCpus": 10**9}
    container = rig.run("web", host=limits)
    with pytest.raises(EngineRefused):
        rig.target.update(container, {"CpuShares": 512, **fields})
    host = rig.host(container)
    assert {name: host[name] for name in limits} == limits
    assert (host["CpuShares"], host["RestartPolicy"]["Name"]) == (0, "")


def test_what_no_update_knows_is_passed_over_in_silence(rig: Rig) -> None:
    container = rig.create("web", host={"Memory": 64 * MIB})
    rig.target.update(container, {"ReadonlyRootfs": True, "Memory": 0})
    assert (rig.host(container)["ReadonlyRootfs"], rig.host(container)["Memory"]) == (False, 64 * MIB)


# --- rename and remove --------------------------------------------------------------------------------------


def test_a_renamed_container_has_its_new_name_alone(rig: Rig) -> None:
    container = rig.run("web")
    rig.target.rename(container, "web-old")
    assert rig.target.inspect("web-old")["Id"] == container
    assert rig.target.inspect(container)["Name"] == "/web-old"
    with pytest.raises(ContainerGone):
        rig.target.inspect("web")
    rig.create("web")


@pytest.mark.parametrize("name", ["taken", "web", "a name", ""])
def test_a_name_that_cannot_be_had_is_refused(rig: Rig, name: str) -> None:
    container = rig.create("web")
    rig.create("taken")
    with pytest.raises(EngineRefused):
        rig.target.rename(container, name)
    assert rig.target.inspect("web")["Id"] == container


def test_only_a_stopped_container_is_removed_and_its_volumes_stay(rig: Rig) -> None:
    container = rig.run("web", Volumes={"/data": {}})
    volumes = {mount["Name"] for mount in rig.target.inspect(container)["Mounts"]}
    with pytest.raises(EngineRefused):
        rig.target.remove(container)
    rig.target.stop(container, 0)
    rig.target.remove(container)
    with pytest.raises(ContainerGone):
        rig.target.inspect(container)
    assert len(volumes) == 1
    assert volumes <= rig.made.volumes()


# --- exec ---------------------------------------------------------------------------------------------------


def test_a_command_inside_gives_its_code_and_output(rig: Rig) -> None:
    container = rig.run("web")
    assert rig.target.execute(container, ["echo", "hi"], 10) == (0, "hi\n")
    assert rig.target.execute(container, ["test", "-e", "/nothing"], 10) == (1, "")
    code, output = rig.target.execute(container, MISSING, 10)
    assert code in (126, 127)
    assert "not found" in output


def test_a_command_that_takes_too_long_is_a_failure_and_ends(rig: Rig) -> None:
    container = rig.run("web")
    with pytest.raises(CommandFailed, match=r"sleep took longer than 0\.2 s"):
        rig.target.execute(container, ["sleep", "987654"], 0.2)
    assert rig.state(container)["Running"]


def test_a_command_needs_words_and_a_process_to_run_beside(rig: Rig) -> None:
    container = rig.run("web")
    with pytest.raises(EngineRefused):
        rig.target.execute(container, [], 10)
    rig.target.stop(container, 0)
    with pytest.raises(EngineRefused):
        rig.target.execute(container, ["echo", "hi"], 10)


# --- stats --------------------------------------------------------------------------------------------------


def test_what_uses_something_tells_it_and_what_does_not_run_tells_nothing(rig: Rig) -> None:
    container = rig.run("web")
    assert rig.target.stats(container)["pids_stats"]["current"] >= 1
    rig.target.stop(container, 0)
    assert rig.target.stats(container) == {}
    rig.target.remove(container)
    with pytest.raises(ContainerGone):
        rig.target.stats(container)
