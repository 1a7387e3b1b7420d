"""What a person waits for at the command line, and what the shim adds to the start of a container."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.rig import ENV, Rig, median_of
from bench.rows import Row, at_most, over
from tests.support.etcd import make_certificates
from tests.support.shim import packed

__all__ = ["confctl", "shim"]

RUNS = 30
SYSTEM_PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
WAITS = "import signal; signal.pause()"


def confctl(rig: Rig) -> list[Row]:
    """The floor is the start of a bare interpreter."""
    rig.set("command", {"LOG_LEVEL": "debug"})
    program = str(Path(sys.executable).parent / "confctl")
    bare = [sys.executable, "-I", "-S", "-c", "pass"]
    took = _alternate(
        rig.confd.environ, bare, [program, "--help"], [program, "get", "command", "LOG_LEVEL", "-e", ENV]
    )
    return [
        at_most("confctl --help, p50", "ms", median_of(took[1]), median_of(took[0]), 150),
        at_most("confctl get, p50", "ms", median_of(took[2]), median_of(took[0]), 250),
    ]


def shim(rig: Rig) -> list[Row]:
    """Start-up beside the same command without the shim; memory beside a bare interpreter that waits."""
    rig.set("shim-start", {f"KEY_{number}": "text" * 8 for number in range(50)})
    plain = _shim(rig, rig.confd.environ["CONFD_SERVER"])
    with _tls(rig) as (server, authority):
        secured = _shim(rig, server)
        environ = {**os.environ, "SSL_CERT_FILE": str(authority)}
        took = _alternate(environ, ["/bin/true"], [*plain, "/bin/true"], [*secured, "/bin/true"])
        bare = _memory(environ, [SYSTEM_PYTHON, "-I", "-S", "-c", WAITS])
        sleeps = ["/bin/sleep", "1000"]
        memory = [_memory(environ, [*one, *sleeps]) for one in (plain, secured)]
    floor, ours, ours_tls = (median_of(samples) for samples in took)
    return [
        over("shim, added start-up, p50", "ms", ours, floor, 80),
        over("shim with TLS, added start-up, p50", "ms", ours_tls, floor, 150),
        at_most("shim, memory", "MiB", memory[0], bare, 15),
        at_most("shim with TLS, memory", "MiB", memory[1], bare, 25),
    ]


def _shim(rig: Rig, server: str) -> list[str]:
    command = [SYSTEM_PYTHON, "-I", "-S", str(packed()), "--app", "shim-start", "--env", ENV, "--server", server]
    return [*command, "--token-file", rig.confd.environ["CONFD_TOKEN_FILE"], "--"]


def _alternate(environ: dict[str, str], *commands: Sequence[str]) -> list[list[float]]:
    """Every command in turn, many times: the wall time of each run, in ms."""
    took: list[list[float]] = [[] for _ in commands]
    for number in range(-2, RUNS):
        for samples, command in zip(took, commands, strict=True):
            began = time.monotonic()
            subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
            if number >= 0:
                samples.append((time.monotonic() - began) * 1000)
    return took


def _memory(environ: dict[str, str], command: Sequence[str]) -> float:
    """The resident memory of the command's process two seconds into its life, in MiB."""
    running = subprocess.Popen(command, env=environ)
    try:
        time.sleep(2)
        status = Path(f"/proc/{running.pid}/status").read_text()
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(20)
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


@contextmanager
def _tls(rig: Rig) -> Iterator[tuple[str, Path]]:
    """A listener that speaks TLS and passes everything on to the API; its address, and its authority's file."""
    folder = rig.folder / "tls"
    folder.mkdir()
    authority, certificate, key = make_certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, context, rig.confd.port), daemon=True).start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", authority
    finally:
        listener.close()


def _accept(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            accepted, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(accepted, context, port), daemon=True).start()


def _serve(accepted: socket.socket, context: ssl.SSLContext, port: int) -> None:
    try:
        with (
            context.wrap_socket(accepted, server_side=True) as near,
            socket.create_connection(("127.0.0.1", port)) as far,
        ):
            threading.Thread(target=_pass, args=(near, far), daemon=True).start()
            _pass(far, near)
    except OSError:
        return


def _pass(source: socket.socket, to: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            to.sendall(data)
    except OSError:
        return
