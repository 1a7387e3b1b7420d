"""The shim as a process: its child, signals, exit codes and changes, against a small server of the config route."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from confd.api.asgi import TAKEN
from confd.shim.process import heeds
from tests.support.shim import PYTHON, ConfigServer, await_text, await_that, packed, shim


@pytest.fixture
def server() -> Iterator[ConfigServer]:
    with ConfigServer() as running:
        running.variables = {"GREETING": "one"}
        yield running


def ends(process: subprocess.Popen[str], timeout_s: float = 20) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=timeout_s)
    return process.returncode, out, err


def state_of(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def child_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    await_that(lambda: bool(children.read_text().split()))
    return int(children.read_text().split()[0])


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> bytes:
    """Its command, every word with a zero byte behind it; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def script(log: Path, body: str = "") -> list[str]:
    """A shell child that notes each start with its variable and its id."""
    return ["/bin/sh", "-c", f'{body}\necho "start $GREETING $$" >> {log}\nwhile :; do sleep 0.05; done']


@pytest.mark.parametrize("chunked", [False, True])
def test_the_child_gets_exactly_one_entry_a_variable_b51(server: ConfigServer, chunked: bool) -> None:
    server.chunked = chunked
    with shim(server.url, ["env"], environ={"GREETING": "default", "OTHER": "base"}) as process:
        code, out, err = ends(process)
    lines = out.splitlines()
    assert [line for line in lines if line.startswith("GREETING=")] == ["GREETING=one"]
    assert "OTHER=base" in lines
    assert (code, err) == (0, "")


def test_the_shim_asks_with_nothing_that_the_api_does_not_take(server: ConfigServer, tmp_path: Path) -> None:
    with shim(server.url, script(tmp_path / "log"), "--host", "h1"):
        await_that(lambda: any("index" in query for _, query, _ in server.requests))
    asked = {name for _, query, _ in server.requests for name in query}
    assert {"host", "index", "wait"} <= asked <= set(TAKEN)


def test_settings_come_over_a_unix_socket_with_the_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3same\n")
    with ConfigServer(tmp_path / "api.sock") as server:
        server.variables = {"A": "1"}
        with shim(server.url, ["env"], "--token-file", str(tmp_path / "token"), "--pristine") as process:
            code, out, _ = ends(process)
    assert code == 0
    assert "A=1" in out.splitlines()
    assert server.requests[0][2] == "Bearer s3same"


@pytest.mark.parametrize(("status", "code"), [(401, 77), (403, 77), (404, 78), (503, 69)])
def test_an_answer_that_refuses_ends_the_start(server: ConfigServer, status: int, code: int) -> None:
    server.status = status
    with shim(server.url, ["true"], "--start-timeout", "500ms") as process:
        assert ends(process)[0] == code


def test_no_server_within_the_start_timeout_is_69() -> None:
    with shim("unix:/nonexistent/socket", ["true"], "--start-timeout", "300ms") as process:
        assert ends(process)[0] == 69


@pytest.mark.parametrize("pid1", [False, True])
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], 143),
        (["sh", "-c", "kill -KILL $$"], 137),
        (["sh", "-c", "kill -SEGV $$"], 139),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
        (["/"], 126),
    ],
)
def test_the_exit_code_tells_how_the_child_ended_b124(
    server: ConfigServer, command: list[str], code: int, pid1: bool
) -> None:
    with shim(server.url, command, "--once", pid1=pid1) as process:
        assert ends(process)[0] == code


def test_the_reaper_never_takes_the_exit_code_b122(server: ConfigServer) -> None:
    for _ in range(200):
        with shim(server.url, ["sh", "-c", "(true &) ; (exit 3 &) ; exit 7"], "--once", pid1=True) as process:
            assert ends(process)[0] == 7


@pytest.mark.parametrize("pid1", [False, True])
def test_no_child_left_to_wait_for_is_silent_b137(server: ConfigServer, pid1: bool) -> None:
    with shim(server.url, ["true"], pid1=pid1) as process:
        assert ends(process) == (0, "", "")


def test_as_pid_1_orphans_are_reaped_b121(server: ConfigServer) -> None:
    body = "(sleep 0.1 &) ; sleep 1; ps -eo stat= | grep -c Z; true"
    with shim(server.url, ["sh", "-c", body], "--once", pid1=True) as process:
        code, out, err = ends(process)
    assert (code, out.strip(), err) == (0, "0", "")


@pytest.mark.parametrize("pid1", [False, True])
def test_a_zombie_is_its_parent_s_until_that_dies_b121(server: ConfigServer, tmp_path: Path, pid1: bool) -> None:
    """The child's own child forks and never waits, as `sleep` has no idea that it has children."""
    log = tmp_path / "log"
    with shim(server.url, script(log, "(true & exec sleep 600) &"), pid1=pid1) as process:
        await_text(log, "start one")
        child = child_of(child_of(process.pid)) if pid1 else child_of(process.pid)
        asleep = b"sleep\0" + b"600\0"
        await_that(lambda: asleep in map(command_of, children_of(child)))
        (parent,) = [one for one in children_of(child) if command_of(one) == asleep]
        zombie = child_of(parent)
        await_that(lambda: state_of(zombie) == "Z")
        process.send_signal(signal.SIGCHLD)  # has the shim look for ended children once more
        server.set(OTHER="1")  # and the whole group goes with its parent
        await_that(lambda: not Path(f"/proc/{zombie}").exists())
        await_that(lambda: log.read_text().count("start") == 2)
        assert not Path(f"/proc/{parent}").exists()


def test_under_another_init_exit_codes_pass_b134(server: ConfigServer) -> None:
    with shim(
        server.url,
        ["sh", "-c", "(sleep 0.1 &); exit 5"],
        wrapper=["unshare", "-fp", "sh", "-c", '"$@"; exit $?', "sh"],
    ) as p:
        code, _, err = ends(p)
    assert (code, err) == (5, "")


def test_a_change_respawns_the_child_and_an_unset_brings_the_base_back(
    server: ConfigServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with shim(server.url, script(log), environ={"GREETING": "base"}) as process:
        await_text(log, "start one")
        server.set(GREETING="two")
        await_text(log, "start two")
        server.unset("GREETING")
        await_text(log, "start base")
        process.terminate()
        code, _, err = ends(process)
    assert code == 143
    assert "two" not in err


def test_the_same_values_again_do_nothing(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with shim(server.url, script(log)):
        await_text(log, "start one")
        server.set(GREETING="one")
        await_that(lambda: server.requests[-1][1].get("index") == [str(server.revision)])
        server.set(GREETING="two")
        await_text(log, "start two")
    assert len(log.read_text().splitlines()) == 2


def test_on_change_signal_reaches_the_same_child(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with shim(server.url, script(log, f"trap 'echo hup >> {log}' HUP"), "--on-change", "signal:HUP"):
        await_text(log, "start one")
        server.set(GREETING="two")
        await_text(log, "hup")
    assert "two" not in log.read_text()


@pytest.mark.parametrize("meanwhile", ["sleep 0.05", "/bin/true"])
def test_a_child_that_does_not_catch_the_signal_yet_is_not_sent_it_b118(
    server: ConfigServer, tmp_path: Path, meanwhile: str
) -> None:
    """A shell that forks all the time blocks every signal around each fork, for a moment: that is no waiting."""
    log, ready = tmp_path / "log", tmp_path / "ready"
    slow = (
        f"echo up >> {log}; while [ ! -e {ready} ]; do {meanwhile}; done\n"
        f"trap 'echo hup >> {log}' HUP; echo ready >> {log}; while :; do sleep 0.05; done"
    )
    with shim(server.url, ["/bin/sh", "-c", slow], "--on-change", "signal:HUP") as process:
        await_text(log, "up")
        child = child_of(process.pid)
        assert not any(heeds(child, signal.SIGHUP) for _ in range(300))
        server.set(GREETING="two")
        await_that(lambda: server.requests[-1][1].get("index") == [str(server.revision)])
        ready.touch()
        await_text(log, "hup")
        assert child_of(process.pid) == child
    assert log.read_text().splitlines() == ["up", "ready", "hup"]


def test_of_changes_before_a_child_is_ready_one_signal_is_left_b118(server: ConfigServer, tmp_path: Path) -> None:
    log, ready = tmp_path / "log", tmp_path / "ready"
    slow = (
        f"echo up >> {log}; while [ ! -e {ready} ]; do sleep 0.05; done\n"
        f"trap 'echo hup >> {log}' HUP; trap 'echo last >> {log}; exit 0' USR1; while :; do sleep 0.05; done"
    )
    with shim(server.url, ["/bin/sh", "-c", slow], "--on-change", "signal:HUP") as process:
        await_text(log, "up")
        for text in ("two", "three", "four"):
            server.set(GREETING=text)
            await_that(lambda: server.requests[-1][1].get("index") == [str(server.revision)])
        ready.touch()
        await_text(log, "hup")
        process.send_signal(signal.SIGUSR1)
        assert ends(process)[0] == 0
    assert log.read_text().splitlines() == ["up", "hup", "last"]


def test_on_change_exit_ends_with_the_childs_code(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with shim(server.url, script(log, "trap 'exit 4' TERM"), "--on-change", "exit") as process:
        await_text(log, "start one")
        server.set(GREETING="two")
        assert ends(process)[0] == 4


def test_a_new_child_starts_only_after_the_whole_group_is_gone_b117(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    worker = f"(trap '' TERM; sleep 1; echo released >> {log}) &"
    with shim(server.url, script(log, worker), pid1=True):
        await_text(log, "start one")
        server.set(GREETING="two")
        await_text(log, "start two")
    words = [line.split()[0] for line in log.read_text().splitlines()]
    assert words[:3] == ["start", "released", "start"]


def test_a_child_that_will_not_end_is_killed_after_the_stop_timeout(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with shim(server.url, script(log, "trap '' TERM"), "--stop-timeout", "300ms"):
        await_text(log, "start one")
        server.set(GREETING="two")
        await_text(log, "start two")


def test_the_shim_waits_for_the_childs_clean_up_b130(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    trap = f"trap 'echo term >> {log}; n=$((n+1)); [ $n = 2 ] && {{ sleep 1; exit 0; }}' TERM"
    with shim(server.url, script(log, trap)) as process:
        await_text(log, "start one")
        process.terminate()
        await_text(log, "term")
        process.terminate()
        assert ends(process)[0] == 0
    assert log.read_text().count("term") == 2


def test_term_during_a_restart_starts_no_new_child_b131(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    trap = f"trap 'echo term >> {log}' TERM"
    with shim(server.url, script(log, trap), "--stop-timeout", "2s") as process:
        await_text(log, "start one")
        server.set(GREETING="two")
        await_text(log, "term")
        process.terminate()
        assert ends(process)[0] == 137
    assert "two" not in log.read_text()


def test_term_before_a_change_is_acted_on_starts_no_new_child_b131(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with shim(server.url, script(log), "--splay", "1h") as process:
        await_text(log, "start one")
        server.set(GREETING="two")
        await_that(lambda: server.requests[-1][1].get("index") == [str(server.revision)])
        process.terminate()
        assert ends(process)[0] == 143
    assert "two" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_settings_are_fetched_ends_at_once_b131(server: ConfigServer, number: int) -> None:
    server.status = 503
    with shim(server.url, ["true"]) as process:
        await_that(lambda: bool(server.requests))
        began = time.monotonic()
        process.send_signal(number)
        assert ends(process)[0] == 128 + number
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("words", ["{} --x 1", "{} --x 1 $ARG", "{}|--x|1"])
def test_no_shell_is_between_the_shim_and_the_program_b133(
    server: ConfigServer, tmp_path: Path, words: str
) -> None:
    program = tmp_path / "app"
    program.write_text(
        f"#!{PYTHON} -IS\nimport signal, sys\nsignal.signal(10, lambda *_: print('usr1') or sys.exit(3))\n"
        f"open('{tmp_path}/up', 'w').write('up')\nwhile True: signal.pause()\n"
    )
    program.chmod(0o755)
    with shim(server.url, words.format(program).split("|")) as process:
        await_text(tmp_path / "up", "up")
        assert str(program).encode() in command_of(child_of(process.pid)).split(b"\0")
        process.send_signal(signal.SIGUSR1)
        code, out, _ = ends(process)
    assert (code, out) == (3, "usr1\n")


@pytest.mark.parametrize("name", ["HUP", "USR1", "USR2", "WINCH", "INT", "QUIT", "RTMIN", "ALRM"])
def test_signals_are_forwarded(server: ConfigServer, tmp_path: Path, name: str) -> None:
    log = tmp_path / "log"
    number = signal.Signals[f"SIG{name}"]
    body = ["bash", "-c", f"trap 'exit 9' {int(number)}; echo start > {log}; while :; do sleep 0.05; done"]
    with shim(server.url, body) as process:
        await_text(log, "start")
        process.send_signal(number)
        assert ends(process)[0] == 9


def test_a_suspended_child_goes_on_and_term_still_works_b128(server: ConfigServer, tmp_path: Path) -> None:
    """The child starts no other: a shell that is stopped between its vfork and the exec waits and shows no `T`."""
    log = tmp_path / "log"
    command = ["/bin/sh", "-c", f'echo "start $GREETING" > {log}; exec sleep 60']
    with shim(server.url, command) as process:
        await_text(log, "start one")
        child = child_of(process.pid)
        process.send_signal(signal.SIGTSTP)
        await_that(lambda: state_of(child) == "T")
        process.send_signal(signal.SIGCONT)
        await_that(lambda: state_of(child) != "T")
        process.send_signal(signal.SIGTSTP)
        await_that(lambda: state_of(child) == "T")
        process.terminate()
        assert ends(process)[0] == 143


def test_a_crash_while_the_store_is_away_ends_the_shim_b95(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with shim(server.url, script(log)) as process:
        await_text(log, "start one")
        server.stop()
        os.kill(int(log.read_text().split()[2]), signal.SIGKILL)
        began = time.monotonic()
        assert ends(process)[0] == 137
    assert time.monotonic() - began < 1


def test_no_state_is_kept_so_no_pid_can_be_stale_b136(server: ConfigServer, tmp_path: Path) -> None:
    with shim(server.url, ["sh", "-c", f"ls -A {tmp_path}"], environ={"HOME": str(tmp_path)}) as process:
        assert ends(process) == (0, "", "")


def test_start_up_loads_nothing_heavy() -> None:
    code = f"import sys; sys.path.insert(0, {str(packed())!r}); import confd.shim.entrypoint; print(*sys.modules)"
    loaded = subprocess.run(
        [PYTHON, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"json", "ssl", "typing", "dataclasses", "argparse", "http.client", "subprocess", "threading", "ctypes"}
    assert heavy.isdisjoint(loaded)


def test_memory_stays_within_15_mib(server: ConfigServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with shim(server.url, script(log)) as process:
        await_text(log, "start one")
        status = Path(f"/proc/{process.pid}/status").read_text()
    assert int(status.partition("VmRSS:")[2].split()[0]) < 15 * 1024


@pytest.mark.parametrize(("awaited", "heeded"), [("SIGHUP", True), ("SIGUSR1", False)])
def test_a_process_in_sigwait_heeds_just_what_it_waits_for_b118(awaited: str, heeded: bool) -> None:
    text = f"import signal as s; s.pthread_sigmask(s.SIG_BLOCK, {{s.{awaited}}}); s.sigwait({{s.{awaited}}})"
    running = subprocess.Popen([PYTHON, "-ISc", text])
    try:
        await_that(lambda: "sigtimedwait" in Path(f"/proc/{running.pid}/wchan").read_text())
        assert heeds(running.pid, signal.SIGHUP) is heeded
    finally:
        running.kill()
        running.wait()


ALL = "s.pthread_sigmask(s.SIG_BLOCK, s.valid_signals())"
DESCRIPTOR = (
    "import ctypes, signal as s; c = ctypes.CDLL(None); one = (ctypes.c_ubyte * 128)(); c.sigemptyset(one); "
    "c.sigaddset(one, s.SIGHUP); print(c.signalfd(-1, one, 0), flush=True)"
)


@pytest.mark.parametrize(
    ("text", "heeded"),
    [
        (f"import signal as s; {ALL}", False),
        ("import signal as s; [s.signal(one, print) for one in s.valid_signals() - {9, 19}]", True),
        ("import signal as s; s.pthread_sigmask(s.SIG_BLOCK, {s.SIGHUP, s.SIGTERM})", True),
        (f"{DESCRIPTOR}; {ALL}", True),
        (
            f"import signal as s, threading as t; {ALL}; t.Thread(target=lambda: s.sigwait({{s.SIGHUP}})).start()",
            True,
        ),
    ],
    ids=["all", "all caught", "some", "signalfd", "all, and a thread waits"],
)
def test_a_signal_that_is_kept_back_counts_where_somebody_waits_for_it_b118(text: str, heeded: bool) -> None:
    running = subprocess.Popen(
        [PYTHON, "-Sc", f"{text}; print('there', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        while running.stdout.readline() != b"there\n":
            assert running.poll() is None
        await_that(lambda: heeds(running.pid, signal.SIGHUP) is heeded)
    finally:
        running.kill()
        running.communicate()


@pytest.mark.parametrize("back", [True, False])
def test_variables_that_go_without_a_change_are_not_taken_from_the_child(
    server: ConfigServer, tmp_path: Path, back: bool
) -> None:
    """As of an emptied store. They come back, or a change says that it is meant."""
    log = tmp_path / "log"
    server.variables = {"GREETING": "one", "A": "1", "B": "1", "C": "1"}
    tells = f'echo "has $GREETING $A$B$C" >> {log}; trap "exit 0" TERM; while :; do sleep 0.05; done'
    with shim(server.url, ["/bin/sh", "-c", tells]) as process:
        await_text(log, "has one 111")
        child = child_of(process.pid)
        server.unset("A", "B", meant=False)
        await_that(lambda: server.requests[-1][1].get("index") == [str(server.revision)])
        assert (child_of(process.pid), log.read_text()) == (child, "has one 111\n")
        if back:
            server.set(A="1", B="1")
            server.set(GREETING="two")
            await_text(log, "has two 111")
        else:
            server.unset(meant=True)
            await_text(log, "has one 1\n")
        process.terminate()
        assert "2 of 4 variables are suddenly gone, without any change" in ends(process)[2]


def test_no_value_is_printed_whatever_is_asked_to_be_traced_b153(server: ConfigServer) -> None:
    server.variables = {"SECRETACCESSKEY": "planted-value"}
    environ = {
        "DEBUG": "1",
        "CONFD_DEBUG": "1",
        "PYTHONVERBOSE": "1",
        "SHELLOPTS": "xtrace",
        "BASH_ENV": "/dev/null",
    }
    with shim(server.url, ["/bin/sh", "-c", 'test -n "$SECRETACCESSKEY"'], environ=environ) as process:
        code, out, err = ends(process)
    assert (code, "planted-value" in out + err) == (0, False)
