"""`confctl backup`, `restore` and `find`: files, what is said, and what is asked of the server."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import pytest

from confd.backups import Backup, Head, Record, lines_of
from tests.cli.conftest import Confctl, Server

HEAD = Head("/confd", 9, "2026-11-28T10:00:00.000Z", "0.1.0", 2)
TEXT = "".join(lines_of(Backup(HEAD, [Record("meta", 1, "{}"), Record("envs/dev/settings/web/A", 2, "1")])))
FOUND = {
    "revision": 5,
    "entries": 2,
    "settings": 1,
    "differ": 1,
    "differences": [{"layer": "dev/web", "key": "A", "action": "add"}],
    "replaces": 0,
    "unfinished": False,
}
DONE = '{"written": 1, "of": 2}\n{"written": 2, "of": 2, "entries": 2, "revision": 7}\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "b.jsonl").write_text(TEXT)
    return tmp_path / "b.jsonl"


def test_a_backup_is_its_owners_alone_and_packed_by_its_name(run: Confctl, server: Server, tmp_path: Path) -> None:
    server.answers["GET /v1/backup"] = TEXT
    for name in ("b.jsonl", "b.jsonl.gz"):
        (tmp_path / name).write_text("of yesterday")
        done = run("backup", str(tmp_path / name))
        assert (done.exit_code, "2 keys of /confd at revision 9" in done.stderr) == (0, True)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert (tmp_path / "b.jsonl").read_text() == TEXT
    assert gzip.decompress((tmp_path / "b.jsonl.gz").read_bytes()).decode() == TEXT
    assert run("backup", "-").stdout == TEXT


@pytest.mark.parametrize("answer", [TEXT[:-90], (503, {"code": "unavailable", "detail": "away"})])
def test_a_backup_that_does_not_come_whole_leaves_no_file(
    run: Confctl, server: Server, tmp_path: Path, answer: object
) -> None:
    server.answers["GET /v1/backup"] = answer
    (tmp_path / "b.jsonl").write_text("of yesterday")
    assert run("backup", str(tmp_path / "b.jsonl")).exit_code in (65, 69)
    assert [one.name for one in tmp_path.iterdir()] == ["b.jsonl"]
    assert (tmp_path / "b.jsonl").read_text() == "of yesterday"


def test_a_place_that_cannot_be_written_is_named(run: Confctl, server: Server, tmp_path: Path) -> None:
    server.answers["GET /v1/backup"] = TEXT
    done = run("backup", str(tmp_path / "none" / "b.jsonl"))
    assert (done.exit_code, "cannot be written: No such file" in done.stderr) == (77, True)


def test_keys_that_are_no_text_are_told(run: Confctl, server: Server) -> None:
    odd = Backup(HEAD, [Record("meta", 1, "{}"), Record("\udcff", 2, "")])
    server.answers["GET /v1/backup"] = "".join(lines_of(odd))
    assert "1 key below the prefix is no text" in run("backup", "-").stderr


def test_restore_shows_first_and_then_tells_how_far_it_is(run: Confctl, server: Server, file: Path) -> None:
    server.answers["POST /v1/restore"] = [json.dumps(FOUND), DONE]
    done = run("restore", str(file), "--yes")
    assert (done.exit_code, "dev/web  A    add" in done.stdout) == (0, True)
    assert "1 of 2\n2 of 2\nrestored 2 keys (revision 7)" in done.stderr
    assert [one["query"] for one in server.seen] == ["dry_run=true", "yes=true"]
    assert {one["body"] for one in server.seen} == {TEXT}


def test_a_dry_run_asks_once_and_a_packed_file_is_unpacked(run: Confctl, server: Server, file: Path) -> None:
    server.answers["POST /v1/restore"] = {**FOUND, "differ": 300, "unfinished": True}
    file.write_bytes(gzip.compress(TEXT.encode()))
    done = run("restore", str(file), "--dry-run")
    assert (len(server.seen), server.seen[0]["body"]) == (1, TEXT)
    for words in ("dry run: nothing is written", "the first 1 are shown", "left unfinished"):
        assert words in done.stderr
    assert run("restore", str(file), "--dry-run", "-o", "json").stdout.startswith("{")


def test_what_is_there_is_saved_beside_the_file_before_it_goes(run: Confctl, server: Server, file: Path) -> None:
    server.answers["POST /v1/restore"] = [json.dumps({**FOUND, "replaces": 3}), DONE]
    server.answers["GET /v1/backup"] = TEXT
    done = run("restore", str(file), "--replace", "--yes")
    assert done.exit_code == 0
    assert "3 keys would go" in done.stderr
    saved = file.with_name("b.jsonl.replaced-5.gz")
    assert gzip.decompress(saved.read_bytes()).decode() == TEXT
    assert [one["query"] for one in server.seen] == ["dry_run=true", "", "yes=true&replace=9"]


def test_an_error_on_the_way_and_an_early_end_are_told(run: Confctl, server: Server, file: Path) -> None:
    problem = '{"code": "conflict", "status": 409, "detail": "somebody wrote"}\n'
    for end, code, words in ((problem, 75, "somebody wrote"), ("", 69, "ended before the store was whole")):
        server.answers["POST /v1/restore"] = [json.dumps(FOUND), DONE.splitlines()[0] + "\n" + end]
        done = run("restore", str(file), "--yes")
        assert (done.exit_code, words in done.stderr) == (code, True)


def test_a_file_that_is_none_never_reaches_the_server(run: Confctl, server: Server, file: Path) -> None:
    for content in (TEXT[:-90].encode(), b"A=1\n", gzip.compress(TEXT.encode())[:-9]):
        file.write_bytes(content)
        assert run("restore", str(file), "--yes").exit_code == 65
    assert run("restore", str(file) + ".none", "--yes").exit_code == 65
    assert server.seen == []


def test_find_asks_what_it_is_told_and_says_where_to_go_on(run: Confctl, server: Server) -> None:
    one = {"env": "dev", "app": "web", "host": None, "key": "A", "value": 1, "layer": "dev/web", "change": 2}
    server.answers["GET /v1/find"] = {"settings": [one], "truncated": True, "next": "dev|web||A"}
    done = run("find", "A*", "--value", "--effective", "--app", "web", "-e", "dev", "--host", "h1", "--after", "x")
    assert "dev  web  -     A    1      dev/web  2" in done.stdout
    assert "go on with --after 'dev|web||A'" in done.stderr
    assert server.seen[0]["query"] == "value=A%2A&limit=100&env=dev&app=web&host=h1&effective=true&after=x"


def test_find_takes_no_env_of_the_surroundings(
    run: Confctl, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONFD_ENV", "prod")
    server.answers["GET /v1/find"] = {"settings": [], "truncated": False, "next": None}
    assert "0 settings found" in run("find", "A").stderr
    assert server.seen[0]["query"] == "key=A&limit=100"
