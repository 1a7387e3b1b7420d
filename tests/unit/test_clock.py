from __future__ import annotations

import threading

from confd.clock import ManualClock, SystemClock


def test_the_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock()
    before = clock.utc()
    clock.advance(1.5)
    assert (clock.now(), before, clock.utc()) == (1.5, "2026-01-01T00:00:00.000Z", "2026-01-01T00:00:01.500Z")


def test_a_wait_ends_with_its_time_or_its_event() -> None:
    clock = ManualClock()
    event = threading.Event()
    ended: list[bool] = []
    thread = threading.Thread(target=lambda: ended.append(clock.wait(event, 5)))
    thread.start()
    clock.advance(5)
    while thread.is_alive():
        clock.advance(5)
        thread.join(0.01)
    assert ended == [False]
    event.set()
    assert clock.wait(event, None)


def test_the_system_clock_only_goes_on() -> None:
    clock = SystemClock()
    first = clock.now()
    assert not clock.wait(threading.Event(), 0.001)
    assert clock.now() > first
    assert clock.utc().endswith("Z")
