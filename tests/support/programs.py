"""The product's programs as a user starts them: `confd-server up` on a private folder, and `confctl`."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from confd.client import Client, HttpTransport
from confd.config import EtcdConfig
from confd.credentials import write_keys
from confd.errors import Unavailable
from confd.keyfile import fresh_key_file
from confd.ports import Delete, Operation, Put
from confd.stores.etcd import EtcdStore
from tests.support.canary import APP, Canaries
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess, free_port
from tests.support.wait import until

__all__ = ["Apart", "Confd", "apart", "confd", "confd_up"]


class Confd:
    """A server with its etcd and its agent; `arguments` are added to the server's command line."""

    def __init__(self, folder: Path, docker_host: str, *arguments: str) -> None:
        self._arguments = arguments
        self._folder = folder
        self.sockets = folder / "sockets"
        self.token_file = folder / "data" / "api" / "token"
        self._docker_host = docker_host
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.environ = {**os.environ, "XDG_CONFIG_HOME": str(folder / "config"), "HOME": str(folder)}
        self.environ = {name: text for name, text in self.environ.items() if not name.startswith("CONFD_")}
        self.environ["CONFD_MONITOR"] = "1"  # of what goes wrong, all goes wrong at once
        self.secrets_dir = Path("/dev/shm") / f"confd-{uuid.uuid4().hex}"
        self.environ["CONFD_SECRETS_DIR"] = str(self.secrets_dir)
        self.canaries = Canaries()

    def start(self) -> None:
        command = [sys.executable, "-m", "confd.main", "server", "up", "--data", str(self._folder / "data")]
        command += ["--listen", f"127.0.0.1:{self.port}"]
        command += ["--listen", f"unix:{self.sockets}/confd.sock", "--docker-host", self._docker_host]
        command += self._arguments
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        until(self._ready, 30)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
        self.search_left()

    def plant(self, app: str) -> str:
        """A text for a secret, which is looked for wherever it must not stand (`tests.support.canary`)."""
        return self.canaries.plant(app)

    def plant_first(self) -> None:
        """Have a secret in the store from the beginning."""
        self.ctl("set", APP, f"token={self.plant(APP)}", "--secret", "-e", "dev")

    def search(self, engine: EngineProcess) -> None:
        """Look for planted secrets in what runs now."""
        self.canaries.look_at_engine(engine)
        self.canaries.look_at_api(self.client())

    def search_left(self) -> None:
        """Fails where a planted secret was found, or stands in what the programs have left."""
        shutil.rmtree(self.secrets_dir, ignore_errors=True)
        self.canaries.look_at_files(self._folder)
        self.canaries.check()

    def client(self) -> Client:
        """Of the API, as its administrator."""
        token = self.token_file.read_text().strip()
        return Client(HttpTransport(f"http://127.0.0.1:{self.port}"), token=token)

    def ctl(self, *arguments: str, expect: int = 0) -> str:
        """Run confctl; its standard output."""
        done = self._run(*arguments)
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.log}"
        return done.stdout

    def words(self, *arguments: str, expect: int) -> str:
        """Run confctl; what it says on standard error."""
        done = self._run(*arguments)
        assert done.returncode == expect, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}\n{self.log}"
        return done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ctl(*arguments, "-o", "json"))

    def told(self, *arguments: str) -> Any:
        """As `json`, asked again while the store is out of reach, as for a moment after it has come back."""
        answers: list[subprocess.CompletedProcess[str]] = []

        def ask() -> bool:
            answers.append(self._run(*arguments, "-o", "json"))
            return answers[-1].returncode != Unavailable.exit_code

        until(ask, 20)
        assert answers[-1].returncode == 0, f"{arguments}: {answers[-1].stderr}\n{self.log}"
        return json.loads(answers[-1].stdout)

    def put(self, key: str, text: str) -> int:
        """Write straight into its etcd, as an operator with etcdctl may; the revision."""
        return self._commit(Put(key, text))

    def delete(self, *keys: str) -> int:
        """Take keys away straight from its etcd, at once; the revision."""
        return self._commit(*map(Delete, keys))

    def _commit(self, *operations: Operation) -> int:
        store = EtcdStore(EtcdConfig((f"unix:{self._folder}/data/store/client:1",)))
        try:
            return store.commit(operations)
        finally:
            store.close()

    def patch(self, app: str, change: dict[str, Any]) -> int:
        """One change of the app in env dev through the API, as a program sends it; its revision."""
        client = Client(HttpTransport(f"unix:{self.sockets}/confd.sock"), token=self.token_file.read_text().strip())
        answer = client.call("PATCH", f"/v1/apps/{app}/envs/dev/settings", body=change)
        return int(json.loads(answer.body)["revision"])

    def host_names(self) -> set[str]:
        """The hosts that the API knows."""
        return {str(one["host"]) for one in self.json("hosts")["hosts"]}

    def pass_over(self, app: str, key: str, text: str, env: str = "dev") -> None:
        """Have the agent go over the app's containers once more: what a key holds is written again as it is."""
        self.await_told(app, self.put(f"/confd/envs/{env}/settings/{app}/{key}", text), env)

    def await_told(self, app: str, revision: int, env: str = "dev") -> None:
        """Wait until the agent has told where each of the app's containers stands at the revision."""

        def told() -> bool:
            containers = self.status(app, env)
            return bool(containers) and all(one["revision"] >= revision for one in containers)

        until(told, 30)

    def status(self, app: str, env: str = "dev") -> list[dict[str, Any]]:
        """Where each of the app's containers stands."""
        found: list[dict[str, Any]] = self.told("status", app, "-e", env)["containers"]
        return found

    def agent_pid(self) -> int:
        """The agent's process; 0 while there is none."""
        return self.child("agent")

    def child(self, word: str) -> int:
        """The child of the server whose command has the word; 0 while there is none."""
        assert self._process is not None
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(entry.read_text().rpartition(")")[2].split()[1])
                command = (entry.parent / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if parent == self._process.pid and any(word.encode() == part.rpartition(b"/")[2] for part in command):
                return int(entry.parent.name)
        return 0

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "confd.cli", *arguments]
        done = subprocess.run(
            command, env=self.environ, capture_output=True, text=True, timeout=60, check=False, cwd=self._folder
        )
        if "--reveal" not in arguments:
            self.canaries.said += [done.stdout, done.stderr]
        sys.stdout.write(f"$ confctl {shlex.join(arguments)} -> {done.returncode}\n{done.stdout}{done.stderr}\n")
        return done

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        done = self._run("hosts", "-o", "json")
        return done.returncode == 0 and '"alive": true' in done.stdout.replace('"alive":true', '"alive": true')


class Apart(Confd):
    """`confd-server api` and `confd-agent` on an etcd that is somebody else's; `arguments` go to both."""

    def __init__(self, folder: Path, docker_host: str, etcd: str, *arguments: str) -> None:
        super().__init__(folder, docker_host, *arguments)
        self._etcd = etcd
        self.token_file = folder / "token"
        write_keys(folder / "keys", fresh_key_file())
        self.environ["CONFD_KEY_FILE"] = str(folder / "keys")
        self._programs: list[subprocess.Popen[bytes]] = []
        self.environ |= {"CONFD_SERVER": f"http://127.0.0.1:{self.port}", "CONFD_TOKEN_FILE": str(folder / "token")}

    def start(self) -> None:
        self.begin()
        until(self._ready, 30)

    def begin(self) -> None:
        """Start both, whether they can do their work yet or not."""
        self.begin_api()
        self.begin_agent()
        self._process = self._programs[0]

    def begin_api(self) -> None:
        token = ["--token-file", str(self._folder / "token"), "--listen", f"127.0.0.1:{self.port}"]
        self._begin("server", "api", *token)

    def begin_api_again(self) -> None:
        """End the API, start it anew, and wait until it serves; the agent goes on."""
        api, *agents = self._programs
        api.terminate()
        api.wait(20)
        self._programs.clear()
        self.begin_api()
        self._process, self._programs = self._programs[0], [*self._programs, *agents]
        until(self._ready, 60)

    def begin_agent(self, *flags: str) -> None:
        """Start the agent; `flags` are added to its command line."""
        agent = ["--env", "dev", "--docker-host", self._docker_host, "--host-name", "h1"]
        self._begin("agent", *agent, "--data", str(self._folder / "agent"), *flags)

    def agent_id(self) -> int:
        """Of the running agent's process; 0 when it has ended."""
        agent = self._programs[-1]
        return agent.pid if agent.poll() is None else 0

    def freeze_file(self) -> Path:
        """What holds the host while it is there."""
        return self._folder / "agent" / "freeze"

    def kill_agent(self) -> None:
        """As when it crashes; `begin_agent` starts another."""
        agent = self._programs.pop()
        agent.kill()
        agent.wait(10)

    def end_each(self) -> list[float]:
        """Have each end; the seconds that each took."""
        took = []
        for program in self._programs:
            began = time.monotonic()
            program.send_signal(signal.SIGTERM)
            assert program.wait(20) == 0, self.log
            took.append(time.monotonic() - began)
        self._programs.clear()
        return took

    def cpu_s(self) -> list[float]:
        """The processor time that each has used up to now."""
        ticks = os.sysconf("SC_CLK_TCK")
        stats = (Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split() for one in self._programs)
        return [(int(stat[11]) + int(stat[12])) / ticks for stat in stats]

    def _begin(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "confd.main", *arguments, "--etcd", self._etcd, *self._arguments]
        with (self._folder / "log").open("ab") as log:
            self._programs.append(subprocess.Popen(command, env=self.environ, stdout=log, stderr=log))

    def stop(self, number: int = signal.SIGTERM) -> None:
        for program in self._programs:
            program.send_signal(number)
        assert {program.wait(20) for program in self._programs} <= {0}
        self.search_left()


@pytest.fixture(scope="module")
def confd_up(engine_process: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Confd]:
    server = Confd(tmp_path_factory.mktemp("up"), engine_process.docker_host)
    server.start()
    server.plant_first()
    yield server
    server.stop()


@pytest.fixture
def confd(confd_up: Confd, engine: EngineProcess) -> Iterator[Confd]:
    """A running server; the engine's containers go after the test, so each test takes an app of its own."""
    yield confd_up
    confd_up.search(engine)


@pytest.fixture
def apart(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Apart]:
    """API and agent as programs of their own, which run."""
    programs = Apart(tmp_path, engine.docker_host, etcd.endpoint)
    programs.start()
    programs.plant_first()
    yield programs
    programs.search(engine)
    programs.canaries.look_at_files(etcd.folder)
    programs.stop()
