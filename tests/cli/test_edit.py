"""`confctl edit` with editors that are programs, and a whole API behind it."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from confd.api.asgi import application
from confd.cli.program import confctl
from confd.errors import Configuration, Invalid, Malformed, NeedsYes, Shrinks, Unavailable
from confd.keys import App, Env, Host, Layer
from confd.ports import Put
from confd.services import changes, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.live import served

WEB = Scope(Env("dev"), App("web"))
Run = Callable[..., Result]
Editor = Callable[..., None]


@pytest.fixture
def context() -> Iterator[Context]:
    with context_on(MemoryStore()) as made:
        settings.edit(made, WEB, Edit({"LOG_LEVEL": "info", "rate": 1.5, "log/file": "x", "d": {"e": 1}, "f": 1}))
        yield made


@pytest.fixture
def run(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """confctl with a whole API behind it."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("CONFD_TOKEN", "t")
    monkeypatch.setenv("CONFD_ENV", "dev")
    monkeypatch.delenv("VISUAL", raising=False)
    with served(application(context, {"t": "admin"})) as address:
        monkeypatch.setenv("CONFD_SERVER", address)
        yield lambda *args: CliRunner().invoke(confctl, ["edit", "web", *args])
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    """The editor does one of these each time it is opened, the last one again and again; it keeps what it saw."""

    def made(*scripts: str) -> None:
        lines = [f"  {index}) {script} ;;" for index, script in enumerate(scripts[:-1], 1)]
        text = ["#!/bin/sh", 'for file; do :; done; n=$(ls "$0".saw-* 2>/dev/null | wc -l); n=$((n + 1))']
        text += ['cp "$file" "$0.saw-$n"', "case $n in", *lines, f"  *) {scripts[-1]} ;;", "esac"]
        (tmp_path / "an editor").write_text("\n".join(text))
        (tmp_path / "an editor").chmod(0o755)
        monkeypatch.setenv("EDITOR", f"'{tmp_path}/an editor' --wait")

    return made


def saw(tmp_path: Path, time: int = 1) -> str:
    return (tmp_path / f"an editor.saw-{time}").read_text()


def stored(context: Context, host: str | None = None) -> dict[str, str]:
    layer = Layer(WEB.env, WEB.app, Host(host) if host else None)
    return {key: entry.text for key, entry in context.fresh().layers.get(layer, {}).items()}


BEGINNING = {"LOG_LEVEL": '"info"', "rate": "1.5", "log/file": '"x"', "d": '{"e":1}', "f": "1"}


def kept(result: Result) -> Path:
    found = re.search(r"your text is kept in (\S+)", result.stderr)
    assert found is not None, result.stderr
    return Path(found[1])


def left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "tmp").iterdir())


def test_what_is_saved_is_stored_and_a_line_that_is_taken_out_is_unset(
    run: Run, context: Context, editor: Editor, tmp_path: Path
) -> None:
    editor("""sed -i 's/info/debug/; /^f:/d; $aNEW: 1.10' "$file" """)
    result = run("--yes", "-m", "why")
    assert result.exit_code == 0, result.stderr
    assert stored(context) == {
        **{k: v for k, v in BEGINNING.items() if k != "f"},
        "LOG_LEVEL": '"debug"',
        "NEW": "1.10",
    }
    assert changes.record(context, WEB.layer, 2).message == "why"
    assert "~ LOG_LEVEL = info -> debug\n+ NEW = 1.10\n- f = 1\n" in result.stdout
    assert "web in env dev: stored, not yet in effect (change 2" in result.stderr
    assert saw(tmp_path).startswith("#: web in env dev, as of change 1, revision ")
    assert left(tmp_path) == []


@pytest.mark.parametrize("script", ["true", ': > "$file"', 'echo "# only words" >> "$file"'])
def test_nothing_is_stored_where_nothing_changed(run: Run, context: Context, editor: Editor, script: str) -> None:
    editor(script)
    result = run("--yes")
    assert (result.exit_code, result.stderr) == (0, "nothing changed, and nothing was stored\n")
    assert stored(context) == BEGINNING


def test_a_layer_that_is_empty_is_edited_too(run: Run, context: Context, editor: Editor) -> None:
    editor('echo "LOG_LEVEL: trace" >> "$file"')
    assert run("--yes", "--host", "h1").exit_code == 0
    assert stored(context, "h1") == {"LOG_LEVEL": '"trace"'}


def test_the_text_may_be_json(run: Run, context: Context, editor: Editor, tmp_path: Path) -> None:
    editor("""sed -i 's/"info"/{"a": [1.10]}/' "$file" """)
    assert run("--yes", "--format", "json").exit_code == 0
    assert stored(context) == {**BEGINNING, "LOG_LEVEL": '{"a":[1.10]}'}
    assert '{\n  "LOG_LEVEL": "info",' in saw(tmp_path)


def test_a_dry_run_shows_and_stores_nothing(run: Run, context: Context, editor: Editor) -> None:
    editor('sed -i s/info/debug/ "$file"')
    result = run("--dry-run")
    assert (result.exit_code, result.stdout) == (0, "~ LOG_LEVEL = info -> debug\n")
    assert stored(context) == BEGINNING


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("'a: ['", r"NOT STORED: line \d+: this is no YAML"),
        ("'run/memory: much'", r"NOT STORED: .*memory.*"),
        ("'a b: 1'", r"NOT STORED: key 'a b'"),
    ],
)
def test_what_is_wrong_is_shown_above_the_text_which_is_opened_again(
    run: Run, context: Context, editor: Editor, *, tmp_path: Path, wrong: str, words: str
) -> None:
    editor(f'sed -i s/info/debug/ "$file"; echo {wrong} >> "$file"', "sed -i '$d' \"$file\"")
    result = run("--yes")
    assert result.exit_code == 0, result.stderr
    assert stored(context) == {**BEGINNING, "LOG_LEVEL": '"debug"'}
    head, _, body = saw(tmp_path, 2).partition('LOG_LEVEL: "debug"')
    assert re.search(words, head)
    assert wrong.strip("'") in body


def test_the_line_that_is_told_is_the_line_of_the_text(run: Run, editor: Editor, tmp_path: Path) -> None:
    editor("echo 'rate: 2' >> \"$file\"", "true")
    result = run("--yes")
    assert result.exit_code == Malformed.exit_code
    text = kept(result).read_text()
    number = int(re.findall(r"line (\d+): 'rate' stands again", result.stderr)[0])
    assert saw(tmp_path).splitlines()[-1].startswith("rate")
    assert number == len(saw(tmp_path).splitlines()) + 1
    assert text.endswith("rate: 2\n")


def test_a_text_that_stays_wrong_is_given_up_and_kept(run: Run, context: Context, editor: Editor) -> None:
    editor("echo 'run/memory: much' >> \"$file\"", "true")
    result = run("--yes")
    assert result.exit_code == Invalid.exit_code
    assert "run/memory: much" in kept(result).read_text()
    assert stored(context) == BEGINNING


def test_an_editor_without_anybody_at_it_is_not_opened_for_ever(
    run: Run, context: Context, editor: Editor, tmp_path: Path
) -> None:
    editor("echo 'run/memory: much' >> \"$file\"")
    result = run("--yes")
    assert "'run/memory' stands again" in result.stderr
    assert len(list(tmp_path.glob("an editor.saw-*"))) == 4
    assert kept(result).read_text().count("run/memory: much") == 4


def test_what_others_changed_meanwhile_is_shown_and_nothing_is_lost(
    run: Run, context: Context, editor: Editor, tmp_path: Path
) -> None:
    meanwhile = f"{sys.executable} -m confd.cli set web LOG_LEVEL=theirs f=theirs OTHER=1 -e dev > /dev/null 2>&1"
    editor(f"sed -i 's/info/mine/; s/^rate: .*/rate: 2/' \"$file\"; {meanwhile}", "true")
    result = run("--yes")
    assert result.exit_code == 0, result.stderr
    assert stored(context) == {
        **BEGINNING,
        "LOG_LEVEL": '"mine"',
        "rate": "2",
        "f": '"theirs"',
        "OTHER": '"1"',
    }
    second = saw(tmp_path, 2)
    assert "#:   LOG_LEVEL: info -> theirs" in second
    assert "#: Of what you changed too, yours stands below: LOG_LEVEL" in second
    assert 'OTHER: "1"' in second
    assert "others changed the layer meanwhile" in result.stderr


def test_a_secret_is_masked_and_stays(run: Run, context: Context, editor: Editor, tmp_path: Path) -> None:
    """Put there by hand, since this server keeps none itself."""
    secret = context.keyspace.settings(WEB.layer) + "password"
    context.wrote(context.store.commit([Put(secret, '{"$secret": {"v": 1}}')]))
    editor('sed -i s/info/debug/ "$file"')
    assert run("--yes").exit_code == 0
    assert stored(context)["password"] == '{"$secret": {"v": 1}}'
    assert "#: ******** is a secret, which stays as it is: password" in saw(tmp_path)
    assert 'password: "********"' in saw(tmp_path)


def test_an_editor_that_fails_stores_nothing_and_keeps_the_text(run: Run, context: Context, editor: Editor) -> None:
    editor('sed -i s/info/debug/ "$file"; exit 3')
    result = run("--yes")
    assert result.exit_code == Configuration.exit_code
    assert "ended with 3; nothing was stored" in result.stderr
    assert "debug" in kept(result).read_text()
    assert stored(context) == BEGINNING


def test_an_editor_that_fails_before_anything_was_written_leaves_nothing(
    run: Run, editor: Editor, tmp_path: Path
) -> None:
    editor("exit 1")
    assert "kept" not in run("--yes").stderr
    assert left(tmp_path) == []


def test_bytes_that_are_no_text_are_kept(run: Run, editor: Editor) -> None:
    editor("printf 'a: \\377' > \"$file\"")
    result = run("--yes")
    assert "the text is not UTF-8 (byte 3)" in result.stderr
    assert kept(result).read_bytes() == b"a: \xff"


def test_a_server_that_goes_away_meanwhile_costs_no_text(
    run: Run, editor: Editor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from confd.cli import edit

    def gone(*_: object) -> None:
        raise Unavailable("no server answers")

    editor('sed -i s/info/debug/ "$file"')
    monkeypatch.setattr(edit._Session, "_stored", gone)
    result = run("--yes")
    assert result.exit_code == Unavailable.exit_code
    assert "debug" in kept(result).read_text()


def test_many_keys_that_go_need_force_and_the_text_is_kept(run: Run, context: Context, editor: Editor) -> None:
    editor("echo '{}' > \"$file\"")
    result = run("--yes")
    assert result.exit_code == Shrinks.exit_code
    assert kept(result).read_text() == "{}\n"
    assert run("--yes", "--force").exit_code == 0
    assert stored(context) == {}


def test_without_a_terminal_it_says_what_to_do(run: Run, editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    editor("true")
    result = run()
    assert (result.exit_code, "confirm with --yes, or look with --dry-run" in result.stderr) == (2, True)
    for name, words in (("no-such-editor", "There is no editor 'no-such-editor'"), ("'", "is no command")):
        monkeypatch.setenv("EDITOR", name)
        result = run("--yes")
        assert (result.exit_code, words in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("answers", "code", "level", "opened"),
    [("y", 0, "debug", 1), ("n", NeedsYes.exit_code, "info", 1), ("ey", 0, "debug", 2), ("\x04", 130, "info", 1)],
)
def test_on_a_terminal_it_asks(
    run: Run, context: Context, editor: Editor, *, tmp_path: Path, answers: str, code: int, level: str, opened: int
) -> None:
    editor('sed -i s/info/debug/ "$file"')
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "confd.cli", "edit", "web"], stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    seen = b""
    for answer in answers:
        asked = seen.count(b"edit again?") + 1
        while seen.count(b"edit again?") < asked:
            seen += os.read(controller, 1000)
        os.write(controller, answer.encode() + (b"" if answer == "\x04" else b"\n"))
    assert process.wait(20) == code
    os.close(controller)
    assert stored(context)["LOG_LEVEL"] == f'"{level}"'
    assert b"~ LOG_LEVEL = info -> debug" in seen
    assert len(list(tmp_path.glob("an editor.saw-*"))) == opened
