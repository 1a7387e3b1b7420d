"""The programs confd-server and confd-agent: what starts when, what ends when, and with which exit code."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confd.config import AgentConfig, EtcdConfig, LogConfig, ServerConfig, agent_config, server_config
from confd.errors import ConfdError, Configuration, EngineUnavailable
from confd.telemetry import setup

if TYPE_CHECKING:
    from confd.agent.front import Front

__all__ = ["agent", "server"]

log = logging.getLogger(__name__)

AGAIN_S = 2.0
DRAIN_S = 1


def agent(argv: Sequence[str] | None = None) -> int:
    """confd-agent."""
    arguments = sys.argv[1:] if argv is None else argv
    return _guarded(lambda: _agent(arguments))


def server(argv: Sequence[str] | None = None) -> int:
    """confd-server up | api | key."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments[:1] == ["key"]:
        from confd.keycommand import run

        return _guarded(lambda: run(arguments[1:]))
    return _guarded(lambda: _server(arguments))


def _agent(arguments: Sequence[str]) -> int:
    config = agent_config(arguments)
    _log(config.log)
    _check_allowed(config.allow_run)
    _make_folder(config.data)
    stop = _stop_on_signals()
    with contextlib.ExitStack() as until_the_end:
        front = _front(config.metrics_listen)
        if front is not None:
            until_the_end.callback(front.close)
        _run_agent(config, stop, front)
    return 0


def _run_agent(config: AgentConfig, stop: threading.Event, front: Front | None) -> None:
    """Until the end; what the agent has to show is shown on `front`."""
    from confd.bootstrap import build_agent

    told = False
    while not stop.is_set():
        try:
            made, readings = build_agent(config)
        except EngineUnavailable as error:
            log.log(logging.DEBUG if told else logging.WARNING, "the engine is out of reach: %s", error.detail)
            told = True
            stop.wait(AGAIN_S)
            continue
        gc.freeze()  # what imports have made stays: the collector need not go through it over and over
        if front is not None:
            front.show(readings)
        try:
            made.run(stop)
        finally:
            made.target.close()
            made.store.close()


def _front(address: str | None) -> Front | None:
    """The agent's own server; None where none is wanted, or its address is taken: the agent's work goes before."""
    if address is None:
        return None
    from confd.agent.front import Front
    from confd.listening import listen

    try:
        return Front(listen(address, "--metrics-listen"))
    except Configuration as error:
        log.warning("no metrics are served: %s", error.detail)
        return None


def _check_allowed(names: Sequence[str]) -> None:
    """Raises `Configuration` for what is no run option: a slip would forbid in silence what was to be allowed."""
    from confd.options import EXEC, OPTIONS

    for name in names:
        if name not in OPTIONS and name != EXEC:
            known = ", ".join([EXEC, *(name for name, option in sorted(OPTIONS.items()) if not option.limit)])
            raise Configuration(f"--allow-run: {name!r} is no run option; known are: {known}")


def _make_folder(data: Path) -> None:
    """The agent remembers in it, and a file `freeze` can be put there in a hurry. Raises `Configuration`."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise Configuration(f"--data {data} cannot be made: {exc.strerror}") from exc


def _server(arguments: Sequence[str]) -> int:
    config = server_config(arguments)
    _log(config.log)
    stop = _stop_on_signals()  # uvicorn raises the signal again when it has ended: it must not end us then
    _check_allowed(config.allow_run)
    from confd.listening import listen_all

    own = f"unix:{config.data.absolute() / 'api' / 'confd.sock'}"
    addresses = list(dict.fromkeys((*config.listen, own) if config.mode == "up" else config.listen))
    with contextlib.ExitStack() as until_the_end:  # a port that is taken is told before anything starts
        sockets = {
            at: until_the_end.enter_context(one) for at, one in zip(addresses, listen_all(addresses), strict=True)
        }
        if config.mode == "up":
            return _up(config, own, sockets, stop)
        return _serve(config, config.etcd, sockets, stop)


def _up(config: ServerConfig, own: str, sockets: Mapping[str, socket.socket], stop: threading.Event) -> int:
    """etcd, then the API, then the agent; they end in the other order. confctl is told the address `own`."""
    from confd.clock import SystemClock
    from confd.credentials import ensure_keys, ensure_token, write_context, write_keys
    from confd.keyfile import exported
    from confd.keys import DEFAULT, Env
    from confd.stores.embedded import EmbeddedEtcd
    from confd.supervise import Child

    ensure_token(config.token_file)
    agent_keys, keys = config.data / "agent" / "keys", ensure_keys(config.key_file or config.data / "api" / "keys")
    write_keys(agent_keys, exported(keys, [config.env, Env(DEFAULT)]))
    etcd = EmbeddedEtcd(config.data / "store")
    etcd.start()
    store = replace(config.etcd, endpoints=(etcd.endpoint,))
    command = [sys.executable, "-m", "confd.main", "agent", "--env", config.env, "--etcd", etcd.endpoint]
    command += ["--prefix", store.prefix, "--data", str(config.data / "agent")]
    command += ["--key-file", str(agent_keys), *config.agent_arguments]
    child = Child("agent", command, SystemClock())
    context = {"server": own, "token_file": str(config.token_file.absolute()), "env": config.env}
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(etcd, over), name="keep-etcd", daemon=True)
    keeper.start()
    try:
        return _serve(config, store, sockets, stop, lambda: _opened(child, context, write_context))
    finally:
        child.stop()
        over.set()
        keeper.join()
        etcd.stop()


def _keep(etcd: Any, over: threading.Event) -> None:
    """Start the embedded etcd again whenever it has ended by itself: API and agent wait for it meanwhile."""
    while not over.wait(AGAIN_S):
        if etcd.running:
            continue
        log.warning("etcd has ended; it is started again")
        try:
            etcd.stop()
            etcd.start()
        except ConfdError as error:
            log.warning("etcd does not start: %s", error.detail)


def _opened(child: Any, context: dict[str, str], write: Callable[[Path, dict[str, str]], bool]) -> None:
    """Once the API is there: start the agent, and let confctl find us."""
    child.start()
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    path = Path(base) / "confd" / "config.toml"
    if not write(path, context):
        log.warning("%s is no TOML and was left alone; confctl will not find this server by itself", path)


def _serve(
    config: ServerConfig,
    etcd: EtcdConfig,
    sockets: Mapping[str, socket.socket],
    stop: threading.Event,
    opened: Callable[[], None] = lambda: None,
) -> int:
    """The API in this process, on all sockets by their addresses, until a signal."""
    import uvicorn

    from confd.bootstrap import build_api
    from confd.credentials import ensure_token, read_keys

    user = {ensure_token(config.user_token_file): "user"} if config.user_token_file else {}
    tokens = {**user, ensure_token(config.token_file): "admin"}
    api = build_api(etcd, tokens, stop, read_keys(config.key_file))
    try:
        opened()
        for address in sockets:
            log.info("listening on %s", address)
        settings = uvicorn.Config(
            api.application, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=DRAIN_S
        )
        if not stop.is_set():
            uvicorn.Server(settings).run(sockets=list(sockets.values()))
    finally:
        api.close()
    return 0


def _log(config: LogConfig) -> None:
    setup(config.format, config.level)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _guarded(run: Callable[[], int]) -> int:
    """Errors of the tree end a program with their code and one line, never with a trace."""
    try:
        return run()
    except ConfdError as error:
        print(error.detail, file=sys.stderr)  # noqa: T201 - logs may not be set up yet
        return error.exit_code


if __name__ == "__main__":
    programs = {"agent": agent, "server": server}
    sys.exit(programs[sys.argv[1]](sys.argv[2:]))
