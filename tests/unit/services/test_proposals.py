"""Approval: which writes wait for it, who may give it, and what becomes of a proposal that others overtake."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as some

from confd import services as package
from confd.approvals import dump
from confd.errors import ConfdError, Conflict, Invalid, NotFound, Outdated, Refused, Shrinks, TooLarge
from confd.keys import App, Env, Host
from confd.model import ChangeKind
from confd.ports import Area, Put
from confd.secret import MASK
from confd.services import bindings, changes, envrules, outofband, policies, proposals, settings
from confd.services.context import Context
from confd.services.gate import Asked, proposals_in
from confd.services.policies import At
from confd.services.scope import Scope
from confd.services.settings import Edit, Written
from confd.stores.memory import MemoryStore
from tests.support.contexts import context_on
from tests.support.hosts import HostStand
from tests.support.secrets import KEYS
from tests.support.stores import FailingStore

PROD, DEV, EVERY, WEB, ALL = Env("prod"), Env("dev"), Env("_default"), App("web"), App("_default")
HERE, ON_H1, SHARED = Scope(PROD, WEB), Scope(PROD, WEB, Host("h1")), Scope(EVERY, WEB)


def of(who: str, **members: Any) -> Edit:
    """A write of somebody, whose client says another name."""
    return Edit(author=f"{who} herself", asked=Asked(who), **members)


def ask(context: Context, env: Env = PROD, **rule: Any) -> None:
    """Have the env ask for approval."""
    envrules.put(context, env, {"approval": {"required": True, **rule}}, of("root"))
    context.mirror.wait(context.fresh().revision, 5)


def write(context: Context, who: str = "anna", scope: Scope = HERE, **values: Any) -> Written:
    return settings.edit(context, scope, of(who, set=values, message="more load"))


def approve(context: Context, one: str, who: str = "ben", scope: Scope = HERE, **members: Any) -> Written:
    return proposals.approve(context, scope, one, of(who, **members))[0]


def values(context: Context, scope: Scope = HERE) -> dict[str, Any]:
    found = settings.read(context, context.fresh(), scope, own=True)["settings"]
    return {key: one["value"] for key, one in found.items()}


def listed(context: Context, scope: Scope = HERE, *, decided: bool = False) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = proposals.listed(context, context.fresh(), scope, decided=decided)["proposals"]
    return found


# --- which writes wait ------------------------------------------------------------------------------------


def test_a_write_waits_until_somebody_else_approves_it(context: Context) -> None:
    write(context, A="1")
    ask(context)
    waits = write(context, A="2")
    assert (waits.proposal != "", waits.change, values(context)) == (True, 1, {"A": "1"})
    assert [one.action for one in waits.differences] == ["change"]
    (one,) = listed(context)
    assert (one["id"], one["by"], one["author"], one["lacks"]) == (waits.proposal, "anna", "anna herself", 1)
    assert one["diff"] == [{"key": "A", "action": "change", "before": "1", "after": "2"}]
    done = approve(context, waits.proposal)
    assert (done.proposal, done.change, values(context)) == ("", 2, {"A": "2"})
    change = changes.record(context, HERE.layer, 2)
    assert (change.author, change.message) == ("anna herself", "more load")
    assert change.note == f"approved by ben (proposal {waits.proposal})"
    assert listed(context) == []
    (closed,) = listed(context, decided=True)
    assert (closed["state"], closed["change"], closed["closed"]["by"]) == ("approved", 2, "ben")


def _roll_back(context: Context) -> str:
    return settings.rollback(context, HERE, 1, of("anna")).proposal


def _bind(context: Context) -> str:
    return bindings.put(context, HERE, {"wait": {"min": "1s"}}, of("anna")).proposal


def _unbind(context: Context) -> str:
    return bindings.remove(context, HERE, of("anna")).proposal


def _police(context: Context) -> str:
    return str(policies.put(context, At(PROD, "base"), {"preset": "secure"}, of("anna"))["proposal"])


def _free(context: Context) -> str:
    return str(envrules.put(context, PROD, {"approval": False}, of("anna"))["proposal"])


def _shared(context: Context) -> str:
    return write(context, scope=SHARED, B="2").proposal


def _for_all(context: Context) -> str:
    return settings.edit(context, Scope(EVERY, ALL), of("anna", set={"B": "2"}, yes=True)).proposal


def _on_host(context: Context) -> str:
    return write(context, scope=ON_H1, B="2").proposal


@pytest.mark.parametrize(
    ("propose", "scope", "kind"),
    [
        (_roll_back, HERE, ChangeKind.SETTINGS),
        (_bind, HERE, ChangeKind.BINDING),
        (_unbind, HERE, ChangeKind.BINDING),
        (_police, HERE, ChangeKind.POLICY),
        (_free, HERE, ChangeKind.RULES),
        (_shared, HERE, ChangeKind.SETTINGS),
        (_for_all, HERE, ChangeKind.SETTINGS),
        (_on_host, ON_H1, ChangeKind.SETTINGS),
    ],
)
def test_every_kind_of_write_waits_and_is_stored_once_it_is_approved(
    context: Context, propose: Callable[[Context], str], scope: Scope, kind: ChangeKind
) -> None:
    write(context, A="1")
    write(context, A="2")
    bindings.put(context, HERE, {"wait": {"min": "2s"}}, of("root"))
    ask(context)
    one = propose(context)
    revision = context.fresh()
    with pytest.raises(Refused, match="somebody else"):
        approve(context, one, "anna", scope, yes=True)
    assert context.fresh().heads == revision.heads
    assert proposals.shown(context, context.fresh(), scope, one)["problem"] is None
    done = approve(context, one, scope=scope, yes=True)
    assert (done.proposal, done.change > 0) == ("", True)
    (closed,) = [of_it for of_it in listed(context, scope, decided=True) if of_it["id"] == one]
    assert (closed["kind"], closed["change"]) == (kind.value, done.change)


def test_other_envs_are_written_at_once_and_what_reaches_this_one_is_not(context: Context) -> None:
    ask(context)
    assert write(context, scope=Scope(DEV, WEB), A="1").proposal == ""
    assert write(context, scope=SHARED, A="1").proposal != ""


def test_what_every_env_asks_for_an_env_is_not_freed_of_by_one_alone(context: Context) -> None:
    ask(context, EVERY)
    assert write(context, scope=Scope(DEV, WEB), A="2").proposal != ""
    assert _free(context) != ""


def test_what_is_an_operation_and_no_setting_waits_for_nobody() -> None:
    """All other writes of changes pass the gate."""
    (folder,) = package.__path__
    found = {
        path.stem
        for path in Path(folder).glob("*.py")
        if re.search(r"\bchanges\.commit\(", path.read_text("utf-8"))
    }
    assert found == {"gate", "adoption", "brakes", "outofband", "resume"}


def test_a_dry_run_tells_that_it_would_wait_and_proposes_nothing(context: Context) -> None:
    ask(context)
    for done in (
        settings.edit(context, HERE, of("anna", set={"A": "1"}, dry_run=True)),
        bindings.put(context, HERE, {"wait": {"min": "1s"}}, of("anna", dry_run=True)),
    ):
        assert (done.approval, done.proposal) == (("prod",), "")
    assert listed(context) == []


def test_what_is_wrong_is_refused_at_once(context: Context) -> None:
    settings.edit(context, HERE, Edit(set={name: "1" for name in "ABC"}))
    ask(context)
    with pytest.raises(Invalid, match="memory"):
        settings.edit(context, HERE, of("anna", set={"run/memory": "1 parsec"}))
    with pytest.raises(Shrinks):
        settings.edit(context, HERE, of("anna", unset=("A", "B")))
    assert listed(context) == []


def test_one_is_proposed_where_nobody_asks_for_it(context: Context) -> None:
    edit = Edit(set={"A": "1"}, author="anna", asked=Asked("anna", propose=True))
    one = settings.edit(context, HERE, edit).proposal
    assert values(context) == {}
    with pytest.raises(Refused):
        approve(context, one, "anna")
    approve(context, one)
    assert values(context) == {"A": "1"}


def test_the_rules_that_have_just_been_set_are_not_passed_by(
    context: Context, store: FailingStore, other: Context
) -> None:
    def set_rules(_: object) -> bool:
        ask(other)
        return True

    store.before_commit = set_rules
    assert write(context, A="1").proposal != ""
    assert values(context) == {}


def test_an_edit_in_the_store_itself_is_no_way_round(context: Context) -> None:
    write(context, A="1")
    ask(context)
    context.wrote(context.store.commit([Put(context.keyspace.settings(HERE.layer) + "A", '"9"')]))
    with pytest.raises(Refused, match="propose"):
        outofband.adopt(context, HERE, of("anna"))
    outofband.undo(context, HERE, of("anna"))
    assert (values(context), listed(context)) == ({"A": "1"}, [])


# --- who may ----------------------------------------------------------------------------------------------


def test_two_have_to_agree_where_the_rule_says_so(context: Context) -> None:
    ask(context, count=2, approvers=["ben", "cleo", "anna"])
    one = write(context, A="1").proposal
    assert approve(context, one, "ben", dry_run=True).proposal == ""
    waits = approve(context, one, "ben")
    assert (waits.proposal, listed(context)[0]["lacks"], values(context)) == (one, 1, {})
    with pytest.raises(Refused, match="already"):
        approve(context, one, "ben")
    with pytest.raises(Refused, match="these may: anna, ben, cleo"):
        approve(context, one, "dan")
    done = approve(context, one, "cleo", message="fine")
    assert (values(context), done.change) == ({"A": "1"}, 1)
    assert changes.record(context, HERE.layer, 1).note == f"approved by ben, cleo (proposal {one})"


def test_rules_that_became_stricter_hold_for_what_waits(
    context: Context, store: FailingStore, other: Context
) -> None:
    one = settings.edit(context, HERE, Edit(set={"A": "1"}, asked=Asked("anna", propose=True))).proposal

    def set_rules(_: object) -> bool:
        ask(other, count=2)
        return True

    store.before_commit = set_rules
    approve(context, one)
    assert (values(context), listed(context)[0]["lacks"]) == ({}, 1)


def test_whoever_changes_the_rules_does_not_do_it_alone(context: Context) -> None:
    ask(context)
    one = _free(context)
    assert write(context, A="1").proposal != ""
    approve(context, one)
    assert write(context, A="1").proposal == ""


# --- who was faster ---------------------------------------------------------------------------------------


def test_a_proposal_is_never_stored_over_what_its_author_did_not_see(context: Context) -> None:
    settings.edit(context, HERE, Edit(set={"A": "1", "B": "1"}))
    ask(context)
    first, second = write(context, A="2").proposal, write(context, "cleo", A="3").proposal
    approve(context, second)
    with pytest.raises(Outdated, match=r"changed since proposal .* was made: A in layer prod/web") as caught:
        approve(context, first)
    assert (caught.value.status, caught.value.code, values(context)["A"]) == (409, "outdated", "3")
    assert listed(context)[0]["outdated"] == ["A"]
    assert "changed since" in proposals.shown(context, context.fresh(), HERE, first)["problem"]


def test_what_others_changed_elsewhere_is_not_in_its_way(context: Context) -> None:
    settings.edit(context, HERE, Edit(set={"A": "1", "B": "1"}))
    ask(context)
    first, second = write(context, A="2").proposal, write(context, "cleo", B="2", C="2").proposal
    approve(context, second)
    approve(context, first)
    assert values(context) == {"A": "2", "B": "2", "C": "2"}


def test_its_author_puts_it_on_what_is_there_now_and_it_is_approved_anew(context: Context) -> None:
    settings.edit(context, HERE, Edit(set={"A": "1", "B": "1"}))
    ask(context, count=2)
    one = write(context, A="2", B="2").proposal
    approve(context, one)
    context.store.commit([Put(context.keyspace.settings(HERE.layer) + "A", '"9"')])
    context.store.commit([Put(context.keyspace.settings(HERE.layer) + "B", '"2"')])
    context.mirror.wait(context.fresh().revision, 5)
    with pytest.raises(Refused, match="anna's"):
        proposals.rebase(context, HERE, one, of("ben"))
    _, looked = proposals.rebase(context, HERE, one, of("anna", dry_run=True))
    assert (looked["approvals"], listed(context)[0]["outdated"]) == ([], ["A", "B"])
    _, rebased = proposals.rebase(context, HERE, one, of("anna"))
    assert rebased["diff"] == [{"key": "A", "action": "change", "before": "9", "after": "2"}]
    assert (listed(context)[0]["lacks"], listed(context)[0]["outdated"]) == (2, [])
    approve(context, one, "ben")
    approve(context, one, "cleo")
    assert values(context) == {"A": "2", "B": "2"}


def test_nothing_is_left_of_what_is_so_already(context: Context) -> None:
    ask(context)
    first, second = write(context, A="2").proposal, write(context, "cleo", A="2").proposal
    approve(context, first)
    with pytest.raises(Outdated, match="so already"):
        proposals.rebase(context, HERE, second, of("cleo"))


def test_it_is_checked_anew_by_what_holds_when_it_is_approved(context: Context) -> None:
    ask(context)
    one = settings.edit(context, HERE, of("anna", set={"run/privileged": True})).proposal
    approve(context, _police(context))
    with pytest.raises(Invalid, match="privileged"):
        approve(context, one)
    assert "privileged" in proposals.shown(context, context.fresh(), HERE, one)["problem"]
    assert (values(context), listed(context)[0]["id"]) == ({}, one)


def test_a_change_that_takes_much_away_is_forced_by_its_author_or_its_approver(context: Context) -> None:
    settings.edit(context, HERE, Edit(set={name: "1" for name in "ABCDEF"}))
    ask(context)
    forced = settings.edit(context, HERE, of("anna", unset=("A", "B", "C", "D"), force=True)).proposal
    small = settings.edit(context, HERE, of("anna", unset=("E", "F"))).proposal
    assert (approve(context, forced).change, set(values(context))) == (2, {"E", "F"})
    with pytest.raises(Shrinks):
        approve(context, small)
    approve(context, small, force=True)
    assert values(context) == {}


def test_one_proposal_becomes_one_change_however_many_approve_at_once(
    context: Context, store: FailingStore, other: Context
) -> None:
    ask(context)
    one = write(context, A="1").proposal

    def overtake(_: object) -> bool:
        approve(other, one, "cleo")
        return True

    store.before_commit = overtake
    with pytest.raises(Outdated, match="approved by cleo"):
        approve(context, one, "ben")
    assert context.fresh().heads[HERE.layer].number == 1


def test_an_approval_is_not_lost_to_another_at_the_same_moment(
    context: Context, store: FailingStore, other: Context
) -> None:
    ask(context, count=3)
    one = write(context, A="1").proposal

    def overtake(_: object) -> bool:
        approve(other, one, "cleo")
        return True

    store.before_commit = overtake
    approve(context, one, "ben")
    assert [vote["by"] for vote in listed(context)[0]["approvals"]] == ["cleo", "ben"]


def test_an_answer_that_was_lost_does_not_do_it_twice(context: Context, store: FailingStore) -> None:
    ask(context)
    one = write(context, A="1").proposal
    store.lose_answer = Conflict("the connection broke")
    assert approve(context, one).change == 1
    assert context.fresh().heads[HERE.layer].number == 1


# --- what becomes of it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["ben", "anna"])
def test_a_rejected_proposal_is_kept_with_the_reason_and_changes_nothing(context: Context, who: str) -> None:
    ask(context)
    one = write(context, A="1").proposal
    done = proposals.reject(context, HERE, one, of(who, message="not today"))
    assert (done["state"], done["closed"]["by"], done["closed"]["why"]) == ("rejected", who, "not today")
    for again in (proposals.approve, proposals.reject, proposals.rebase):
        with pytest.raises(Outdated, match=f"rejected by {who}"):
            again(context, HERE, one, of("ben"))
    assert (values(context), listed(context)) == ({}, [])
    assert proposals.shown(context, context.fresh(), HERE, one)["state"] == "rejected"


def _age(context: Context, one: str) -> None:
    ((found, entry),) = [pair for pair in proposals_in(context, [HERE.layer]) if pair[0].id == one]
    context.store.commit([Put(entry.key, dump(replace(found, at="2020-01-01T00:00:00Z")))])


def test_what_nobody_decided_in_time_is_gone_and_swept_by_the_next(context: Context) -> None:
    ask(context)
    one = write(context, A="1").proposal
    _age(context, one)
    assert listed(context, decided=True) == []
    with pytest.raises(NotFound, match="30 days"):
        approve(context, one)
    kept = write(context, A="1").proposal
    assert [found.id for found, _ in proposals_in(context, [HERE.layer])] == [kept]


def test_what_is_no_proposal_is_passed_over(context: Context) -> None:
    context.store.commit([Put(context.keyspace.proposal(HERE.layer, "x"), "rubbish")])
    assert listed(context, decided=True) == []


def test_a_proposal_too_large_for_the_store_is_refused_with_its_limit(context: Context) -> None:
    big = {f"K{number}": "x" * 300_000 for number in range(3)}
    settings.edit(context, HERE, Edit(set=big))
    ask(context)
    with pytest.raises(TooLarge, match="split it"):
        settings.edit(context, HERE, of("anna", set={key: text[1:] for key, text in big.items()}))


def test_secrets_are_masked_in_whatever_is_shown(context: Context) -> None:
    ask(context)
    one = write(context, A="1").proposal
    ((found, entry),) = proposals_in(context, [HERE.layer])
    context.store.commit([Put(entry.key, dump(replace(found, after={"A": '{"$secret": {"text": "Y2lwaGVy"}}'})))])
    shown = proposals.shown(context, context.fresh(), HERE, one)
    assert ("Y2lwaGVy" in str(shown), "Y2lwaGVy" in str(listed(context))) == (False, False)
    assert shown["diff"][0]["after"] != ""


def test_a_secret_waits_as_ciphertext_and_is_approved_so_and_one_becomes_plain(context: Context) -> None:
    with_keys = replace(context, keys=KEYS)
    ask(with_keys)
    one = settings.edit(with_keys, HERE, of("anna", set={"A": "canary-3c"}, secret=("A",))).proposal
    assert not any("canary" in entry.text for entry in context.store.snapshot([Area("")]).entries.values())
    proposals.approve(with_keys, HERE, one, of("ben"))
    shown = settings.read(with_keys, with_keys.fresh(), HERE)["settings"]["A"]
    assert (shown["value"], shown["secret"]) == (MASK, True)
    one = settings.edit(with_keys, HERE, of("anna", set={"A": "open"}, plain=("A",))).proposal
    proposals.approve(with_keys, HERE, one, of("ben"))
    assert settings.read(with_keys, with_keys.fresh(), HERE)["settings"]["A"]["value"] == "open"


def test_what_agents_follow_holds_no_proposals(context: Context) -> None:
    ask(context)
    HostStand(context.store, "h1").up().runs("web-1", env="prod")
    before = context.fresh()
    write(context, A="1")
    assert replace(context.fresh(), revision=before.revision) == before


WORDS = some.lists(
    some.tuples(
        some.sampled_from(["anna", "ben", "cleo"]),
        some.sampled_from(["write", "approve", "reject", "rebase"]),
        some.integers(0, 3),
        some.sampled_from(["A", "B"]),
    ),
    max_size=14,
)


@effort(max_examples=25, deadline=None)
@given(WORDS)
def test_whatever_anybody_does_each_change_is_of_two_and_true_to_its_proposal(words: list[Any]) -> None:
    """Every change was proposed by one, approved by another, and found the values that it was shown with."""
    acts = {"approve": proposals.approve, "reject": proposals.reject, "rebase": proposals.rebase}
    with context_on(MemoryStore()) as context:
        ask(context)
        ids: list[str] = []
        for who, what, index, key in words:
            if what == "write":
                ids.append(settings.edit(context, HERE, of(who, set={key: f"{who}{len(ids)}"})).proposal)
                continue
            try:
                acts[what](context, HERE, ids[index % len(ids)] if ids else "none", of(who))
            except (Refused, Outdated, NotFound):
                continue
            except ConfdError as error:
                raise AssertionError(error.detail) from error
        found = listed(context, decided=True)
        head = context.fresh().heads.get(HERE.layer)
        made = {one["change"]: one for one in found if one["state"] == "approved"}
        assert sorted(made) == list(range(1, (head.number if head else 0) + 1))
        for number, one in made.items():
            change = changes.record(context, HERE.layer, number)
            assert one["by"] not in [vote["by"] for vote in one["approvals"]]
            assert change.author == one["author"]
            assert one["diff"] == settings.change_document(change)["diff"]
