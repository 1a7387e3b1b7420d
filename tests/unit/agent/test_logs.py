"""What a container said last, kept on its host for a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from confd.agent.logs import KeptLogs, LastWords, Room
from confd.clock import ManualClock
from confd.model import KeepLogs
from confd.ports import Replacement
from confd.targets.memory import MemoryTarget, Program

SAID = "".join(f"line {n}\n" for n in range(100))
KEEP = KeepLogs(60, 3600.0)


@pytest.fixture
def target() -> MemoryTarget:
    made = MemoryTarget({"app:1": lambda inspect: Program(says=SAID)})
    for name in ("web", "api"):
        made.start(made.create(Replacement(name, {"Image": "app:1", "Cmd": ["run"]}, {})))
    return made


def test_the_lines_asked_for_go_into_a_file_that_only_the_agent_reads(target: MemoryTarget, tmp_path: Path) -> None:
    container = str(target.inspect("web")["Id"])
    words = KeptLogs(target, ManualClock(), tmp_path / "logs").last_words(container, "web", KEEP)
    file = tmp_path / "logs" / f"web-{container[:12]}-20260101T000000.000Z.log"
    assert words.file == str(file)
    assert words.text.splitlines()[0] == "line 40"
    head, *lines = file.read_text().splitlines()
    assert head == "# confd keeps this until 2026-01-01T01:00:00.000Z"
    assert lines == SAID.splitlines()[40:]
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("keep", [KeepLogs(0), KEEP])
def test_without_a_folder_or_lines_to_keep_nothing_is_written(
    target: MemoryTarget, tmp_path: Path, keep: KeepLogs
) -> None:
    folder = None if keep.lines else tmp_path
    words = KeptLogs(target, ManualClock(), folder).last_words("web", "web", keep)
    assert (words.text.splitlines()[0], words.file) == ("line 70", "")
    assert list(tmp_path.iterdir()) == []


def test_a_container_that_cannot_be_read_gives_nothing(target: MemoryTarget, tmp_path: Path) -> None:
    assert KeptLogs(target, ManualClock(), tmp_path).last_words("none", "none", KEEP) == LastWords("")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_costs_the_file_alone(target: MemoryTarget, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("in the way")
    kept = KeptLogs(target, ManualClock(), tmp_path / "logs")
    assert kept.last_words("web", "web", KEEP).text.startswith("line 40")
    kept.clear()


def test_files_go_when_their_time_is_over_and_others_stay(target: MemoryTarget, tmp_path: Path) -> None:
    clock = ManualClock()
    kept = KeptLogs(target, clock, tmp_path)
    (tmp_path / "mine.log").write_text("somebody's own\n")
    old = kept.last_words("web", "web", KEEP).file
    clock.advance(1800)
    young = kept.last_words("web", "web", KEEP).file
    clock.advance(1800)
    kept.clear()
    assert (Path(old).exists(), Path(young).exists(), (tmp_path / "mine.log").exists()) == (False, True, True)


@pytest.mark.parametrize("room", [Room(files=3), Room(size=3 * 700)])
def test_the_oldest_go_where_there_are_too_many(target: MemoryTarget, tmp_path: Path, room: Room) -> None:
    clock = ManualClock()
    kept = KeptLogs(target, clock, tmp_path, room)
    files = []
    for name in ("web", "api", "web", "api", "web"):
        files.append(Path(kept.last_words(name, name, KEEP).file))
        clock.advance(1)
    assert [file.exists() for file in files] == [False, False, True, True, True]


def test_what_nobody_is_to_see_is_kept_nowhere(target: MemoryTarget, tmp_path: Path) -> None:
    kept = KeptLogs(target, ManualClock(), tmp_path)
    kept.mask = lambda text: text.replace("line 99", "********")
    words = kept.last_words("web", "web", KEEP)
    assert words.text.endswith("line 98\n********\n")
    assert "line 99" not in Path(words.file).read_text()
