"""Brakes: what a freeze document says, whom it holds, and that one nobody can read holds everything."""

from __future__ import annotations

import json

import pytest

from confd.holds import UNREADABLE, brakes_of, brakes_text, holds_of
from confd.keys import App, Env, Host
from confd.model import Brake, Cause, Entry, Hold, Reach, Snapshot

PROD, EVERY, WEB, H1 = Env("prod"), Env("_default"), App("web"), Host("h1")
AT = "2026-01-01T00:00:00.000Z"


def brake(app: App | None = None, host: Host | None = None, message: str = "disk") -> Brake:
    return Brake(app, host, "anna", message, AT)


def frozen_by(texts: dict[Env, str]) -> Snapshot:
    return Snapshot(freezes={env: Entry("freeze", text, 5) for env, text in texts.items()})


@pytest.mark.parametrize("brakes", [(), (brake(),), (brake(WEB, H1), brake(None, H1, ""), brake(WEB))])
def test_brakes_come_back_from_their_document(brakes: tuple[Brake, ...]) -> None:
    assert brakes_of(brakes_text(brakes)) == brakes


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"brakes": 1}',
        '{"brakes": [1]}',
        json.dumps({"brakes": [{"app": "NO", "host": None, "author": "", "message": "", "at": ""}]}),
        json.dumps({"brakes": [{"app": 3, "host": None, "author": "", "message": "", "at": ""}]}),
    ],
)
def test_a_document_that_cannot_be_read_stops_everything(text: str) -> None:
    assert brakes_of(text) == (UNREADABLE,)
    (hold,) = holds_of(frozen_by({PROD: text}), PROD, WEB, H1)
    assert hold == Hold(
        Cause.HELD, "env prod is frozen by nobody known: the freeze document in the store cannot be read"
    )


@pytest.mark.parametrize(
    ("env", "one", "what"),
    [
        (EVERY, brake(), "everything"),
        (PROD, brake(), "env prod"),
        (PROD, brake(WEB), "web in prod"),
        (EVERY, brake(WEB), "web in every env"),
        (EVERY, brake(None, H1), "host h1"),
        (PROD, brake(None, H1), "host h1 in prod"),
        (PROD, brake(WEB, H1), "web in prod on host h1"),
    ],
)
def test_a_brake_holds_whom_it_names_and_says_who_when_and_why(env: Env, one: Brake, what: str) -> None:
    (hold,) = holds_of(frozen_by({env: brakes_text([one])}), PROD, WEB, H1)
    assert hold == Hold(Cause.HELD, f"{what} is frozen by anna since {AT}: disk", Reach.NONE)


@pytest.mark.parametrize(
    ("env", "one"),
    [
        (Env("dev"), brake()),
        (PROD, brake(App("other"))),
        (EVERY, brake(None, Host("h2"))),
        (PROD, brake(WEB, Host("h2"))),
    ],
)
def test_a_brake_holds_nobody_else(env: Env, one: Brake) -> None:
    assert holds_of(frozen_by({env: brakes_text([one])}), PROD, WEB, H1) == ()


def test_brakes_add_up_the_widest_first() -> None:
    freezes = {PROD: brakes_text([brake(WEB)]), EVERY: brakes_text([brake()])}
    assert [hold.why.split(" is ")[0] for hold in holds_of(frozen_by(freezes), PROD, WEB, H1)] == [
        "everything",
        "web in prod",
    ]
