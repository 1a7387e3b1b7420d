"""`confctl sync` with real files, a real watch, and a whole API behind it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from confd.api.asgi import application
from confd.cli.folder import Unsteady
from confd.cli.program import confctl
from confd.errors import Malformed, Shrinks, Unavailable
from confd.keys import App, Env
from confd.services import changes, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.live import served
from tests.support.syncing import Syncing
from tests.support.wait import until

WEB = Scope(Env("dev"), App("web"))
Run = Callable[..., Result]
Start = Callable[..., Syncing]


@pytest.fixture
def context() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        yield made


@pytest.fixture
def environ(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONFD_TOKEN", "t")
    monkeypatch.setenv("CONFD_ENV", "dev")
    with served(application(context, {"t": "admin"})) as address:
        monkeypatch.setenv("CONFD_SERVER", address)
        yield dict(os.environ)


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    return lambda *args: CliRunner().invoke(confctl, args)


@pytest.fixture
def start(environ: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start a sync of the app with the directory; it ends with the test."""
    started: list[Syncing] = []

    def begin(*flags: str, server: str = "", **more: Any) -> Syncing:
        log, where = tmp_path / f"log-{len(started)}", {"CONFD_SERVER": server} if server else {}
        started.append(Syncing({**environ, **where}, log, "web", str(tmp_path / "web"), *flags, **more))
        return started[-1]

    yield begin
    for one in started:
        one.end()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files with six keys, so that one of them may go without force."""
    made = tmp_path / "web"
    made.mkdir()
    (made / "app.yaml").write_text("log: {level: info}\nrate: 1.10\na: x\nb: x\n")
    (made / ".env").write_text("GREETING=hello\nLIMIT=5\n")
    return made


BEGINNING = {"log/level": '"info"', "rate": "1.10", "a": '"x"', "b": '"x"', "GREETING": '"hello"', "LIMIT": '"5"'}


def stored(context: Context) -> dict[str, str]:
    return {key: entry.text for key, entry in context.fresh().layers.get(WEB.layer, {}).items()}


def number(context: Context) -> int:
    return context.fresh().heads[WEB.layer].number


def level(context: Context) -> str:
    return str(json.loads(stored(context).get("log/level", '""')))


def await_level(context: Context, word: str) -> None:
    until(lambda: level(context) == word, 40)


def text(word: str) -> str:
    return f"log: {{level: {word}}}\nrate: 1.10\na: x\nb: x\n"


# --- once -------------------------------------------------------------------------------------------------


def test_once_makes_the_layer_equal_and_ends(run: Run, context: Context, folder: Path) -> None:
    settings.edit(context, WEB, Edit({"a": "x", "log/level": "debug", "OLD": "1"}))
    (folder / "README.md").write_text("words")
    (folder / "app.yaml~").write_text("a: y")
    result = run("sync", "web", str(folder), "--once")
    assert result.exit_code == 0, result.stderr
    assert stored(context) == BEGINNING
    assert "passed over, since the name tells no format: README.md\n" in result.stderr
    assert "nothing to change" in run("sync", "web", str(folder), "--once").stderr
    assert number(context) == 2


def test_a_dry_run_shows_what_would_change(run: Run, context: Context, folder: Path) -> None:
    settings.edit(context, WEB, Edit({"log/level": "debug"}))
    result = run("sync", "web", str(folder), "--dry-run")
    assert result.exit_code == 0
    assert "~ log/level = debug -> info" in result.stdout
    assert stored(context) == {"log/level": '"debug"'}


def test_two_files_that_give_one_key_are_refused_with_both_names(run: Run, context: Context, folder: Path) -> None:
    (folder / "more.toml").write_text("a = 1\n")
    result = run("sync", "web", str(folder), "--once")
    assert result.exit_code == Malformed.exit_code
    assert "a stands in app.yaml and in more.toml; keep one of them" in result.stderr


def test_a_directory_that_is_not_there_or_empty_takes_nothing_away(
    run: Run, context: Context, folder: Path, tmp_path: Path
) -> None:
    run("sync", "web", str(folder), "--once")
    gone = run("sync", "web", str(tmp_path / "nowhere"), "--once", "--force")
    assert (gone.exit_code, "cannot be read: No such file" in gone.stderr) == (Malformed.exit_code, True)
    (tmp_path / "empty").mkdir()
    empty = run("sync", "web", str(tmp_path / "empty"), "--once")
    assert (empty.exit_code, "gives no setting, and the layer has 6 keys" in empty.stderr) == (77, True)
    assert stored(context) == BEGINNING
    assert run("sync", "web", str(tmp_path / "empty"), "--once", "--force").exit_code == 0
    assert stored(context) == {}


def test_more_than_a_third_needs_force(run: Run, context: Context, folder: Path) -> None:
    run("sync", "web", str(folder), "--once")
    (folder / "app.yaml").unlink()
    assert run("sync", "web", str(folder), "--once").exit_code == Shrinks.exit_code
    assert run("sync", "web", str(folder), "--once", "--force").exit_code == 0


def test_waiting_is_for_once(run: Run, folder: Path) -> None:
    assert run("sync", "web", str(folder), "--wait").exit_code == 2


# --- following --------------------------------------------------------------------------------------------


def follow(start: Start, *flags: str, **more: Any) -> Syncing:
    sync = start(*flags, **more)
    sync.await_said("following it")
    return sync


@pytest.mark.parametrize("number_", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(start: Start, context: Context, folder: Path, number_: int) -> None:
    sync = follow(start)
    assert stored(context) == BEGINNING
    assert sync.stop(number_) == 0
    assert "stopped; the layer stays as it is" in sync.said
    assert "web in env dev: stored (change 1): +GREETING +LIMIT" in sync.said
    assert "hello" not in sync.said


def _rename(path: Path, content: str) -> None:
    new = path.with_name(".new")
    new.write_text(content)
    new.rename(path)


def _vim(path: Path, content: str) -> None:
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    path.write_text(content)
    backup.unlink()


@pytest.mark.parametrize("save", [_rename, Path.write_text, _vim], ids=["rename", "truncate", "backup"])
def test_each_save_of_an_editor_is_one_change_the_third_as_well_b155(
    start: Start, context: Context, folder: Path, save: Callable[[Path, str], Any]
) -> None:
    follow(start)
    for count, word in enumerate(("debug", "warn", "error"), 2):
        save(folder / "app.yaml", text(word))
        await_level(context, word)
        assert number(context) == count


def test_a_half_written_file_is_not_applied_b156(start: Start, context: Context, folder: Path) -> None:
    sync = follow(start)
    with (folder / "app.yaml").open("w") as file:
        file.write("log: {level: debug}\n")
        file.flush()
        (folder / "other.json").write_text('{"other": 1}')
        file.write("rate: 1.10\na: x\nb: x\n")
    await_level(context, "debug")
    assert number(context) == 2
    assert stored(context) == {**BEGINNING, "log/level": '"debug"', "other": "1"}
    assert "loses" not in sync.said


def test_a_file_that_does_not_parse_changes_nothing_until_it_does_b156(
    start: Start, context: Context, folder: Path
) -> None:
    sync = follow(start)
    (folder / "app.yaml").write_text("log: {level: debug\n")
    sync.await_said("app.yaml: line 2: this is no YAML")
    assert stored(context) == BEGINNING
    (folder / "app.yaml").write_text(text("debug"))
    await_level(context, "debug")
    assert number(context) == 2


def test_a_link_to_a_file_that_is_not_there_yet_is_awaited_b156(
    start: Start, context: Context, folder: Path, tmp_path: Path
) -> None:
    sync = follow(start)
    target = tmp_path / "elsewhere.json"
    (folder / "late.json").symlink_to(target)
    sync.await_said("late.json leads nowhere; the layer stays as it is until that is mended")
    target.write_text('{"late": true}')
    until(lambda: stored(context).get("late") == "true", 20)


def test_a_swapped_link_as_kubernetes_makes_it_is_one_change(start: Start, context: Context, folder: Path) -> None:
    for name, word in (("..one", "debug"), ("..two", "warn")):
        (folder / name).mkdir()
        (folder / name / "app.yaml").write_text(text(word))
        (folder / name / "more.json").write_text(f'{{"more": "{word}"}}')
    (folder / "..data").symlink_to("..one")
    (folder / "app.yaml").unlink()
    for name in ("app.yaml", "more.json"):
        (folder / name).symlink_to(f"..data/{name}")
    follow(start)
    assert level(context) == "debug"
    (folder / "..data_tmp").symlink_to("..two")
    (folder / "..data_tmp").rename(folder / "..data")
    await_level(context, "warn")
    assert (number(context), stored(context)["more"]) == (2, '"warn"')


def test_a_burst_is_one_change(start: Start, context: Context, folder: Path) -> None:
    follow(start)
    for index in range(200):
        (folder / f"f{index:03d}.json").write_text(f'{{"k{index}": {index}}}')
    until(lambda: len(stored(context)) == len(BEGINNING) + 200, 30)
    assert number(context) == 2


def test_a_file_that_goes_takes_its_keys_and_a_directory_that_goes_takes_none(
    start: Start, context: Context, folder: Path
) -> None:
    sync = follow(start)
    (folder / ".env").unlink()
    until(lambda: "GREETING" not in stored(context), 20)
    left = stored(context)
    shutil.rmtree(folder)
    sync.await_said("No such file or directory; the layer stays as it is until it is back")
    folder.mkdir()
    sync.await_said("the directory gives no setting, and the layer has 4 keys")
    assert stored(context) == left
    (folder / "app.yaml").write_text(text("debug"))
    await_level(context, "debug")
    (folder / "app.yaml").write_text(text("warn"))
    await_level(context, "warn")


def test_a_directory_that_is_replaced_is_followed(
    start: Start, context: Context, folder: Path, tmp_path: Path
) -> None:
    follow(start)
    new = tmp_path / "new"
    shutil.copytree(folder, new)
    (new / "app.yaml").write_text(text("debug"))
    folder.rename(tmp_path / "old")
    new.rename(folder)
    await_level(context, "debug")
    (folder / "app.yaml").write_text(text("warn"))
    await_level(context, "warn")


def test_what_others_change_is_set_back_but_not_for_ever(start: Start, context: Context, folder: Path) -> None:
    sync = follow(start)
    for count in (1, 2, 3):
        settings.edit(context, WEB, Edit({"log/level": f"by-hand-{count}", "NEW": "1"}))
        sync.await_said("changed by others, set back", count)
        assert stored(context) == BEGINNING
    assert changes.record(context, WEB.layer, number(context)).message == "sync: set back to the files"
    settings.edit(context, WEB, Edit({"log/level": "by hand"}))
    sync.await_said("others go on changing the layer; it is set back again in a while")
    assert level(context) == "by hand"
    (folder / "app.yaml").write_text(text("debug"))
    await_level(context, "debug")


def test_what_the_server_refuses_is_said_once_and_mended_by_the_next_save(
    start: Start, context: Context, folder: Path
) -> None:
    sync = follow(start)
    (folder / "limits.json").write_text('{"run/memory": "much"}')
    sync.await_said("run/memory")
    assert stored(context) == BEGINNING
    (folder / "limits.json").write_text('{"run/memory": "64m"}')
    until(lambda: "run/memory" in stored(context), 20)
    assert sync.said.count("it is tried again") == 1


def test_where_the_kernel_has_no_watches_left_it_looks_by_itself_b159(
    start: Start, context: Context, folder: Path
) -> None:
    space = ["unshare", "--user", "--map-root-user"]
    none = "echo 0 > /proc/sys/user/max_inotify_instances"
    sync = follow(start, prefix=[*space, "sh", "-c", f'{none}; exec "$@"', "sh"])
    assert "the kernel gives no more watches (fs.inotify.max_user_instances is reached" in sync.said
    for word in ("debug", "warn"):
        (folder / "app.yaml").write_text(text(word))
        await_level(context, word)


def test_the_last_state_wins_when_the_server_comes_back(start: Start, context: Context, folder: Path) -> None:
    with served(application(context, {"t": "admin"})) as address:
        sync = start(server=address)
        sync.await_said("following it")
    port = int(address.rpartition(":")[2])
    for word in ("debug", "warn"):
        (folder / "app.yaml").write_text(text(word))
    sync.await_said(f"no server answers at {address}")
    with served(application(context, {"t": "admin"}), port):
        await_level(context, "warn")
        assert number(context) == 2
        assert sync.stop() == 0


def test_a_secret_of_the_layer_is_left_to_the_store(run: Run, context: Context, folder: Path) -> None:
    """Put there by hand, since this server keeps none itself."""
    from confd.ports import Put

    secret = context.keyspace.settings(WEB.layer) + "password"
    context.wrote(context.store.commit([Put(secret, '{"$secret": {"v": 1}}')]))
    assert run("sync", "web", str(folder), "--once").exit_code == 0
    assert "password" in stored(context)
    (folder / "more.json").write_text('{"password": "x"}')
    refused = run("sync", "web", str(folder), "--once")
    assert "password: a secret of the store; take it out of the files" in refused.stderr


def test_nothing_is_changed_by_a_directory_that_does_not_rest(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from confd.cli import sync

    def changing(_folder: Path) -> Any:
        raise Unsteady

    monkeypatch.setattr(sync, "read_folder", changing)
    monkeypatch.setattr(sync, "QUIET_S", 0)
    assert "changes all the time" in run("sync", "web", str(folder), "--once").stderr


def test_a_server_that_is_away_is_told_once(start: Start, folder: Path, tmp_path: Path) -> None:
    sync = start(server=f"unix:{tmp_path}/nothing")
    sync.await_said("no server answers")
    thread = threading.Thread(target=sync.stop)
    thread.start()
    thread.join(20)
    assert sync.process.returncode == 0
    assert sync.said.count("no server answers") == 1
    assert Unavailable.exit_code == 69
