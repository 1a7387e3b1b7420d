"""Compose files: the variables and run options of a service, what is left out and told of, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from confd.errors import Invalid, Malformed
from confd.firststart import Due, Taken, compose_override
from confd.formats import composefile, yamlfile
from confd.keys import App, Env
from confd.options import OPTIONS

CASES = Path(__file__).parents[2] / "data" / "cases"
TEXT = (CASES / "compose.yaml").read_text("utf-8")
EXPECTED = json.loads((CASES / "compose.yaml.expected.json").read_text("utf-8"))["services"]


def variables(taken: Taken) -> dict[str, Any]:
    return {key: value for key, value in taken.settings.items() if not key.startswith("run/")}


def options(taken: Taken) -> dict[str, Any]:
    """The run options by name, each as the value of its canonical text."""
    given = {key.removeprefix("run/"): value for key, value in taken.settings.items() if key.startswith("run/")}
    return {name: json.loads(OPTIONS[name].parse(value)) for name, value in given.items()}


def read(body: str) -> Taken:
    return composefile.load(f"services:\n  web: {body}\n", None)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_the_variables_of_a_service_are_what_its_container_would_have(name: str) -> None:
    taken = composefile.load(TEXT, name)
    assert variables(taken) == EXPECTED[name]["environment"]
    for left in EXPECTED[name]["not_passed"]:
        assert f"variable {left} has no value, and yours is never taken" in taken.left


def test_the_run_options_of_a_service_are_what_its_container_would_have() -> None:
    wanted, found = EXPECTED["web"]["run_options"], options(composefile.load(TEXT, "web"))
    assert found.pop("image") == EXPECTED["web"]["image"]
    ports = {
        one["container"]: [{"HostIp": one["host_ip"], "HostPort": one["host_port"]}] for one in wanted["ports"]
    }
    assert found == {
        "publish": ports,
        "cpus": wanted["nano_cpus"],
        "memory": wanted["memory_bytes"],
        "memory-reservation": wanted["memory_reservation_bytes"],
        "stop-timeout": wanted["stop_timeout_seconds"],
        "stop-signal": wanted["stop_signal"],
        "cap-add": wanted["cap_add"],
        "ulimit": {name: [one["soft"], one["hard"]] for name, one in wanted["ulimits"].items()},
        "command": wanted["command"],
    }
    assert "replicas: not taken from a Compose file" in composefile.load(TEXT, "web").left


def test_a_network_of_another_service_is_left_out_and_told_of() -> None:
    wanted, taken = EXPECTED["worker"]["run_options"], composefile.load(TEXT, "worker")
    assert options(taken) == {
        "image": EXPECTED["worker"]["image"],
        "memory": wanted["memory_bytes"],
        "cpus": wanted["nano_cpus"],
        "entrypoint": wanted["entrypoint"],
        "command": wanted["command"],
    }
    assert f"network_mode: {wanted['network_mode']} is a container that only the project knows" in taken.left


def test_which_service_must_be_said_where_there_are_several() -> None:
    with pytest.raises(Malformed, match="services web, worker; name one of them with --service"):
        composefile.load(TEXT, None)
    with pytest.raises(Malformed, match="no service 'db'; it has web, worker"):
        composefile.load(TEXT, "db")


@pytest.mark.parametrize("text", ["", "a: 1\n", "- a\n", "services: {}\n", "services: [a]\n"])
def test_a_file_without_services_is_refused(text: str) -> None:
    with pytest.raises(Malformed, match="must hold services"):
        composefile.load(text, None)


def test_a_variable_has_its_default_or_is_refused_with_its_place() -> None:
    assert read("{environment: {A: '${X:-a}', B: '$$X', C: '${X:+x}'}}").settings == {"A": "a", "B": "$X", "C": ""}
    with pytest.raises(Malformed, match=r"services/web/environment/A refers to a variable"):
        read("{environment: {A: '${X}'}}")


def test_names_that_are_no_settings_are_left_out_and_told_of() -> None:
    taken = read("{environment: [PATH=/bin, a b=1, OK=1]}")
    assert taken.settings == {"OK": "1"}
    assert taken.left == ("variable PATH: reserved", "variable a b: no key gives this name")


def test_what_has_no_run_option_is_told_of_by_name() -> None:
    taken = read("{build: ., x-own: 1, env_file: a.env, depends_on: [db], init: true}")
    assert taken.settings == {"run/init": True}
    assert taken.left == ("build, env_file, depends_on: not taken from a Compose file",)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("{network_mode: host}", {"network": "host"}),
        ("{volumes: ['/a:/b:ro']}", {"volume": ["/a:/b:ro"]}),
        ("{tmpfs: /run}", {"tmpfs": {"/run": ""}}),
        ("{tmpfs: ['/run:size=1m']}", {"tmpfs": {"/run": "size=1m"}}),
        ("{extra_hosts: ['a=1.2.3.4', 'b:::1']}", {"add-host": ["a:1.2.3.4", "b:::1"]}),
        ("{extra_hosts: {a: 1.2.3.4}}", {"add-host": ["a:1.2.3.4"]}),
        ("{labels: [team=shop, alone]}", {"label": {"alone": "", "team": "shop"}}),
        ("{labels: {n: 1}}", {"label": {"n": "1"}}),
        ("{logging: {driver: none, options: {a: b}}}", {"log-driver": "none", "log-opt": {"a": "b"}}),
        ("{ulimits: {nproc: 5}}", {"ulimit": {"nproc": [5, 5]}}),
        ("{user: 1000, restart: 'no', privileged: false}", {"user": "1000", "restart": None, "privileged": False}),
        ("{dns: 1.1.1.1, expose: [80]}", {"dns": ["1.1.1.1"], "expose": ["80/tcp"]}),
        ("{healthcheck: {test: x, retries: 3}}", {"health-cmd": "x", "health-retries": 3}),
        ("{healthcheck: {test: [CMD, x, y], interval: 1s}}", {"health-cmd": ["x", "y"], "health-interval": 10**9}),
        ("{healthcheck: {test: [CMD-SHELL, x y]}}", {"health-cmd": "x y"}),
        ("{healthcheck: {test: [NONE]}}", {"no-healthcheck": True}),
        ("{healthcheck: {disable: true}}", {"no-healthcheck": True}),
        ("{ports: [80, {target: 90, host_ip: 127.0.0.1, published: 9090}]}", None),
        ("{deploy: {resources: {limits: {pids: 5}}}}", {"pids-limit": 5}),
    ],
)  # fmt: skip
def test_run_options(body: str, found: dict[str, Any] | None) -> None:
    taken = read(body)
    assert taken.left == ()
    if found is not None:
        assert {name: value for name, value in options(taken).items() if found[name] is not None} == {
            name: value for name, value in found.items() if value is not None
        }


def test_volumes_of_the_project_are_left_out_and_told_of() -> None:
    taken = read("{volumes: [data:/x, ./a:/b, {type: bind, source: /a, target: /b}, /a:/b]}")
    assert taken.settings == {"run/volume": ["/a:/b"]}
    assert taken.left == ("volumes: 3 that are the project's own, or not in the short form",)
    assert read("{volumes: [data:/x]}").settings == {}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param("{environment: x}", "environment must be a mapping", id="environment"),
        pytest.param("{ports: 80}", "ports must be a list", id="ports"),
        pytest.param("{volumes: /a:/b}", "volumes must be a list", id="volumes"),
        pytest.param("{ulimits: 5}", "a mapping with ulimits is expected", id="ulimits"),
        pytest.param("{logging: x}", "a mapping with driver or options is expected", id="logging"),
        pytest.param("{stop_grace_period: 1500ms}", "takes whole seconds", id="half-a-second"),
        pytest.param("{mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}}", "memory twice", id="twice"),
    ],
)  # fmt: skip
def test_what_is_refused(body: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read(body)


def test_a_run_option_that_we_would_refuse_is_refused_here_already() -> None:
    with pytest.raises(Invalid, match="run/memory"):
        read("{mem_limit: 512Mi}")


def test_what_an_override_says_is_read_back() -> None:
    texts = {"memory": "268435456", "cap-add": '["NET_ADMIN"]', "ulimit": '{"nofile":[1,2]}', "health-retries": "3"}
    due = Due(App("web"), Env("dev"), {"A": "$x ${y}"}, {**texts, "stop-timeout": "90", "command": '["a","$b"]'})
    document, left = compose_override(due, "web")
    assert left == ()
    taken = composefile.load(yamlfile.written(document), "web")
    assert variables(taken) == {"A": "$x ${y}"}
    assert taken.left == ("labels confd.app, confd.env: stay with whoever starts the container",)
    found = {name: json.dumps(value, separators=(",", ":")) for name, value in options(taken).items()}
    assert found == {**texts, "stop-timeout": "90", "command": '["a","$b"]'}
