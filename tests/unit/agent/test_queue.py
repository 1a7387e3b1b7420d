from __future__ import annotations

import threading

import pytest

from confd.agent.queue import LONGEST_PAUSE_S, Queue, Waiting
from confd.clock import ManualClock, SystemClock


def make() -> tuple[Queue[str], ManualClock]:
    clock = ManualClock()
    return Queue(clock, jitter=lambda: 1.0), clock


def runs(queue: Queue[str], clock: ManualClock, seconds: int, step: float = 0.1) -> int:
    count = 0
    for _ in range(round(seconds / step)):
        clock.advance(step)
        if queue.take() is not None:
            queue.done("web")
            count += 1
    return count


def test_a_key_without_debounce_is_due_at_once() -> None:
    queue, _ = make()
    queue.add("web", fresh=True)
    assert queue.take() == "web"
    assert queue.take() is None


def test_many_adds_are_one_run() -> None:
    queue, _ = make()
    for _ in range(10):
        queue.add("web", fresh=True)
    assert queue.take() == "web"
    queue.done("web")
    assert queue.take() is None


def test_ten_changes_within_a_second_act_once_after_the_quiet_time_b103() -> None:
    queue, clock = make()
    for _ in range(10):
        queue.add("web", min_s=2, max_s=10, fresh=True)
        clock.advance(0.1)
    assert queue.take() is None
    assert runs(queue, clock, 30) == 1


def test_a_change_each_second_honours_the_longest_wait_and_loses_none_b103() -> None:
    queue, clock = make()
    taken = 0
    for _ in range(60):
        queue.add("web", min_s=2, max_s=10, fresh=True)
        taken += runs(queue, clock, 1)
    assert 5 <= taken <= 6
    assert runs(queue, clock, 10) == 1


@pytest.mark.parametrize("min_s", [0.0, 2.0])
def test_a_hint_does_not_cut_the_quiet_time_of_a_change_short_b103(min_s: float) -> None:
    queue, clock = make()
    queue.add("web", min_s=2, max_s=10, fresh=True)
    queue.add("web", min_s=min_s, max_s=10)
    clock.advance(1.9)
    assert queue.take() is None
    clock.advance(0.2)
    assert queue.take() == "web"


def test_a_key_is_never_worked_on_twice_at_a_time_and_comes_again_when_added_meanwhile() -> None:
    queue, _ = make()
    queue.add("web", fresh=True)
    assert queue.take() == "web"
    queue.add("web", fresh=True)
    assert queue.take() is None
    queue.done("web")
    assert queue.take() == "web"


def test_pauses_grow_up_to_the_longest_b109() -> None:
    queue, clock = make()
    queue.add("web")
    pauses = []
    for _ in range(9):
        assert queue.take() == "web"
        pauses.append(queue.retry("web"))
        assert queue.take() is None
        clock.advance(pauses[-1])
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, LONGEST_PAUSE_S]


def test_hints_do_not_end_a_pause_b109() -> None:
    queue, clock = make()
    queue.add("web")
    queue.take()
    queue.retry("web")
    queue.add("web")
    assert queue.take() is None
    clock.advance(1)
    assert queue.take() == "web"
    assert queue.failures("web") == 1


def test_a_new_setting_ends_the_pause_and_is_tried_at_once_b118() -> None:
    queue, _ = make()
    queue.add("web")
    queue.take()
    queue.retry("web")
    queue.add("web", fresh=True)
    assert queue.take() == "web"
    assert queue.failures("web") == 0


def test_a_failing_key_does_not_hold_up_others_b109() -> None:
    queue, _ = make()
    queue.add("web")
    queue.take()
    queue.retry("web")
    queue.add("shop")
    assert queue.take() == "shop"


def test_jitter_keeps_pauses_between_half_and_whole() -> None:
    clock = ManualClock()
    queue: Queue[str] = Queue(clock, jitter=lambda: 0.0)
    queue.add("web")
    for expected in (1.0, 1.0, 2.0, 4.0):
        assert queue.take() == "web"
        assert queue.retry("web") == expected
        clock.advance(expected)


def test_waiting_ends_with_a_key_and_with_close() -> None:
    queue: Queue[str] = Queue(SystemClock())
    got: list[str | None] = []
    got_first = threading.Event()

    def work() -> None:
        got.append(queue.wait_take())
        got_first.set()
        got.append(queue.wait_take())

    thread = threading.Thread(target=work)
    thread.start()
    queue.add("web", min_s=0.01, max_s=1, fresh=True)
    assert got_first.wait(5)
    queue.close()
    thread.join(5)
    assert got == ["web", None]


def test_a_key_comes_again_at_its_time_and_earlier_when_it_is_added() -> None:
    queue, clock = make()
    queue.later("web", 30)
    assert queue.take() is None
    clock.advance(30)
    assert queue.take() == "web"
    queue.done("web")
    clock.advance(60)
    assert queue.take() is None
    queue.later("web", 30)
    queue.add("web")
    assert queue.take() == "web"
    queue.done("web")
    clock.advance(60)
    assert queue.take() is None


def test_who_waits_is_woken_when_a_key_s_time_has_come() -> None:
    queue: Queue[str] = Queue(SystemClock())
    queue.later("web", 0.01)
    assert queue.wait_take() == "web"


def test_what_waits_is_told_with_its_age_and_failures() -> None:
    queue, clock = make()
    queue.add("web", min_s=5.0, max_s=5.0, fresh=True)
    queue.add("api", fresh=True)
    clock.advance(2.0)
    assert queue.waiting() == {"web": Waiting(2.0, 0), "api": Waiting(2.0, 0)}
    assert queue.take() == "api"
    assert queue.waiting().keys() == {"web"}
    queue.retry("api")
    clock.advance(1.0)
    assert queue.waiting()["api"] == Waiting(1.0, 1)
