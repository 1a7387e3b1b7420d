"""What every target tells of a container's output and of its own file system."""

from __future__ import annotations

import pytest

from tests.support.targets import EACH_TARGET, FAILS, SERVES, WRITES, Rig
from tests.support.wait import until

pytestmark = EACH_TARGET


def test_one_that_removes_itself_is_heard_to_its_end(rig: Rig) -> None:
    container = rig.create("gone", FAILS, host={"AutoRemove": True})
    with rig.target.listening(container) as heard:
        rig.target.start(container)
        until(lambda: not rig.target.containers(""), 10)
        assert heard() == "one\ntwo\n"


def test_one_that_keeps_its_logs_is_not_listened_to(rig: Rig) -> None:
    container = rig.create("stays", FAILS)
    with rig.target.listening(container) as heard:
        rig.target.start(container)
        rig.ends(container)
        assert heard() == ""


@pytest.mark.parametrize(("command", "changed"), [(SERVES, False), (WRITES, True)])
def test_what_it_has_written_outside_its_volumes_is_told(rig: Rig, command: list[str], changed: bool) -> None:
    container = rig.run("writes", command)
    assert ("/written" in rig.target.changes(container)) is changed
