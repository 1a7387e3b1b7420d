"""Splay: drawn once, within its bound, spread over it."""

from __future__ import annotations

import random

from confd.agent.pace import Splay
from confd.clock import ManualClock
from confd.keys import App, Env

PLACE = (Env("prod"), App("web"))


def test_twenty_hosts_follow_a_change_spread_over_the_splay_b105() -> None:
    clock, draw = ManualClock(), random.Random(7).random
    waits = [Splay(clock, draw).left_s(PLACE, 30.0) for _ in range(20)]
    assert all(0 <= wait < 30 for wait in waits)
    assert len({int(wait // 6) for wait in waits}) == 5  # some in each fifth of it


def test_the_wait_is_drawn_once_for_all_changes_until_it_is_over() -> None:
    clock, draws = ManualClock(), iter([0.5, 0.1])
    splay = Splay(clock, lambda: next(draws))
    assert splay.left_s(PLACE, 30.0) == 15.0
    clock.advance(10)
    assert splay.left_s(PLACE, 30.0) == 5.0
    clock.advance(5)
    assert splay.left_s(PLACE, 30.0) == 0.0
    splay.over(PLACE)
    assert splay.left_s(PLACE, 30.0) == 3.0


def test_a_splay_that_was_made_shorter_meanwhile_holds() -> None:
    splay = Splay(ManualClock(), lambda: 0.9)
    assert splay.left_s(PLACE, 100.0) == 90.0
    assert splay.left_s(PLACE, 2.0) == 2.0
    assert splay.left_s(PLACE, 0.0) == 0.0
