"""What is taken out of all that an agent tells."""

from __future__ import annotations

from confd.agent.unseen import Unseen
from confd.keys import App, Env
from confd.model import Outcome, Result

WEB, API = (Env("dev"), App("web")), (Env("dev"), App("api"))


def test_the_texts_of_all_places_are_masked_and_for_a_while_those_before() -> None:
    unseen = Unseen()
    unseen.note(WEB, ["first"])
    for text in ("second", "second", "third", "fourth"):
        unseen.note(WEB, [text])
    unseen.note(API, ["other"])
    assert unseen.mask("first second other") == "******** ******** ********"
    unseen.note(WEB, ["fifth"])
    assert unseen.mask("first fifth") == "first ********"


def test_an_outcome_is_told_without_them() -> None:
    unseen = Unseen()
    unseen.note(WEB, ["p4ssw0rd", "p4ss"])
    outcome = Outcome("exec", Result.FAILED, "said p4ssw0rd", 7, "", 0.1, log="p4ssw0rd\np4ss\n")
    told = unseen.outcome(outcome)
    assert (told.detail, told.log) == ("said ********", "********\n********\n")


def test_a_document_that_holds_one_is_known() -> None:
    unseen = Unseen()
    unseen.note(WEB, ["p4ssw0rd"])
    assert unseen.stands_in({"config": {"Env": ["DB=p4ssw0rd"]}})
    assert not unseen.stands_in({"config": {"Env": ["DB=x"]}})
    assert not unseen.stands_in(None)
