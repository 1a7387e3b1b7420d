"""Proposals: what waits for approval, and what becomes of it.

Approving decides the change anew, on the newest state and with all checks. A key that the proposal touches and that
was changed since makes it outdated: it is never stored over what its author did not see. All else that was changed
since is not in its way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from confd.approvals import APPROVED, KEEP, OPEN, REJECTED, Approval, Proposal, Vote, dump, is_over, lacking, moved
from confd.diff import diff
from confd.errors import ConfdError, NotFound, Outdated, Refused
from confd.keyring import is_sealed
from confd.keys import Env, Layer, layers_of, show
from confd.model import EMPTY, ChangeKind, Entry, Snapshot
from confd.ports import Expect, Put
from confd.services import bindings, envrules, fleet, policies, schemas, settings
from confd.services.context import Context
from confd.services.gate import Grant, proposals_in, rules_for
from confd.services.scope import Scope
from confd.services.sealing import Ciphertext
from confd.services.settings import Edit, Written, difference_document
from confd.validation import NONE, current

__all__ = ["approve", "listed", "rebase", "reject", "shown"]

NAMED = 5
"""So many keys are named in one message."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A proposal, and the revision at which it was read."""

    proposal: Proposal
    revision: int


# --- reading ----------------------------------------------------------------------------------------------


def listed(context: Context, snapshot: Snapshot, scope: Scope, *, decided: bool = False) -> dict[str, Any]:
    """The proposals of all layers that reach the scope, oldest first; with `decided`, those no longer open too."""
    now = context.clock.utc()
    found = [one for one, _ in proposals_in(context, _layers(scope)) if not is_over(one, now)]
    found.sort(key=lambda one: (one.at, one.id))
    documents = [_document(snapshot, one) for one in found if decided or one.state == OPEN]
    return {"revision": snapshot.revision, "proposals": documents}


def shown(context: Context, snapshot: Snapshot, scope: Scope, proposal_id: str) -> dict[str, Any]:
    """One proposal, with what it would do now and what its checks say now. Raises `NotFound`."""
    one = _find(context, scope, proposal_id).proposal
    document = _document(snapshot, one)
    if one.state != OPEN:
        return {"revision": snapshot.revision, **document}
    try:
        written = _decide(context, snapshot, one, _edit(one, Edit(dry_run=True, yes=True)))
    except ConfdError as error:
        return {"revision": snapshot.revision, **document, "problem": error.detail}
    plan = fleet.plan(context, written.after, scope) if written.reaches else None
    told: dict[str, Any] = {"reaches": dict(written.reaches), "warnings": list(written.warnings), "plan": plan}
    return {"revision": snapshot.revision, **document, "problem": None, **told}


def _document(snapshot: Snapshot, one: Proposal) -> dict[str, Any]:
    """A proposal as the API shows it: secrets are masked, as in any difference."""
    rules = rules_for(snapshot, one.layer)
    return {
        "id": one.id,
        "state": one.state,
        "kind": one.kind.value,
        "layer": str(one.layer),
        "by": one.who,
        "author": one.author,
        "at": one.at,
        "expires": (datetime.fromisoformat(one.at) + KEEP).isoformat().replace("+00:00", "Z"),
        "message": one.message,
        "note": one.note,
        "diff": difference_document(diff(one.before, one.after)),
        "approvals": [_vote(vote) for vote in one.votes],
        "lacks": lacking(rules, one) if one.state == OPEN else 0,
        "approvers": sorted({name for rule in rules.values() for name in rule.approvers}),
        "outdated": list(moved(one.before, _now(snapshot, one))) if one.state == OPEN else [],
        "closed": _vote(one.closed) | {"why": one.why} if one.closed else None,
        "change": one.number or None,
    }


def _vote(vote: Vote) -> dict[str, Any]:
    return {"by": vote.who, "author": vote.author, "at": vote.at}


def _now(snapshot: Snapshot, one: Proposal) -> Mapping[str, str | None]:
    """What stands now where the proposal would write."""
    if one.kind is ChangeKind.SETTINGS:
        return {key: entry.text for key, entry in snapshot.layers.get(one.layer, EMPTY).items()}
    (name,) = one.after
    found: Entry | None
    if one.kind is ChangeKind.BINDING:
        found = snapshot.bindings.get((one.layer.env, one.layer.app))
    elif one.kind is ChangeKind.POLICY:
        found = snapshot.policies.get((one.layer.env, name))
    elif one.kind is ChangeKind.SCHEMA:
        now = current(snapshot, one.layer.app)
        return {name: now.text if now is not None and now.text != NONE else None}
    else:
        found = snapshot.rules.get(one.layer.env)
    return {name: found.text if found else None}


def _layers(scope: Scope) -> Sequence[Layer]:
    return layers_of(scope.env, scope.app, scope.host)


def _find(context: Context, scope: Scope, proposal_id: str) -> _Found:
    for one, entry in proposals_in(context, _layers(scope)):
        if one.id == proposal_id and not is_over(one, context.clock.utc()):
            return _Found(one, entry.mod_revision)
    raise NotFound(
        f"there is no proposal {show(proposal_id)} for {scope.app} in {scope.env} (any more: it is kept for "
        f"{KEEP.days} days); `confctl proposals {scope.app} -e {scope.env}` lists them"
    )


# --- deciding ---------------------------------------------------------------------------------------------


def approve(context: Context, scope: Scope, proposal_id: str, wanted: Edit) -> tuple[Written, dict[str, Any]]:
    """Agree to a proposal; the last one who has to makes it a change. Returns it as it is then, too.

    Raises `Refused` for its own proposer and for who may not, `Outdated`, and what a write of its kind raises.
    """

    def agree(snapshot: Snapshot) -> tuple[Written, dict[str, Any]]:
        found = _find(context, scope, proposal_id)
        rules = rules_for(snapshot, found.proposal.layer)
        _check_voter(found.proposal, rules, wanted.asked.who)
        vote = Vote(wanted.asked.who, wanted.author, context.clock.utc())
        one = replace(found.proposal, votes=(*found.proposal.votes, vote))
        if lacking(rules, one):
            written = _decide(context, snapshot, one, _edit(one, replace(wanted, dry_run=True)))
            if wanted.dry_run:
                return replace(written, approval=()), _document(snapshot, found.proposal)
            _put(context, one, found.revision)
            return replace(written, proposal=one.id, approval=()), _document(snapshot, one)
        closed = replace(one, state=APPROVED, closed=vote, why=wanted.message)
        written = _store(context, snapshot, _Found(closed, found.revision), wanted)
        told = found.proposal if wanted.dry_run else replace(closed, number=written.change)
        return replace(written, approval=()), _document(snapshot, told)

    return context.decided(_find(context, scope, proposal_id).proposal.layer, agree)


def _store(context: Context, snapshot: Snapshot, found: _Found, wanted: Edit) -> Written:
    one = found.proposal
    who = ", ".join(dict.fromkeys(vote.who for vote in one.votes))
    note = "; ".join(filter(None, [one.note, f"approved by {who} (proposal {one.id})"]))
    edit = _edit(one, wanted)
    granted = replace(edit, note=note, asked=replace(wanted.asked, grant=Grant(one, found.revision)))
    return _decide(context, snapshot, one, granted)


def _check_voter(one: Proposal, rules: Mapping[Env, Approval], who: str) -> None:
    _check_open(one)
    if who == one.who:
        raise Refused(
            f"proposal {one.id} was made with the token of {who}, which is yours: somebody else has to approve it"
        )
    if rules and not any(rule.may(who) for rule in rules.values()):
        names = ", ".join(sorted({name for rule in rules.values() for name in rule.approvers}))
        raise Refused(f"{who} may not approve what concerns {', '.join(rules)}; these may: {names}")
    if any(vote.who == who for vote in one.votes):
        raise Refused(f"{who} has approved proposal {one.id} already; it lacks somebody else's approval")


def _check_open(one: Proposal) -> None:
    if one.state != OPEN:
        by = f" by {one.closed.who} at {one.closed.at}" if one.closed else ""
        raise Outdated(f"proposal {one.id} was {one.state}{by}; propose anew what is still wanted")


def reject(context: Context, scope: Scope, proposal_id: str, wanted: Edit) -> dict[str, Any]:
    """Turn a proposal down, or take one's own back. Raises `Outdated` where it is decided already."""

    def turn_down(snapshot: Snapshot) -> dict[str, Any]:
        found = _find(context, scope, proposal_id)
        _check_open(found.proposal)
        vote = Vote(wanted.asked.who, wanted.author, context.clock.utc())
        one = replace(found.proposal, state=REJECTED, closed=vote, why=wanted.message)
        _put(context, one, found.revision)
        return {"revision": snapshot.revision, **_document(snapshot, one)}

    return context.decided(_find(context, scope, proposal_id).proposal.layer, turn_down)


def rebase(context: Context, scope: Scope, proposal_id: str, wanted: Edit) -> tuple[Written, dict[str, Any]]:
    """Put a proposal on what is there now: the same values, compared anew. Who agreed before has to do so again.

    Raises `Refused` for others than its proposer, and `Outdated` where nothing is left of it.
    """

    def put_anew(snapshot: Snapshot) -> tuple[Written, dict[str, Any]]:
        found = _find(context, scope, proposal_id)
        one = found.proposal
        _check_open(one)
        if wanted.asked.who != one.who:
            raise Refused(f"proposal {one.id} is {one.who}'s, who alone can rebase it; propose your own")
        now = _now(snapshot, one)
        after = {key: text for key, text in one.after.items() if now.get(key) != text}
        if not after:
            raise Outdated(f"all of proposal {one.id} is so already; `confctl reject` takes it away")
        one = replace(one, before={key: now.get(key) for key in after}, after=after, votes=())
        written = _decide(context, snapshot, one, _edit(one, replace(wanted, dry_run=True)))
        if not wanted.dry_run:
            _put(context, one, found.revision)
        return replace(written, approval=()), _document(snapshot, one)

    return context.decided(_find(context, scope, proposal_id).proposal.layer, put_anew)


def _put(context: Context, one: Proposal, revision: int) -> None:
    key = context.keyspace.proposal(one.layer, one.id)
    context.store.commit([Put(key, dump(one))], [Expect(key, revision)])


def _edit(one: Proposal, wanted: Edit) -> Edit:
    """The write that a proposal asks for, as its author; the one who approves it gives the yes."""

    def unmoved(snapshot: Snapshot) -> None:
        keys = moved(one.before, _now(snapshot, one))
        if keys:
            more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
            raise Outdated(
                f"changed since proposal {one.id} was made: {', '.join(keys[:NAMED])}{more} in layer {one.layer}; "
                "its proposer can put it on what is there now (confctl rebase), or reject it"
            )

    force = one.force or wanted.force
    note = one.note or f"proposal {one.id}"
    return replace(wanted, author=one.author, message=one.message, note=note, force=force, check=unmoved)


def _decide(context: Context, snapshot: Snapshot, one: Proposal, edit: Edit) -> Written:
    return _DECIDE[one.kind](context, snapshot, one, edit)


def _settings(context: Context, snapshot: Snapshot, one: Proposal, edit: Edit) -> Written:
    scope = Scope(one.layer.env, one.layer.app, one.layer.host)
    kept = {key: Ciphertext(text, one.layer) for key, text in one.after.items() if text and is_sealed(text)}
    plain = tuple(key for key, text in one.after.items() if text and key not in kept and is_sealed(one.before[key]))
    return settings.decide(context, snapshot, scope, replace(edit, sealed=kept, plain=plain), one.after)


def _binding(context: Context, snapshot: Snapshot, one: Proposal, edit: Edit) -> Written:
    (text,) = one.after.values()
    return bindings.decide(context, snapshot, Scope(one.layer.env, one.layer.app), text, edit)


def _policy(context: Context, snapshot: Snapshot, one: Proposal, edit: Edit) -> Written:
    ((name, text),) = one.after.items()
    done = policies.decide(context, snapshot, policies.At(one.layer.env, name), text, edit)
    return Written(done["change"], done["revision"], diff(one.before, one.after), EMPTY, after=snapshot)


def _schema(context: Context, snapshot: Snapshot, one: Proposal, edit: Edit) -> Written:
    (text,) = one.after.values()
    return schemas.decide(context, snapshot, one.layer, text or NONE, edit).written


def _rules(context: Context, snapshot: Snapshot, one: Proposal, edit: Edit) -> Written:
    (text,) = one.after.values()
    return envrules.decide(context, snapshot, one.layer.env, text, edit)


_DECIDE: Mapping[ChangeKind, Callable[[Context, Snapshot, Proposal, Edit], Written]] = {
    ChangeKind.SETTINGS: _settings,
    ChangeKind.BINDING: _binding,
    ChangeKind.POLICY: _policy,
    ChangeKind.RULES: _rules,
    ChangeKind.SCHEMA: _schema,
}
