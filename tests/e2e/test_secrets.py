"""Secrets on a real etcd and engine: nowhere in the clear, moved with the store alone, rotated under load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from confd.client import Client, Edit, HttpTransport, Scope
from confd.ports import Area, Put
from confd.stores.etcd import EtcdStore
from tests.support.engine import EngineProcess
from tests.support.etcd import EtcdProcess, free_port
from tests.support.programs import Apart, Confd
from tests.support.wait import until

SERVE = ["sh", "-c", 'trap "exit 0" TERM; while :; do sleep 0.2; done']
ETCDCTL = {**os.environ, "ETCDCTL_API": "3"}


def etcdctl(confd: Confd, *words: str) -> bytes:
    """What an operator sees who gets into the folder of `confd-server up`."""
    folder = confd.token_file.parents[1] / "store"
    command = ["etcdctl", "--endpoints", "unix://client:1", *words]
    return subprocess.run(command, cwd=folder, env=ETCDCTL, check=True, capture_output=True).stdout


def key_command(*words: str) -> str:
    command = [sys.executable, "-m", "confd.main", "server", "key", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def refused(*words: str) -> str:
    """What `confd-server api` says that ends with 78 as it starts."""
    command = [sys.executable, "-m", "confd.main", "server", "api", "--listen", f"127.0.0.1:{free_port()}", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 78, done.stderr
    return done.stderr


def test_a_secret_stands_nowhere_in_the_clear_b152(confd: Confd, engine: EngineProcess, tmp_path: Path) -> None:
    canary = "canary-4be1f09a"
    (tmp_path / "secrets.env").write_text(f"FILE_PASSWORD={canary}-file\n")
    engine.run("nowhere", SERVE, labels={"confd.app": "nowhere"})
    confd.ctl("set", "nowhere", "LEVEL=info", "-e", "dev", "--wait", "30s")
    confd.ctl("set", "nowhere", f"DB_PASSWORD={canary}", "--secret", "-e", "dev", "--wait", "30s")
    confd.ctl("import", "nowhere", str(tmp_path / "secrets.env"), "--secret", "*PASSWORD", "-e", "dev")
    confd.ctl("set", "nowhere", f"DB_PASSWORD={canary}-2", "-e", "dev")
    confd.ctl("rollback", "nowhere", "-e", "dev")
    confd.ctl("set", "nowhere", f"DB_PASSWORD={canary}-h", "--secret", "-e", "dev", "--host", "h9")
    confd.words("set", "nowhere", f"run/memory={canary}", "--secret", "-e", "dev", expect=65)
    confd.ctl("set", "nowhere", "LEVEL=debug", "-e", "dev", "--wait", "30s")
    assert confd.ctl("get", "nowhere", "DB_PASSWORD", "--reveal", "-e", "dev") == f"{canary}\n"

    assert b"$secret" in etcdctl(confd, "get", "--prefix", "")
    data = confd.token_file.parents[1]
    files = [path for path in data.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wal" for path in files)
    told = {str(path): path.read_bytes() for path in files}
    told |= {"etcd": etcdctl(confd, "get", "--prefix", ""), "log": confd.log.encode()}
    told["inspect"] = json.dumps(engine.inspect("nowhere")).encode()
    told["processes"] = b"".join(_arguments())
    client = Client(HttpTransport(f"unix:{confd.sockets}/confd.sock"), token=confd.token_file.read_text().strip())
    for path in ("/metrics", "/v1/audit", "/v1/apps/nowhere/envs/dev/config", "/v1/apps/nowhere/envs/dev/status"):
        told[path] = client.call("GET", path).body
    assert [name for name, content in told.items() if canary.encode() in content] == []


def _arguments() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes()
        except OSError:
            continue


def test_a_ciphertext_copied_by_etcdctl_opens_nowhere_else_and_harms_nothing(
    confd: Confd, engine: EngineProcess
) -> None:
    engine.run("copied", SERVE, labels={"confd.app": "copied"})
    confd.ctl("set", "copied", "A=1", "-e", "dev", "--wait", "30s")
    confd.ctl("set", "source", "s=canary-moved", "--secret", "-e", "dev")
    text = etcdctl(confd, "get", "--print-value-only", "/confd/envs/dev/settings/source/s").decode().strip()
    now = engine.inspect("copied")["Id"]
    confd.put("/confd/envs/dev/settings/copied/s", text)
    confd.pass_over("copied", "A", '"2"')
    (status,) = confd.status("copied")
    assert status["state"] == "blocked"
    assert "s in layer dev/copied does not open" in status["detail"]
    assert engine.inspect("copied")["Id"] == now
    assert "does not open" in confd.words("get", "copied", "s", "--reveal", "-e", "dev", expect=77)
    confd.ctl("set", "copied", "s=again", "--secret", "-e", "dev", "--wait", "30s")
    until(lambda: engine.has("copied", "A", "2"), 20)


def test_keys_are_rotated_under_load_without_a_change_or_a_restart(confd: Confd, engine: EngineProcess) -> None:
    engine.run("turned", SERVE, labels={"confd.app": "turned"})
    confd.ctl("set", "turned", "s=canary-first", "--secret", "-e", "dev")
    confd.ctl("set", "turned", "A=1", "-e", "dev", "--wait", "30s")
    for number in range(5):
        confd.ctl("set", "turned", *(f"k{at}=v{number}" for at in range(20)), "--secret", "-e", "dev")
    confd.ctl("set", "turned", "A=2", "-e", "dev", "--wait", "60s")  # all of it is in the container
    before = json.loads(etcdctl(confd, "get", "--print-value-only", "/confd/meta"))["data_keys"]["dev"]
    container, history = engine.inspect("turned"), confd.json("history", "turned", "-e", "dev")
    over, written = threading.Event(), list[int]()

    def write() -> None:
        client = Client(
            HttpTransport(f"unix:{confd.sockets}/confd.sock"), token=confd.token_file.read_text().strip()
        )
        scope = Scope("load", "dev")
        while not over.is_set() or len(written) < 10:
            client.change(scope, Edit(set={"s": f"canary-{len(written)}"}, secret=["s"]))
            written.append(len(written))

    writer = threading.Thread(target=write)
    writer.start()
    until(lambda: len(written) > 3, 20)
    words = confd.words("rotate", "--reencrypt", expect=0)
    over.set()
    writer.join()
    assert "old data key dropped" in words
    (after,) = json.loads(etcdctl(confd, "get", "--print-value-only", "/confd/meta"))["data_keys"]["dev"]
    folders = [f"/confd/envs/dev/{kind}/{app}/" for kind in ("settings", "changes") for app in ("turned", "load")]
    stored = b"".join(etcdctl(confd, "get", "--prefix", folder) for folder in folders)
    assert not any(one["id"].encode() in stored for one in before)
    assert after["id"].encode() in stored
    assert confd.json("history", "turned", "-e", "dev")["changes"] == history["changes"]
    assert confd.ctl("get", "turned", "s", "--reveal", "-e", "dev") == "canary-first\n"
    assert confd.ctl("get", "turned", "k7", "--reveal", "-e", "dev") == "v4\n"
    assert confd.ctl("get", "load", "s", "--reveal", "-e", "dev") == f"canary-{written[-1]}\n"
    state = engine.inspect("turned")
    assert (state["Id"], state["State"]["StartedAt"]) == (container["Id"], container["State"]["StartedAt"])
    assert [one["state"] for one in confd.status("turned")] == ["in-sync"]
    confd.ctl("rollback", "turned", "--to", "4", "-e", "dev", "--force")
    assert confd.ctl("get", "turned", "k7", "--reveal", "-e", "dev") == "v1\n"


Start = Callable[..., Apart]


@pytest.fixture
def start_apart(engine: EngineProcess, etcd: EtcdProcess, tmp_path: Path) -> Iterator[Start]:
    """An API and an agent with a key file of their own; ended in the end."""
    started: list[Apart] = []

    def start(name: str, keys: Path, *arguments: str) -> Apart:
        folder = tmp_path / name
        folder.mkdir()
        started.append(Apart(folder, engine.docker_host, etcd.endpoint, *arguments))
        started[-1].environ["CONFD_KEY_FILE"] = str(keys)
        started[-1].start()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def test_a_restore_under_another_prefix_opens_and_without_its_key_nothing_starts(
    start_apart: Start, etcd: EtcdProcess, tmp_path: Path
) -> None:
    keys, others = tmp_path / "keys", tmp_path / "others"
    for file in (keys, others):
        key_command("new", str(file))
    first = start_apart("first", keys)
    first.ctl("set", "web", "s=canary-kept", "--secret", "-e", "dev")
    first.ctl("set", "web", "s=canary-next", "-e", "dev")
    store = EtcdStore(etcd.config)
    found = store.snapshot([Area("/confd/meta"), Area("/confd/envs/")]).entries
    store.commit([Put(key.replace("/confd/", "/restored/", 1), entry.text) for key, entry in found.items()])
    store.close()
    first.stop()
    first._programs.clear()

    second = start_apart("second", keys, "--prefix", "/restored")
    assert second.ctl("get", "web", "s", "--reveal", "-e", "dev") == "canary-next\n"
    second.ctl("rollback", "web", "-e", "dev")
    assert second.ctl("get", "web", "s", "--reveal", "-e", "dev") == "canary-kept\n"

    master = keys.read_text().split()[-2]
    at = ("--etcd", etcd.endpoint, "--token-file", str(tmp_path / "first" / "token"))
    for words in ((), ("--key-file", str(others))):
        assert f"under master key {master}, which is not in the key file" in refused(*at, *words)
    assert "gone cannot be read" in refused(*at, "--key-file", str(tmp_path / "gone"))
    others.chmod(0o644)
    assert "chmod 600" in refused(*at, "--key-file", str(others))


def test_a_new_master_key_comes_in_without_a_restart_of_any_container(
    start_apart: Start, engine: EngineProcess, tmp_path: Path
) -> None:
    keys, more = tmp_path / "keys", tmp_path / "more"
    for file in (keys, more):
        key_command("new", str(file))
    first = start_apart("first", keys)
    engine.run("web", SERVE, labels={"confd.app": "web"})
    first.ctl("set", "web", "s=canary-1", "--secret", "-e", "dev")
    first.ctl("set", "web", "A=1", "-e", "dev", "--wait", "30s")
    container = engine.inspect("web")["Id"]

    agent_keys = tmp_path / "agent.keys"
    agent_keys.write_text(key_command("export", "--env", "dev", "--key-file", str(keys)))
    agent_keys.chmod(0o600)
    first.kill_agent()
    first.begin_agent("--key-file", str(agent_keys))
    keys.write_text(more.read_text() + keys.read_text())
    first.begin_api_again()
    said = first.words("rotate", expect=77)
    assert "agents of h1 (env dev) do not have the first master key" in said
    agent_keys.write_text(key_command("export", "--env", "dev", "--key-file", str(keys)))
    first.kill_agent()
    first.begin_agent("--key-file", str(agent_keys))
    until(lambda: "1 data key put under the first master key" in first._run("rotate").stderr, 60)
    first.ctl("set", "web", "A=2", "-e", "dev", "--wait", "60s")
    assert engine.inspect("web")["Id"] != container  # the setting; the rotation itself had none
    assert first.ctl("get", "web", "s", "--reveal", "-e", "dev") == "canary-1\n"
