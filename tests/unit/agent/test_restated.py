"""A release whose digests have another formula, on containers of the release before: nothing is done to any.

So with the digests of another store's key. What has really changed meanwhile is still brought in.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from confd import secret
from confd.errors import EngineRefused
from confd.secret import Digest, DigestKey
from tests.unit.agent.test_reconcile import Host1, host

__all__ = ["host"]

SIGNAL = [{"keys": "**", "action": "signal", "signal": "HUP"}]
FILE = {"path": "/etc/web/app.json", "format": "json"}


def _digest_of(key: DigestKey, parts: Iterable[str]) -> Digest:
    code = hmac.new(key.key, digestmod=hashlib.sha512)
    for part in parts:
        code.update(part.encode() + b"\0")
    return Digest(f"v2:{code.hexdigest()[:40]}")


@pytest.fixture
def new_release(host: Host1, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have the agent end, and one of a release with another formula start."""

    def begin() -> None:
        monkeypatch.setattr(secret, "DIGEST_VERSION", "v2")
        monkeypatch.setattr(DigestKey, "digest_of", _digest_of)
        host.again()

    return begin


def mounted(host: Host1, folder: Path, **labels: str) -> None:
    host.engine.remove("web")
    host.engine.run("web", {"confd.app": "web", **labels}, Binds=[f"{folder}:/etc/web"])
    host.inventory.refresh()


def variables(host: Host1, folder: Path) -> None:
    host.put(LOG="debug", **{"run__memory": "64m"})


def files(host: Host1, folder: Path) -> None:
    mounted(host, folder)
    host.bind(variables={"exclude": ["**"]}, files=[FILE], on_change=SIGNAL)
    host.put(LOG="debug")


def restarts(host: Host1, folder: Path) -> None:
    mounted(host, folder)
    host.bind(files=[FILE])
    host.put(LOG="debug")


def arguments(host: Host1, folder: Path) -> None:
    host.bind(arguments={"--level": "LOG"})
    host.put(LOG="debug")


def shim(host: Host1, folder: Path) -> None:
    mounted(host, folder, **{"confd.shim": "http"})
    host.put(LOG="debug", **{"run__memory": "64m"})


def unset(host: Host1, folder: Path) -> None:
    host.put(LOG="debug", BASE="2")
    host.reconcile()
    host.put(BASE="3")


Scene = Callable[[Host1, Path], None]
every_scene = pytest.mark.parametrize("scene", [variables, files, restarts, arguments, shim, unset])


@every_scene
def test_another_formula_makes_nothing_act(
    host: Host1, tmp_path: Path, new_release: Callable[[], None], scene: Scene
) -> None:
    scene(host, tmp_path)
    assert host.reconcile()
    new_release()
    assert [host.reconcile() for _ in range(3)] == [[], [], []]
    assert [one["state"] for one in host.status()] == ["in-sync"]
    host.again()
    assert host.reconcile() == [], "and it is written down in the new one"
    assert "v1:" not in str([entry for entry in host.ledger.entries().values()])


@every_scene
def test_what_really_changes_is_brought_in_by_the_new_release(
    host: Host1, tmp_path: Path, new_release: Callable[[], None], scene: Scene
) -> None:
    scene(host, tmp_path)
    host.reconcile()
    new_release()
    host.reconcile()
    shown = "run__memory" if scene is shim else "LOG"
    host.put(**{shown: "128m"})
    assert host.reconcile()
    assert host.reconcile() == []


@every_scene
def test_what_changed_while_no_agent_ran_is_brought_in_by_the_new_release(
    host: Host1, tmp_path: Path, new_release: Callable[[], None], scene: Scene
) -> None:
    scene(host, tmp_path)
    host.reconcile()
    host.put(**{"run__memory" if scene is shim else "LOG": "128m"})
    new_release()
    assert host.reconcile()
    assert host.reconcile() == []


def test_what_failed_for_good_is_not_tried_again_by_the_new_release(
    host: Host1, new_release: Callable[[], None]
) -> None:
    host.put(LOG="debug")
    host.engine.fault = EngineRefused("exec format error")
    host.reconcile()
    host.engine.fault = None
    new_release()
    assert [host.reconcile() for _ in range(3)] == [[], [], []]
    assert [one["state"] for one in host.status()] == ["failed"]
    host.put(LOG="info")
    assert host.reconcile() == [("recreate", "/web")]


def test_arguments_whose_key_was_unset_while_no_agent_ran_are_taken_away(
    host: Host1, new_release: Callable[[], None]
) -> None:
    arguments(host, Path())
    host.reconcile()
    host.bind()
    new_release()
    assert host.reconcile() == [("recreate", "/web")]
    (inspect,) = host.engine.all().values()
    assert inspect["Config"]["Cmd"] == ["run"]
    assert host.reconcile() == []
