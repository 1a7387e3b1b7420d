"""A leader and the one in its network are made anew, one after the other, and cut off at every call."""

from __future__ import annotations

from typing import Any

import pytest

from confd.agent.apply import Work
from confd.agent.base import base_of
from confd.agent.following import Following
from confd.agent.healing import healer_for
from confd.agent.logs import KeptLogs
from confd.agent.observe import Labels, labels_of
from confd.agent.perform import Aides, acts_for
from confd.entries import LedgerEntry
from confd.errors import EngineRefused, Held
from confd.keys import App, Container, Env, Host, Key, Keyspace, Layer
from confd.ledger import Ledger
from confd.model import Binding, Reach, Resolved, Setting, Step
from confd.ports import Replacement
from confd.render import render
from confd.secret import DigestKey
from confd.stores.memory import MemoryStore
from confd.targets.memory import MemoryTarget, Program
from tests.support.cuts import Cut, CutOff
from tests.unit.agent.engine import Hurried

DEV, VPN, APP = Env("dev"), App("vpn"), App("app")
STEP = Step("recreate", Reach.NEW_CONTAINER, ())


def _following(target: Any, ledger: Ledger, clock: Hurried, **more: Any) -> Following:
    parts: dict[str, Any] = {
        "others": lambda: target.containers(""),
        "place": lambda inspect: (DEV, App(labels_of(inspect)["confd.app"])),
        "binding": lambda place: Binding(),
        "check": lambda place, reach, name: None,
        **more,
    }
    return Following(target, Labels(), ledger, clock, KeptLogs(target, clock), **parts)


class Pair:
    """A leader, and one in its network, which both run."""

    def __init__(self) -> None:
        self.target = MemoryTarget({"app:1": lambda inspect: Program()})
        self.ledger = Ledger(MemoryStore(), Keyspace(), Host("h1"))
        self.clock = Hurried()
        self.vpn = self._run(VPN, "bridge")
        self.app = self._run(APP, f"container:{self.vpn}")

    def _run(self, app: App, mode: str) -> Container:
        policy = {"Name": "always", "MaximumRetryCount": 0}
        body = {
            "Image": "app:1",
            "Cmd": ["run"],
            "Labels": {"confd.app": app},
            "HostConfig": {"NetworkMode": mode, "RestartPolicy": policy},
        }
        container = self.target.create(Replacement(app, body, {}))
        self.target.start(container)
        base = base_of(self.target.inspect(container), {})
        self.ledger.record_base(container, LedgerEntry(app, app, DEV, base))
        return container

    def recreate(self, target: Any, **more: Any) -> None:
        """The leader, with a new variable."""
        layer = Layer(DEV, VPN)
        setting = Setting(Key("A"), '"1"', False, layer, 5)
        rendered = render(
            Resolved(VPN, DEV, None, 5, {setting.key: setting}, {}, {}, {}), Binding(), DigestKey(b"0" * 32)
        )
        entry = self.ledger.entry(self.vpn)
        assert entry is not None

        def journal(note: Any) -> None:
            self.ledger.intent(self.vpn, {"actions": ["recreate"], **note})

        work = Work(self.target.inspect(self.vpn), entry, rendered, Binding(), journal)
        following = _following(target, self.ledger, self.clock, **more)
        new = acts_for(target, Labels(), self.clock, Aides(following=following))["recreate"](STEP, work)
        self.ledger.done(self.vpn, entry.applied, successor=self.ledger.as_before(self.vpn, new))

    def heal(self) -> None:
        healer = healer_for(
            self.target, self.ledger, self.clock, following=_following(self.target, self.ledger, self.clock)
        )
        for place in ((DEV, APP), (DEV, VPN), (DEV, APP)):
            healer(place, [])

    def assert_whole(self, point: str) -> None:
        leader, follower = (self.target.inspect(name) for name in (VPN, APP))
        assert len(self.target.containers("")) == 2, point
        assert [one["State"]["Running"] for one in (leader, follower)] == [True, True], point
        assert follower["HostConfig"]["NetworkMode"] == f"container:{leader['Id']}", point
        assert {one["HostConfig"]["RestartPolicy"]["Name"] for one in (leader, follower)} == {"always"}, point
        entries = self.ledger.entries()
        assert entries.keys() == {leader["Id"], follower["Id"]}, point
        assert all(one.intent is None for one in entries.values()), point
        assert leader["Id"] in entries[Container(follower["Id"])].base.options["network"], point


@pytest.mark.parametrize("done", [False, True])
def test_a_leader_and_its_follower_are_whole_after_a_crash_at_any_call_b72(done: bool) -> None:
    for at in range(1, 40):
        pair = Pair()
        cut: Any = CutOff(pair.target, at, done=done)
        try:
            pair.recreate(cut)
        except Cut:
            pair.heal()
            pair.heal()
        else:
            pair.assert_whole("the end")
            break
        pair.assert_whole(cut.point)
    assert at > 12


def test_a_follower_that_is_held_holds_its_leader() -> None:
    pair = Pair()

    def check(place: Any, reach: Reach, name: str) -> None:
        raise Held(f"{name} is frozen")

    with pytest.raises(Held, match="app is frozen"):
        pair.recreate(pair.target, check=check)
    assert pair.target.inspect(VPN)["Id"] == pair.vpn
    assert len(pair.target.containers("")) == 2


def test_a_follower_that_is_none_of_confd_s_holds_its_leader() -> None:
    pair = Pair()
    with pytest.raises(EngineRefused, match="none of confd's"):
        pair.recreate(pair.target, place=lambda inspect: None)
    assert pair.target.inspect(VPN)["Id"] == pair.vpn


class Looks:
    """A target that tells whom it was asked about."""

    def __init__(self, target: MemoryTarget) -> None:
        self._target = target
        self.seen: set[str] = set()

    def inspect(self, container: str) -> Any:
        self.seen.add(container)
        return self._target.inspect(container)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target, name)


@pytest.mark.parametrize("known", [True, False])
def test_who_does_not_follow_is_not_looked_at_once_it_is_known(known: bool) -> None:
    pair = Pair()
    others = [pair._run(App(f"other{number}"), "bridge") for number in range(3)]
    was = pair.target.containers("") if known else []
    looks = Looks(pair.target)
    pair.recreate(looks, others=lambda: was)
    assert looks.seen.isdisjoint(others) is known
    assert pair.target.inspect("app")["Id"] != pair.app
