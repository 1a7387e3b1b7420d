"""The gate that every change of settings, bindings, policies and rules passes: stored at once, or proposed.

Where an env that the change reaches asks for approval, the change becomes a proposal, whoever writes. What is an
operation and no setting (a freeze, an adoption, a resume) does not come by here.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from confd.approvals import Approval, Proposal, dump, is_over, lacking, parse
from confd.envrules import rules_of
from confd.errors import Refused, TooLarge
from confd.keys import DEFAULT, Env, Layer
from confd.model import Change, Entry, Head, Snapshot
from confd.owned import Claim
from confd.ports import Area, Delete, Expect, Operation, Put
from confd.services import changes
from confd.services.changes import Beside
from confd.services.context import Context
from confd.wording import counted

__all__ = ["Asked", "Grant", "Stored", "asking", "proposals_in", "rules_for", "store", "store_all"]

MAX_PROPOSAL_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Grant:
    """A proposal with all that its approval adds to it, and the revision at which it was read."""

    proposal: Proposal
    revision: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks, by the token's name. `propose`: only for approval; `grant`: by whom it was approved.

    `claim`: whose the keys are then, where it is stored at once.
    """

    who: str = ""
    propose: bool = False
    grant: Grant | None = None
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The change that something has become, and its revision; or the layer's newest one, and the proposal."""

    change: int
    revision: int
    proposal: str = ""


def rules_for(snapshot: Snapshot, layer: Layer) -> Mapping[Env, Approval]:
    """The envs that ask for approval of a change of the layer. A layer of env `_default` reaches every env."""
    envs = {layer.env} if layer.env != DEFAULT else {Env(DEFAULT), *snapshot.rules}
    found = {env: rules_of(snapshot, env).approval for env in sorted(envs)}
    return {env: rule for env, rule in found.items() if rule.required}


def asking(snapshot: Snapshot, layer: Layer) -> Sequence[str]:
    """The names of those envs."""
    return tuple(rules_for(snapshot, layer))


def store(context: Context, snapshot: Snapshot, change: Change, asked: Asked, force: bool = False) -> Stored:
    """Store a checked change that was made on the snapshot, or propose it. Raises what `changes.commit` does."""
    return store_all(context, snapshot, [change], asked, force)[0]


def store_all(
    context: Context, snapshot: Snapshot, drafts: Sequence[Change], asked: Asked, force: bool = False
) -> list[Stored]:
    """The same for changes of several layers, all in one transaction; each becomes a proposal of its own."""
    rules = [rules_for(snapshot, change.layer) for change in drafts]
    if asked.propose or (any(rules) and asked.grant is None):
        return _propose(context, snapshot, drafts, asked, force)
    first, *others = drafts
    beside = changes.together(context, snapshot, others)
    operations, expected = list(beside.operations), [*beside.expected, *_rules_seen(context, snapshot, drafts)]
    numbers = [changes.next_number(context, snapshot, change.layer) for change in drafts]
    if asked.grant is not None:
        _check_granted(asked.grant, rules[0])
        closed = replace(asked.grant.proposal, number=numbers[0])
        key = context.keyspace.proposal(first.layer, closed.id)
        operations.append(Put(key, dump(closed)))
        expected.append(Expect(key, asked.grant.revision))
    _, revision = changes.commit(context, snapshot, first, beside=Beside(operations, expected, asked.claim))
    return [Stored(number, revision) for number in numbers]


def _check_granted(grant: Grant, rules: Mapping[Env, Approval]) -> None:
    """The rules as they are where it is stored: they may have become stricter."""
    if lacking(rules, grant.proposal):
        missing, envs = counted(lacking(rules, grant.proposal), "approval"), ", ".join(rules)
        raise Refused(f"proposal {grant.proposal.id} lacks {missing} by now: the rules of {envs} changed")


def _rules_seen(context: Context, snapshot: Snapshot, drafts: Sequence[Change]) -> list[Expect]:
    """That the rules are as they were seen: who has just set them must not be passed by."""
    envs = {Env(DEFAULT)} | {change.layer.env for change in drafts}
    if any(change.layer.env == DEFAULT for change in drafts):
        envs |= snapshot.rules.keys()
    found = {env: snapshot.rules.get(env) for env in sorted(envs)}
    return [Expect(context.keyspace.rules(env), one.mod_revision if one else 0) for env, one in found.items()]


# --- proposing --------------------------------------------------------------------------------------------


def _propose(
    context: Context, snapshot: Snapshot, drafts: Sequence[Change], asked: Asked, force: bool
) -> list[Stored]:
    at, operations = context.clock.utc(), list[Operation]()
    expected: list[Expect] = []
    found: list[Stored] = []
    for change in drafts:
        one = Proposal(
            *(uuid.uuid4().hex[:8], change.layer, change.kind, asked.who, change.author, at),
            before=change.before,
            after=change.after,
            message=change.message,
            note=change.note,
            force=force,
        )
        key, text = context.keyspace.proposal(change.layer, one.id), dump(one)
        if len(text.encode()) > MAX_PROPOSAL_BYTES:
            raise TooLarge(f"a proposal takes at most {MAX_PROPOSAL_BYTES} bytes with what was before; split it")
        operations += [*_sweep(context, change.layer, at), Put(key, text)]
        expected.append(Expect(key, 0))
        found.append(Stored(snapshot.heads.get(change.layer, Head()).number, snapshot.revision, one.id))
    context.store.commit(operations, expected)
    return found


def _sweep(context: Context, layer: Layer, now: str) -> list[Operation]:
    """Away with what nobody decided in time, and with what was decided long ago."""
    return [Delete(entry.key) for one, entry in proposals_in(context, [layer]) if is_over(one, now)]


def proposals_in(context: Context, layers: Sequence[Layer]) -> list[tuple[Proposal, Entry]]:
    """The proposals of layers, as the store has them now; what is none is passed over."""
    areas = [Area(context.keyspace.proposals(layer)) for layer in layers]
    found = ((parse(entry.text), entry) for entry in context.store.snapshot(areas).entries.values())
    return [(one, entry) for one, entry in found if one is not None]
