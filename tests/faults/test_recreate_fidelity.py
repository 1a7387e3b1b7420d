"""A recreate on a real engine loses nothing that the container had, and makes nothing permanent that was found."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.types import IPAMConfig, IPAMPool

from confd.actions import recreate
from confd.actions import signal as signal_action
from confd.actions.fidelity import Wanted
from confd.actions.gate import Gate
from confd.actions.swap import Swap
from confd.clock import SystemClock
from confd.errors import EngineRefused, NotReady, StartFailed
from confd.options import OPTIONS, observed_options
from confd.targets.docker import DockerTarget
from tests.support.engine import IMAGE, EngineProcess
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.1; done']


@pytest.fixture
def target(engine: EngineProcess) -> Iterator[DockerTarget]:
    made = DockerTarget(engine.docker_host)
    yield made
    made.close()


def _recreate(target: DockerTarget, name: str, image: str = IMAGE, **options: str) -> dict[str, Any]:
    """Recreate with one more variable; the new container's inspect."""
    old = target.inspect(name)
    variables = dict(item.split("=", 1) for item in old["Config"]["Env"] or ())
    wanted = Wanted(image, {**variables, "ADDED": "1"}, {**observed_options(old), **options})
    swap = Swap(gate=Gate(0.2))
    new = recreate.apply(target, old, wanted, swap, SystemClock())
    return dict(target.inspect(new))


def _network(engine: EngineProcess, name: str, third: int) -> None:
    pool = IPAMConfig(pool_configs=[IPAMPool(subnet=f"172.30.{third}.0/24")])
    engine.client.create_network(name, ipam=pool)


def test_networks_aliases_and_a_static_address_are_carried_b66_b68(
    engine: EngineProcess, target: DockerTarget
) -> None:
    _network(engine, "front", 1)
    _network(engine, "back", 2)
    endpoint = {"EndpointsConfig": {"front": {"Aliases": ["web"]}}}
    old = engine.run("app", SERVE, host={"NetworkMode": "front"}, NetworkingConfig=endpoint)
    engine.client.connect_container_to_network(old, "back", aliases=["api"], ipv4_address="172.30.2.9")
    new = _recreate(target, "app")
    networks = new["NetworkSettings"]["Networks"]
    assert set(networks) == {"front", "back"}
    assert networks["back"]["IPAddress"] == networks["back"]["IPAMConfig"]["IPv4Address"] == "172.30.2.9"
    assert "web" in networks["front"]["Aliases"]
    assert "api" in networks["back"]["Aliases"]
    assert old[:12] not in networks["front"]["Aliases"] + networks["back"]["Aliases"]


def test_all_networks_are_connected_before_the_start_b66(engine: EngineProcess, target: DockerTarget) -> None:
    for third, name in enumerate(("front", "middle", "back"), 1):
        _network(engine, name, third)
    count = ["sh", "-c", f"n=0; for one in /sys/class/net/eth*; do n=$((n+1)); done; echo $n networks; {SERVE[2]}"]
    old = engine.run("app", count, host={"NetworkMode": "front"})
    for name in ("middle", "back"):
        engine.client.connect_container_to_network(old, name)
    new = _recreate(target, "app")
    assert set(new["NetworkSettings"]["Networks"]) == {"front", "middle", "back"}
    until(lambda: "networks" in target.logs(new["Id"], 5), 10)
    assert target.logs(new["Id"], 5) == "3 networks\n"


class _Taking:
    """Once the old container is stopped, another takes its address; with `gone` it goes with the new one."""

    def __init__(self, target: DockerTarget, engine: EngineProcess, *, gone: bool) -> None:
        self._target, self._engine, self._gone = target, engine, gone

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)

    def stop(self, container: str, timeout_s: float | None) -> None:
        self._target.stop(container, timeout_s)
        if "thief" not in self._engine.names():
            endpoint = {"EndpointsConfig": {"back": {"IPAMConfig": {"IPv4Address": "172.30.2.9"}}}}
            self._engine.run("thief", SERVE, host={"NetworkMode": "back"}, NetworkingConfig=endpoint)

    def remove(self, container: str) -> None:
        self._target.remove(container)
        if self._gone:
            self._engine.remove("thief")


def _fixed(engine: EngineProcess) -> str:
    _network(engine, "back", 2)
    endpoint = {"EndpointsConfig": {"back": {"IPAMConfig": {"IPv4Address": "172.30.2.9"}}}}
    return engine.run("app", SERVE, host={"NetworkMode": "back"}, NetworkingConfig=endpoint)


def test_a_fixed_address_is_kept_while_others_take_free_ones_b68(
    engine: EngineProcess, target: DockerTarget
) -> None:
    _fixed(engine)
    for number in range(8):  # they take what is free, from the lowest
        engine.run(f"other-{number}", SERVE, host={"NetworkMode": "back"})
    assert _recreate(target, "app")["NetworkSettings"]["Networks"]["back"]["IPAddress"] == "172.30.2.9"


def test_when_another_took_the_fixed_address_the_old_container_is_back_b68(
    engine: EngineProcess, target: DockerTarget
) -> None:
    old = _fixed(engine)
    taking: Any = _Taking(target, engine, gone=True)
    with pytest.raises(StartFailed, match=r"in use.*the old container is back"):
        _recreate(taking, "app")
    now = target.inspect("app")
    assert (now["Id"], now["State"]["Running"], engine.names()) == (old, True, ["app"])
    assert now["NetworkSettings"]["Networks"]["back"]["IPAddress"] == "172.30.2.9"


def test_an_address_that_stays_taken_is_an_error_and_the_old_container_is_kept_b68(
    engine: EngineProcess, target: DockerTarget
) -> None:
    old = _fixed(engine)
    taking: Any = _Taking(target, engine, gone=False)
    with pytest.raises(EngineRefused, match="in use"):
        _recreate(taking, "app")
    assert (target.inspect("app")["Id"], engine.names()) == (old, ["app", "thief"])


def test_generated_macs_differ_and_one_that_was_set_is_kept_b69(
    engine: EngineProcess, target: DockerTarget
) -> None:
    _network(engine, "front", 1)
    for name in ("one", "two"):
        engine.run(name, SERVE, host={"NetworkMode": "front"})
    engine.run("own", SERVE, host={"NetworkMode": "front"}, MacAddress="02:42:ac:1e:01:63")
    made = [_recreate(target, name) for name in ("one", "two", "own")]
    macs = [new["NetworkSettings"]["Networks"]["front"]["MacAddress"] for new in made]
    assert [bool(new["Config"].get("MacAddress")) for new in made] == [False, False, True]
    assert (len(set(macs)), macs[2]) == (3, "02:42:ac:1e:01:63")


def test_a_generated_address_and_port_are_not_made_permanent_b64_b69(
    engine: EngineProcess, target: DockerTarget
) -> None:
    ports = {"80/tcp": [{"HostIp": "", "HostPort": ""}]}
    old = engine.run("app", SERVE, host={"PortBindings": ports}, ExposedPorts={"80/tcp": {}})
    new = _recreate(target, "app")
    assert new["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] in ("", "0")
    assert not new["Config"].get("MacAddress")
    assert new["NetworkSettings"]["Ports"]["80/tcp"][0]["HostPort"]
    assert new["Config"]["Hostname"] == new["Id"][:12] != old[:12]


def test_a_container_in_another_s_network_is_recreated_b71(engine: EngineProcess, target: DockerTarget) -> None:
    vpn = engine.run("vpn", SERVE)
    engine.run("app", SERVE, host={"NetworkMode": f"container:{vpn}"})
    now = _recreate(target, "app")
    assert (now["State"]["Running"], now["HostConfig"]["NetworkMode"]) == (True, f"container:{vpn}")


def test_an_anonymous_volume_keeps_its_data_b74(engine: EngineProcess, target: DockerTarget) -> None:
    write = ["sh", "-c", "[ -e /data/f ] || echo kept > /data/f; " + SERVE[2]]
    engine.run("app", write, Volumes={"/data": {}})
    before = target.inspect("app")["Mounts"][0]["Name"]
    new = _recreate(target, "app")
    assert [mount["Name"] for mount in new["Mounts"]] == [before]
    assert target.execute("app", ["cat", "/data/f"], 5)[1].strip() == "kept"
    assert [mount["Name"] for mount in _recreate(target, "app")["Mounts"]] == [before]


def test_entrypoint_and_command_are_carried_as_they_were_b75(engine: EngineProcess, target: DockerTarget) -> None:
    engine.run("app", SERVE[1:], Entrypoint=["sh"])
    new = _recreate(target, "app")
    assert (new["Config"]["Entrypoint"], new["Config"]["Cmd"]) == (["sh"], SERVE[1:])


def test_a_command_that_is_the_image_s_stays_beside_another_entrypoint_b75(
    engine: EngineProcess, target: DockerTarget
) -> None:
    words = SERVE[1:]
    image = engine.make_image("words", 'ENTRYPOINT ["cat"]', f"CMD {json.dumps(words)}")
    for name, more in (("both", {}), ("own", {"Entrypoint": ["sh"]})):
        body = {"Image": image, **more, "Cmd": words}
        engine.client.post(f"http+docker://localhost/v1.41/containers/create?name={name}", json=body)
    engine.client.start("own")
    new = _recreate(target, "own", image=image)
    assert (new["Config"]["Entrypoint"], new["Config"]["Cmd"]) == (["sh"], words)
    assert new["State"]["Running"]
    never = _recreate(target, "both", image=image)  # it was not running, so its successor is not
    assert (never["Config"]["Entrypoint"], never["Config"]["Cmd"]) == (["cat"], words)


def test_the_container_s_own_stop_signal_ends_it_b77(engine: EngineProcess, target: DockerTarget) -> None:
    quits = ["sh", "-c", 'trap "echo quit > /data/quit; exit 0" QUIT; while :; do sleep 0.1; done']
    engine.run("app", quits, Volumes={"/data": {}}, StopSignal="SIGQUIT", StopTimeout=30)
    new = _recreate(target, "app")
    assert (new["Config"]["StopSignal"], new["Config"]["StopTimeout"]) == ("SIGQUIT", 30)
    assert target.execute("app", ["cat", "/data/quit"], 5)[1].strip() == "quit"


def test_a_slow_end_has_the_container_s_own_time_b77(engine: EngineProcess, target: DockerTarget) -> None:
    """Twelve seconds: longer than the engine gives by itself."""
    quits = ["sh", "-c", 'trap "sleep 12; exit 0" QUIT; echo ready; while :; do sleep 0.1; done']
    old = engine.run("app", quits, StopSignal="SIGQUIT", StopTimeout=60)
    until(lambda: "ready" in target.logs("app", 5), 10)
    began = int(time.time())
    _recreate(target, "app")
    ends = engine.client.events(
        decode=True, since=began, until=int(time.time()) + 1, filters={"event": ["die"], "container": [old]}
    )
    assert [event["Actor"]["Attributes"]["exitCode"] for event in ends] == ["0"]
    assert time.time() - began > 12


def test_a_name_a_port_or_an_image_that_cannot_be_had_leaves_the_old_container_b78(
    engine: EngineProcess, target: DockerTarget
) -> None:
    old = engine.run("app", SERVE)
    asides = ["app.confd-old", f"app.confd-old-{old[:12]}"]  # the names that the old one is put aside under
    for name in asides:
        engine.run(name, SERVE)
    with pytest.raises(EngineRefused, match="in use"):
        _recreate(target, "app")
    for name in asides:
        engine.remove(name)
    assert (target.inspect("app")["Id"], engine.names(running=True)) == (old, ["app"])
    with pytest.raises(EngineRefused, match=r"[Nn]o such image"):
        _recreate(target, "app", image="confd-test:none")
    ports = {"80/tcp": [{"HostIp": "", "HostPort": "8099"}]}
    engine.run("holder", SERVE, host={"PortBindings": ports}, ExposedPorts={"80/tcp": {}})
    with pytest.raises(StartFailed, match=r"already.*the old container is back"):
        _recreate(target, "app", publish=OPTIONS["publish"].parse("8099:80/tcp"))
    now = target.inspect("app")
    assert (now["Id"], now["State"]["Running"], engine.names()) == (old, True, ["app", "holder"])


def test_what_create_refuses_is_found_before_anything_is_stopped(
    engine: EngineProcess, target: DockerTarget
) -> None:
    old = engine.run("app", SERVE)
    started = target.inspect(old)["State"]["StartedAt"]
    with pytest.raises(EngineRefused):
        _recreate(target, "app", **{"log-driver": '"no-such-driver"'})
    assert target.inspect("app")["State"]["StartedAt"] == started
    assert engine.names() == ["app"]


def test_a_command_that_cannot_start_leaves_the_old_container_b78(
    engine: EngineProcess, target: DockerTarget
) -> None:
    old = engine.run("app", SERVE)
    with pytest.raises(StartFailed, match="the old container is back"):
        _recreate(target, "app", command='["no-such-program"]')
    assert (target.inspect("app")["Id"], target.inspect("app")["State"]["Running"]) == (old, True)


def test_a_reload_signal_leaves_the_restart_policy_alive_b81(engine: EngineProcess, target: DockerTarget) -> None:
    reload = ["sh", "-c", 'trap "echo hup" HUP; ' + SERVE[2]]
    engine.run("app", reload, host={"RestartPolicy": {"Name": "always"}})
    pid = target.inspect("app")["State"]["Pid"]
    signal_action.apply(target, target.inspect("app"), "HUP")
    until(lambda: "hup" in target.logs("app", 5), 10)
    os.kill(pid, signal.SIGKILL)
    until(lambda: target.inspect("app")["RestartCount"] == 1 and target.inspect("app")["State"]["Running"], 20)


def test_a_process_that_does_not_catch_the_signal_is_not_sent_it_b118(
    engine: EngineProcess, target: DockerTarget
) -> None:
    engine.run("app", SERVE)
    with pytest.raises(NotReady, match="does not catch SIGHUP"):
        signal_action.apply(target, target.inspect("app"), "HUP")
    assert target.inspect("app")["State"]["Running"]


@pytest.mark.parametrize(
    ("policy", "more"),
    [
        pytest.param("always", {"StopSignal": "SIGTERM"}, id="by the engine"),
        pytest.param("always", {}, id="inside"),
        pytest.param("unless-stopped", {"StopSignal": "SIGTERM"}, id="inside, for unless-stopped"),
    ],
)
def test_a_signal_without_a_shared_pid_namespace_leaves_the_restart_policy_alive_b81(
    engine: EngineProcess, target: DockerTarget, tmp_path: Path, policy: str, more: dict[str, str]
) -> None:
    reload = ["sh", "-c", 'trap "echo hup" HUP; ' + SERVE[2]]
    engine.run("app", reload, host={"RestartPolicy": {"Name": policy}}, **more)
    pid = target.inspect("app")["State"]["Pid"]
    signal_action.apply(target, target.inspect("app"), "HUP", proc=tmp_path)
    until(lambda: "hup" in target.logs("app", 5), 10)
    os.kill(pid, signal.SIGKILL)
    until(lambda: target.inspect("app")["RestartCount"] == 1 and target.inspect("app")["State"]["Running"], 20)


def test_a_strangers_container_in_the_way_is_kept_and_named(engine: EngineProcess, target: DockerTarget) -> None:
    old = engine.run("app", SERVE)
    stranger = engine.run("app.confd-next", SERVE)
    engine.client.stop(stranger, timeout=0)
    wanted = Wanted(IMAGE, {"A": "1"}, observed_options(engine.inspect(old)), labels={"confd.replaces": old})
    with pytest.raises(EngineRefused, match=r"app\.confd-next is none of ours"):
        recreate.apply(target, target.inspect(old), wanted, Swap(gate=Gate(1)), SystemClock())
    assert engine.names() == ["app", "app.confd-next"]
    assert engine.inspect("app")["State"]["Running"]


def test_a_stranger_by_the_name_under_which_the_old_one_waits_is_no_hindrance(
    engine: EngineProcess, target: DockerTarget
) -> None:
    old, stranger = engine.run("app", SERVE), engine.run("app.confd-old", SERVE)
    wanted = Wanted(IMAGE, {"A": "1"}, observed_options(engine.inspect(old)), labels={"confd.replaces": old})
    recreate.apply(target, target.inspect(old), wanted, Swap(gate=Gate(1)), SystemClock())
    assert engine.has("app", "A", "1")
    assert (engine.names(), engine.inspect("app.confd-old")["Id"]) == (["app", "app.confd-old"], stranger)


class Meddled(SystemClock):
    """While a new container is watched, somebody else takes it away and makes one of its name."""

    def __init__(self, engine: EngineProcess) -> None:
        super().__init__()
        self.engine, self.made = engine, ""

    def wait(self, event: threading.Event, timeout_s: float | None) -> bool:
        if not self.made:
            self.engine.remove("app")
            self.made = self.engine.run("app", SERVE)
        return super().wait(event, timeout_s)


def test_where_somebody_else_takes_the_name_in_mid_swap_both_are_kept(
    engine: EngineProcess, target: DockerTarget
) -> None:
    old, clock = engine.run("app", SERVE), Meddled(engine)
    wanted = Wanted(IMAGE, {"A": "1"}, observed_options(engine.inspect(old)), labels={"confd.replaces": old})
    with pytest.raises(EngineRefused, match=r"somebody else made a container app meanwhile.* as app\.confd-old"):
        recreate.apply(target, target.inspect(old), wanted, Swap(gate=Gate(1)), clock)
    assert engine.inspect("app")["Id"] == clock.made
    assert engine.inspect("app.confd-old")["Id"] == old
    assert engine.names(running=True) == ["app"]
