"""What heads tell of edits past the API."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from confd.keys import App, Env, Host, Layer
from confd.model import Cause, Entry, Head, Snapshot, frozen
from confd.outofband import edits_held, is_unvouched, unrecorded, unvouched, vouched_head
from confd.shrink import names_digest

DEV, WEB = Env("dev"), App("web")
LAYER = Layer(DEV, WEB)
HOLD = frozen({DEV: Entry("approval", '{"out_of_band": "hold"}', 1)})


def stand(
    entries: Mapping[str, int], head: Head | None = None, *, hold: bool = True, layer: Layer = LAYER
) -> Snapshot:
    """A layer with these keys at these revisions."""
    return Snapshot(
        50,
        layers=frozen({layer: frozen({key: Entry(key, '"x"', at) for key, at in entries.items()})}),
        heads=frozen({layer: head} if head else {}),
        rules=HOLD if hold else frozen({}),
    )


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (None, {"a", "b"}),
        (Head(1, "i", 20, "", "", 15), set()),
        (Head(1, "i", 20, "", "", 12), set()),
        (Head(1, "i", 20, "", "", 9), {"a"}),
        (Head(1, "i", 30, "", "", 15), {"b"}),
        (Head(1, "i", 15), {"b"}),
        (Head(1, "i", 20), set()),
        (Head(1, "i", 15, "", "", 99), {"b"}),
    ],
)
def test_what_was_written_since_the_newest_change_and_not_by_it(head: Head | None, found: set[str]) -> None:
    snapshot = stand({"a": 10, "b": 20}, head)
    assert unrecorded(snapshot, LAYER) == found
    assert {key for key in ("a", "b") if is_unvouched(snapshot, LAYER, key)} == found


def test_what_the_head_holds_counts_too_whether_it_is_there_or_not() -> None:
    snapshot = stand({"a": 10}, Head(1, "i", 20, "", "", 15, ("a", "gone")))
    assert unvouched(snapshot, LAYER) == {"a", "gone"}
    assert is_unvouched(snapshot, LAYER, "gone")
    assert not is_unvouched(snapshot, LAYER, "b")


def test_after_a_change_its_keys_are_vouched_for() -> None:
    snapshot = stand({"a": 10, "b": 30}, Head(1, "i", 20, "", "", 15, ("a",)))
    after = vouched_head(snapshot, LAYER, ["b"])
    assert (after.revision, after.since, after.held) == (50, 50, ("a",))


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (stand({"a": 10}, hold=False), []),
        (stand({"a": 10}), ["a of dev/web was written", "`confctl outofband web -e dev`"]),
        (stand(dict.fromkeys("abcde", 10)), ["a, b, c and 2 more"]),
        (stand({"a\n": 10}), ["'a\\n' of dev/web"]),
        (stand({"a": 10}, Head(1, "i", 10, names_digest("a"))), []),
        (stand({"a": 10}, Head(1, "i", 10, names_digest("ab"))), ["something of dev/web was taken away"]),
        (stand({"a": 10}, layer=Layer(DEV, WEB, Host("h1"))), ["-e dev --host h1"]),
        (stand({"a": 10}, layer=Layer(DEV, App("_default"))), ["`confctl outofband _default -e dev`"]),
        (stand({"a": 10}, layer=Layer(DEV, WEB, Host("h2"))), []),
    ],
)
def test_an_env_that_holds_edits_says_which_and_what_to_do(snapshot: Snapshot, words: list[str]) -> None:
    found = list(edits_held(snapshot, DEV, WEB, Host("h1")))
    assert [hold.cause for hold in found] == [Cause.HELD] * bool(words)
    assert all(word in found[0].why for word in words)
