"""A setting that refers to another container: its dependents follow where that one goes, and nobody else."""

from __future__ import annotations

from tests.support.engine import EngineProcess
from tests.support.programs import Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']


def _address(engine: EngineProcess, name: str) -> str:
    networks = engine.inspect(name)["NetworkSettings"]["Networks"]
    return str(networks["bridge"]["IPAddress"])


def _details(confd: Confd, app: str) -> str:
    return "; ".join(str(one["detail"]) for one in confd.status(app))


def _port(engine: EngineProcess, name: str, port: str) -> str:
    return str(engine.inspect(name)["NetworkSettings"]["Ports"][port][0]["HostPort"])


def test_a_new_address_and_a_new_port_reach_exactly_the_dependents(confd: Confd, engine: EngineProcess) -> None:
    published = {"PortBindings": {"80/tcp": [{"HostPort": ""}]}}
    engine.run("disco-db", SERVE, host=published, ExposedPorts={"80/tcp": {}})
    engine.run("disco", SERVE, labels={"confd.app": "disco"})
    engine.run("aside", SERVE, labels={"confd.app": "aside"})
    confd.ctl("set", "aside", "DB=elsewhere", "-e", "dev", "--wait", "30s")
    confd.ctl(
        "set",
        "disco",
        "DB=tcp://${@disco-db:address}:5432",
        "PORT=${@disco-db:port/80}",
        "-e",
        "dev",
        "--wait",
        "30s",
    )
    assert engine.has("disco", "DB", f"tcp://{_address(engine, 'disco-db')}:5432")
    assert engine.has("disco", "PORT", _port(engine, "disco-db", "80/tcp"))
    assert confd.status("disco")[0]["state"] == "in-sync"
    assert confd.json("plan", "disco", "-e", "dev")["containers"][0]["steps"] == []
    before, aside = engine.inspect("disco")["Id"], engine.inspect("aside")["Id"]
    was = _address(engine, "disco-db")
    engine.client.remove_container("disco-db", force=True)
    until(lambda: "refers to disco-db:address" in confd.status("disco")[0]["detail"], 20)
    assert (confd.status("disco")[0]["state"], engine.inspect("disco")["Id"]) == ("blocked", before)
    engine.run("taker", SERVE)  # it has the address now
    engine.run("disco-db", SERVE, host=published, ExposedPorts={"80/tcp": {}})
    now = _address(engine, "disco-db")
    assert now != was
    until(
        lambda: (
            engine.names() == ["aside", "disco", "disco-db", "taker"]
            and engine.has("disco", "DB", f"tcp://{now}:5432")
        ),
        20,
    )
    until(lambda: confd.status("disco")[0]["state"] == "in-sync", 20)
    assert engine.has("disco", "PORT", _port(engine, "disco-db", "80/tcp"))
    assert engine.inspect("aside")["Id"] == aside


def test_a_first_start_leaves_out_what_is_not_there_and_a_slip_is_refused(
    confd: Confd, engine: EngineProcess
) -> None:
    confd.ctl("set", "early", "DB=${@late:address}", "A=1", "-e", "dev")
    engine.run("early", SERVE, labels={"confd.app": "early"})
    until(lambda: _details(confd, "early").startswith("left out: DB refers to late:address"), 20)
    engine.run("late", SERVE)
    until(lambda: engine.has("early", "DB", _address(engine, "late")), 20)
    said = confd.words("set", "early", "DB=${@late:adress}", "-e", "dev", expect=65)
    assert "${@late:adress} is no reference to a container" in said
