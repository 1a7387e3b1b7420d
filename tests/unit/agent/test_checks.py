"""Checks of staged files on an engine in memory: what is asked of the engine, what is told, and what is left."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from confd.actions.files import Staged, replace_all, staged
from confd.agent.checks import Checks
from confd.agent.inventory import Inventory
from confd.agent.observe import Labels
from confd.errors import CheckFailed, EngineRefused
from confd.keys import App, Env, Key
from confd.model import FileCheck, RenderedFile, Select
from confd.ports import Inspect, Replacement
from confd.secret import Digest
from confd.targets.memory import MemoryTarget, Program
from tests.unit.agent.engine import Hurried

TOOLS: Mapping[str, tuple[int, str] | None] = {"fine": (0, ""), "bad": (3, "one\npassword s3cr3t\n"), "slow": None}
PROGRAMS = {"fine": Program(exits=0), "bad": Program(exits=3, says="one\npassword s3cr3t\n"), "slow": Program()}


def _program(inspect: Inspect) -> Program:
    entry = (inspect["Config"].get("Entrypoint") or [""])[0]
    return PROGRAMS.get(entry, Program(tools=TOOLS, found=entry != "missing"))


class Bench:
    """An app's container with a mounted folder, and what checks its files."""

    def __init__(self, folder: Path) -> None:
        self.target = MemoryTarget()
        self.target.pull("app:1", _program, {"Volumes": {"/data": {}, "/etc/app": {}}})
        self.checks = Checks(self.target, Labels(), Hurried())
        body = {
            "Image": "app:1",
            "Cmd": ["run"],
            "User": "7",
            "Labels": {},
            "HostConfig": {"Binds": [f"{folder}:/etc/app"]},
        }
        self.container = self.target.create(Replacement("web", body, {}))
        self.target.start(self.container)

    @property
    def inspect(self) -> Inspect:
        return self.target.inspect(self.container)

    def names(self) -> list[str]:
        return [str(one["Name"]) for one in self.target.containers("")]

    def run(self, word: str, *, in_image: bool = False) -> None:
        self.checks.run(self.inspect, STAGED, FileCheck((word, "{file}"), in_image, 1.0))


FILE = RenderedFile("/etc/app/a.conf", "x", 0o644, None, Digest("v1:x"), (Key("x"),), secrets=("s3cr3t",))
STAGED = Staged(FILE, "a.conf", ".confd-1-a.conf", -1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("in_image", [False, True])
def test_a_check_that_ends_well_says_nothing_and_leaves_nothing(bench: Bench, in_image: bool) -> None:
    bench.run("fine", in_image=in_image)
    assert bench.names() == ["/web"]


@pytest.mark.parametrize("in_image", [False, True])
@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("bad", "its check bad ended with 3, its last words: password ********"),
        ("slow", "slow took longer than 1 s"),
    ],
)
def test_one_that_does_not_is_told_without_secrets(bench: Bench, word: str, says: str, in_image: bool) -> None:
    with pytest.raises(CheckFailed) as failed:
        bench.run(word, in_image=in_image)
    assert failed.value.detail.startswith("/etc/app/a.conf was not replaced: ")
    assert says in failed.value.detail
    assert "s3cr3t" not in failed.value.detail + failed.value.log
    assert bench.names() == ["/web"]


def test_a_program_that_the_image_has_not_is_a_refusal(bench: Bench) -> None:
    with pytest.raises(CheckFailed, match="missing cannot be run"):
        bench.run("missing", in_image=True)
    assert bench.names() == ["/web"]


def test_one_in_the_image_has_the_folder_alone(bench: Bench) -> None:
    body: Any = bench.checks._body(bench.inspect, FILE.path, ["fine"])
    host = body["HostConfig"]
    assert [(one["Target"], one["ReadOnly"]) for one in host["Mounts"]] == [("/etc/app", True)]
    assert (host["NetworkMode"], body["User"], host["Tmpfs"]) == ("none", "7", {"/data": ""})
    assert body["Labels"] == {"confd.check": bench.container, "confd.app": ""}


def test_no_binding_chooses_it(bench: Bench) -> None:
    body = bench.checks._body(bench.inspect, FILE.path, ["slow"])
    bench.target.start(bench.target.create(Replacement("confd-check-x", {**body, "Image": "app:1"}, {})))
    inventory = Inventory(bench.target, Env("dev"), Labels())
    inventory.refresh()
    inventory.choose({Env("dev"): {App("web"): Select(name="confd-check-*")}})
    assert inventory.places() == set()


def test_a_stopped_container_is_checked_for_in_its_image(bench: Bench) -> None:
    bench.target.stop(bench.container, 0)
    with pytest.raises(CheckFailed, match="ended with 3"):
        bench.run("bad")


def test_what_a_crash_has_left_goes_with_the_next_check_and_with_a_sweep(bench: Bench) -> None:
    def leave() -> None:
        body = bench.checks._body(bench.inspect, FILE.path, ["slow"])
        name = f"confd-check-{bench.container[:12]}"
        bench.target.start(bench.target.create(Replacement(name, body, {})))

    leave()
    bench.run("fine", in_image=True)
    assert bench.names() == ["/web"]
    leave()
    own = {"Image": "app:1", "Cmd": ["run"], "Labels": {"confd.check": "no"}, "HostConfig": {}}
    bench.target.create(Replacement("mine", own, {}))
    bench.checks.sweep()
    assert sorted(bench.names()) == ["/mine", "/web"]


# --- files ------------------------------------------------------------------------------------------------------


def _file(name: str, content: str) -> RenderedFile:
    return RenderedFile(f"/etc/app/{name}", content, 0o640, None, Digest("v1:x"), (Key("x"),))


def _replace(folder: Path, **contents: str) -> None:
    with staged([(folder / name, _file(name, text)) for name, text in contents.items()]) as files:
        replace_all(files)


def test_files_take_their_places_together_and_nothing_stays_beside_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    _replace(tmp_path, a="1", b="2")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "1", "b": "2"}
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_where_one_cannot_be_replaced_the_others_are_as_before(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "c").mkdir()
    with pytest.raises(EngineRefused, match="/etc/app/c: cannot be written"):
        _replace(tmp_path, a="1", b="2", c="3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "c"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_staged_file_is_seen_beside_its_place_and_goes_with_the_block(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("old")
    with staged([(tmp_path / "a.conf", _file("a.conf", "new"))]) as (one,):
        beside = tmp_path / Path(one.inside).name
        assert (beside.read_text(), beside.suffix) == ("new", ".conf")
        assert Path(one.inside).parent == Path("/etc/app")
        assert (tmp_path / "a.conf").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.conf"]


def test_what_a_crash_has_left_beside_a_file_goes_with_the_next_write(tmp_path: Path) -> None:
    for name in (".confd-0123456789ab-a", ".confd-0123456789ab-b", ".confd-mine-a"):
        (tmp_path / name).write_text("left")
    _replace(tmp_path, a="1")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".confd-0123456789ab-b", ".confd-mine-a", "a"]


def test_a_folder_that_is_a_link_by_then_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    _replace(tmp_path / "real", a="1")
    (tmp_path / "file").write_text("")
    with pytest.raises(EngineRefused, match="cannot be written on the host"):
        _replace(tmp_path / "file", a="1")
