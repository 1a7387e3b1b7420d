"""What Prometheus reads of an agent and of an API that run: figures that move, and series that end."""

from __future__ import annotations

import json
import socket
import urllib.error
from pathlib import Path

import pytest

from confd import __version__
from confd.agent.usage import Meter
from confd.client import Client, HttpTransport
from confd.jsontext import Value
from confd.targets.docker import DockerTarget
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess, free_port
from tests.support.fleet import Fleet, StartFleet
from tests.support.programs import Confd
from tests.support.scraped import OPENMETRICS, Page, fetch, scrape
from tests.support.wait import until

MIB = 1024 * 1024
SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
BUSY = ["sh", "-c", 'exec 7</etc/hostname 8</etc/hostname; trap "exit 0" TERM; while :; do :; done']
SETTINGS = "/v1/apps/web/envs/dev/settings"
WEB = {"app": "web", "env": "dev", "container": "web"}


class Watched:
    """A fleet of one host whose agent shows its figures."""

    def __init__(self, start_fleet: StartFleet) -> None:
        self.port = free_port()
        self.fleet: Fleet = start_fleet("h1", flags=("--metrics-listen", f"127.0.0.1:{self.port}"))
        self.engine = self.fleet.engines["h1"]
        token = Path(self.fleet.environ["CONFD_TOKEN_FILE"]).read_text().strip()
        self.client = Client(HttpTransport(f"http://127.0.0.1:{self.fleet.port}"), token=token)

    def page(self, accept: str = "*/*") -> Page:
        return scrape(f"http://127.0.0.1:{self.port}/metrics", accept)

    def api(self) -> Page:
        return scrape(f"http://127.0.0.1:{self.fleet.port}/metrics")

    def ask(self, method: str, path: str, status: int, body: Value = None) -> None:
        """One request as a program sends it, with the token, and the answer's status."""
        assert self.client.call(method, path, body=body, accept=(status,)).status == status

    def value(self, name: str, **labels: str) -> float | None:
        return self.page().value(name, **labels)


@pytest.fixture
def watched(start_fleet: StartFleet) -> Watched:
    return Watched(start_fleet)


def test_the_figures_of_a_container_move_and_end_with_it(watched: Watched) -> None:
    watched.engine.run("web", BUSY, labels={"confd.app": "web"}, host={"Memory": 64 * MIB})
    until(lambda: (watched.value("confd_container_cpu_seconds_total", **WEB) or 0) > 0, 20)
    first = watched.page()
    assert first.number("confd_container_memory_limit_bytes", **WEB) == 64 * MIB
    assert 0 < first.number("confd_container_memory_bytes", **WEB) < 64 * MIB
    assert first.number("confd_container_pids", **WEB) == 1
    assert first.number("confd_container_open_files", **WEB) >= 5
    assert first.number("confd_container_running", **WEB) == 1
    assert first.number("confd_container_oom_kills_total", **WEB) == 0
    assert first.number("confd_container_io_read_bytes_total", **WEB) >= 0
    assert first.number("confd_container_network_receive_bytes_total", **WEB) >= 0
    assert first.number("confd_scrape_late_containers") == 0
    used = first.number("confd_container_cpu_seconds_total", **WEB)
    until(lambda: watched.page().number("confd_container_cpu_seconds_total", **WEB) > used + 0.5, 30)

    watched.engine.run("other", SERVE)  # nobody's: not among the figures
    watched.engine.remove("web")
    until(lambda: watched.value("confd_container_running", **WEB) is None, 20)
    left = watched.page()
    assert not [name for name, labels in left.series if name.startswith("confd_container_")]
    assert {"web", "other"}.isdisjoint(left.words)


def test_what_becomes_of_changes_is_counted(watched: Watched) -> None:
    app = {"app": "web", "env": "dev"}
    watched.engine.run("web", SERVE, labels={"confd.app": "web"})
    watched.fleet.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
    watched.fleet.ctl("set", "web", "run/memory=64m", "-e", "dev", "--wait", "60s")
    page = watched.page()
    assert page.number("confd_app_changes_published_total", **app) == 2
    assert page.number("confd_app_actions_total", **app, action="recreate", result="done") == 1
    assert page.number("confd_app_actions_total", **app, action="update", result="done") == 1
    assert page.number("confd_app_effect_seconds_count", **app) == 2
    assert 0 < page.number("confd_app_effect_seconds_sum", **app) < 60
    assert page.number("confd_app_containers", **app, state="in-sync") == 1
    assert page.number("confd_app_in_effect_revision", **app) >= page.number("confd_app_published_revision", **app)
    watched.fleet.ctl("set", "_default", "A=0", "-e", "dev", "--yes")  # hidden by the app's own: nothing to do
    until(lambda: watched.value("confd_app_changes_published_total", **app) == 3, 20)
    newest = watched.page().number("confd_app_published_revision", **app)
    until(lambda: (watched.value("confd_app_in_effect_revision", **app) or 0) >= newest, 20)
    assert page.number("confd_container_memory_limit_bytes", **WEB) == 64 * MIB

    watched.fleet.ctl("freeze", "web", "-e", "dev", "-m", "hands off")
    watched.fleet.ctl("set", "web", "A=2", "-e", "dev")
    until(lambda: watched.value("confd_app_blocked_containers", **app, cause="held") == 1, 20)
    assert watched.page().number("confd_app_containers", **app, state="held") == 1


def test_an_action_that_fails_is_counted_and_the_agent_goes_on_b114(watched: Watched) -> None:
    frail = ["sh", "-c", '[ -n "$BREAK" ] && exit 3; trap "exit 0" TERM; while :; do sleep 0.2; done']
    watched.engine.run("web", frail, labels={"confd.app": "web"})
    until(lambda: watched.fleet.status("web"), 20)
    watched.fleet.ctl("set", "web", "BREAK=1", "-e", "dev", "--wait", "60s", expect=3)
    page = watched.page()
    assert page.number("confd_app_actions_total", app="web", env="dev", action="recreate", result="failed") == 1
    assert page.number("confd_app_containers", app="web", env="dev", state="failed") == 1
    assert page.value("confd_app_effect_seconds_count", app="web", env="dev") is None
    watched.fleet.ctl("unset", "web", "BREAK", "-e", "dev", "--wait", "60s")
    until(lambda: watched.value("confd_app_containers", app="web", env="dev", state="in-sync") == 1, 20)


def test_the_agent_shows_how_it_follows_store_and_engine(watched: Watched, etcd: EtcdProcess) -> None:
    watched.engine.run("web", SERVE, labels={"confd.app": "web"})
    until(lambda: watched.fleet.status("web"), 20)
    until(lambda: (watched.value("confd_store_revision") or 0) > 0, 30)
    page = watched.page(OPENMETRICS)
    assert page.number("confd_watch_current") == page.number("confd_agent_active") == 1
    assert page.number("confd_watch_silence_seconds") < 30
    assert page.number("confd_watch_repairs_total") == 0
    assert page.number("confd_engine_resyncs_total") == 1
    assert page.number("confd_engine_calls_total", about="containers", result="ok") > 0
    assert page.number("confd_build_info", version=__version__) == 1
    assert page.value("process_open_fds") is not None
    until(lambda: watched.value("confd_watch_lag_revisions") == 0, 40)
    assert fetch(f"http://127.0.0.1:{watched.port}/readyz")[1] == '{"status": "ready"}\n'

    etcd.stop()
    until(lambda: watched.value("confd_watch_current") == 0, 40)
    with pytest.raises(urllib.error.HTTPError, match="503") as refused:
        fetch(f"http://127.0.0.1:{watched.port}/readyz")
    assert json.loads(refused.value.read())["code"] == "unavailable"
    assert fetch(f"http://127.0.0.1:{watched.port}/livez")[1] == '{"status": "alive"}\n'
    assert watched.page().number("confd_container_running", **WEB) == 1


def test_many_keys_and_unknown_paths_add_no_series_b161(watched: Watched) -> None:
    watched.engine.run("web", SERVE, labels={"confd.app": "web", "confd.max-reach": "none"})
    until(lambda: watched.fleet.status("web"), 20)
    watched.ask("PATCH", SETTINGS, 200, {"set": {f"first/k{number}": "v" for number in range(10)}})
    until(lambda: watched.value("confd_app_containers", app="web", env="dev", state="blocked") == 1, 30)
    agent, api = watched.page(), watched.api()

    for start in range(0, 5000, 1000):
        keys: dict[str, Value] = {f"deep/key-{start + at}": "planted" for at in range(1000)}
        watched.ask("PATCH", SETTINGS, 200, {"set": keys})
    for number in range(200):
        watched.ask("GET", f"{SETTINGS}/deep/key-{number}", 200)
        watched.ask("GET", f"/no/such/path-{number}", 404)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(f"http://127.0.0.1:{watched.port}/no/such/path-{number}")
    published = {"app": "web", "env": "dev"}
    until(lambda: watched.value("confd_app_changes_published_total", **published) == 6, 30)

    now = watched.api()
    assert now.number("confd_http_requests_total", method="GET", route="unmatched", status="404") == 200
    route = "/v1/apps/{app}/envs/{env}/settings/{key}"
    assert now.number("confd_http_requests_total", method="GET", route=route, status="200") == 200
    grown = {labels for _, labels in now.series.keys() - api.series.keys()}
    assert {dict(labels).get("route") for labels in grown} <= {"unmatched", route, "/metrics"}
    assert watched.page().series.keys() == agent.series.keys()
    for word in now.words | watched.page().words:
        assert not any(part in word for part in ("key-", "planted", "path-", "admin")), word


def test_an_agent_whose_port_is_taken_goes_on_without(start_fleet: StartFleet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        fleet = start_fleet("h1", flags=("--metrics-listen", f"127.0.0.1:{taken.getsockname()[1]}"))
        fleet.engines["h1"].run("web", SERVE, labels={"confd.app": "web"})
        until(lambda: fleet.status("web"), 20)
        fleet.ctl("set", "web", "A=1", "-e", "dev", "--wait", "60s")
        assert f"port {taken.getsockname()[1]} is taken by" in fleet.log


def test_the_engine_tells_where_the_kernel_is_another_host_s(engine: EngineProcess, tmp_path: Path) -> None:
    engine.run("web", BUSY, host={"Memory": 64 * MIB})
    target = DockerTarget(engine.docker_host)
    meter = Meter(target.stats, tmp_path)
    (usage,) = meter.look([engine.inspect("web")]).values()
    assert (usage.pids, usage.memory_limit_bytes, usage.open_files) == (1, 64 * MIB, None)
    before = usage.cpu_s or 0
    until(lambda: any((one.cpu_s or 0) > before for one in meter.look([engine.inspect("web")]).values()), 20)
    target.close()


def test_up_shows_the_figures_of_both_its_programs(engine: EngineProcess, tmp_path: Path) -> None:
    port = free_port()
    server = Confd(tmp_path, engine.docker_host, "--metrics-listen", f"127.0.0.1:{port}")
    server.start()
    try:
        assert scrape(f"http://127.0.0.1:{port}/metrics").number("confd_agent_active") == 1
        assert scrape(f"http://127.0.0.1:{server.port}/metrics").number("confd_watch_current") == 1
    finally:
        server.stop()
