"""Policies of an env: read, and written as changes of the same history; and what is against them now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confd import jsontext
from confd.diff import Difference
from confd.errors import NotFound
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env, Host, Layer
from confd.model import ChangeKind, Head, Observed, Policy, Snapshot, Violation
from confd.policies import check_words, parse_policy, policies_of, policy_of, violations
from confd.services import changes
from confd.services.context import Context
from confd.services.meta import require_format
from confd.services.places import Place, places_of, rendered_at, told_of
from confd.services.policing import forbidden
from confd.services.settings import Edit, difference_document

__all__ = ["At", "check", "get", "put", "read", "remove", "violating"]


@dataclass(frozen=True, slots=True)
class At:
    """A policy's place: an env (`_default`: every env), and its name there."""

    env: Env
    name: str

    @property
    def layer(self) -> Layer:
        """The layer in whose history it stands: that of the env itself, which reaches all its apps."""
        return Layer(self.env, App(DEFAULT))


# --- reading ----------------------------------------------------------------------------------------------


def read(snapshot: Snapshot, env: Env) -> dict[str, Any]:
    """The policies that hold in an env: its own, and those of every env."""
    places = [place for place in sorted(snapshot.policies) if place[0] in (DEFAULT, env)]
    return {"revision": snapshot.revision, "policies": [_document(snapshot, At(*place)) for place in places]}


def get(snapshot: Snapshot, at: At) -> dict[str, Any]:
    """One policy of the env's own. Raises `NotFound`."""
    if (at.env, at.name) not in snapshot.policies:
        raise NotFound(_missing(snapshot, at))
    return {"revision": snapshot.revision, **_document(snapshot, at)}


def _document(snapshot: Snapshot, at: At) -> dict[str, Any]:
    """`broken` says why what stands in the store is no policy; the document is its text then."""
    text = snapshot.policies[at.env, at.name].text
    broken = policy_of(at.env, at.name, text).broken
    return {"env": at.env, "name": at.name, "policy": text if broken else jsontext.parse(text), "broken": broken}


def _missing(snapshot: Snapshot, at: At) -> str:
    own = [name for env, name in sorted(snapshot.policies) if env == at.env]
    if at.env != DEFAULT and (Env(DEFAULT), at.name) in snapshot.policies:
        return f"{at.name} is a policy of every env, and not one of {at.env}'s own; name env {DEFAULT}"
    return f"env {at.env} has no policy {at.name} of its own; it has: {', '.join(own) or 'none'}"


def violating(snapshot: Snapshot, env: Env | None = None, host: Host | None = None) -> dict[str, Any]:
    """The running containers that are against a policy of their env, of all hosts or of one."""
    found = list(_containers(snapshot, None, env, host))
    return {"revision": snapshot.revision, "policies": len(snapshot.policies), "containers": found}


def check(context: Context, snapshot: Snapshot, at: At, document: Value) -> dict[str, Any]:
    """What would be against a policy if it stood there: running containers, and settings. Raises `Invalid`."""
    policy = Policy(at.env, at.name, parse_policy(document))
    check_words(document)
    return {"revision": snapshot.revision, **_against(context, snapshot, policy)}


def _against(context: Context, snapshot: Snapshot, policy: Policy) -> dict[str, Any]:
    env = None if policy.env == DEFAULT else policy.env
    return {
        "containers": list(_containers(snapshot, policy, env, None)),
        "settings": list(_settings(context, snapshot, policy)),
    }


def _containers(
    snapshot: Snapshot, policy: Policy | None, env: Env | None, host: Host | None
) -> Iterator[dict[str, Any]]:
    """Running containers that are against the policy, or against all that hold for them."""
    for one in told_of(snapshot):
        seen = one.observed
        if seen is None or not seen.running or env not in (None, seen.env) or host not in (None, one.host):
            continue
        found = violations((policy,) if policy else policies_of(snapshot, seen.env), seen.options)
        if found:
            where = {"host": one.host, "alive": one.alive, "at": one.status.get("at")}
            yield {**_named(seen), **where, "violations": _documents(found)}


def _named(seen: Observed) -> dict[str, Any]:
    return {"container": seen.id, "name": seen.name, "app": seen.app, "env": seen.env}


def _settings(context: Context, snapshot: Snapshot, policy: Policy) -> Iterator[dict[str, Any]]:
    """Apps whose settings alone say something against the policy, whether containers have it by now or not."""
    sight = context.sight(snapshot)
    for place in _places(snapshot, policy.env):
        found = forbidden((policy,), rendered_at(snapshot, place, sight)[0].options)
        if found:
            yield {"app": place.app, "env": place.env, "host": place.host, "violations": _documents(found)}


def _places(snapshot: Snapshot, env: Env) -> list[Place]:
    return places_of(snapshot, Layer(env, App(DEFAULT)))


def _documents(found: Iterable[Violation]) -> list[dict[str, Any]]:
    return [
        {
            "policy": one.policy,
            "rule": one.rule,
            "options": list(one.options),
            "pointer": jsontext.pointer(*one.place),
            "allowed": one.allowed,
            "here": one.shown,
            "why": one.why,
            "mend": one.mend,
        }
        for one in found
    ]


# --- writing ----------------------------------------------------------------------------------------------


def put(context: Context, at: At, document: Value, wanted: Edit) -> dict[str, Any]:
    """Store a policy, and tell what is against it already: that stays as it is.

    Raises `Invalid` for a wrong schema, and what `settings.edit` raises.
    """
    policy = Policy(at.env, at.name, parse_policy(document))
    check_words(document)
    written = _edit(context, at, jsontext.dump(document), wanted)
    return {**written, **_against(context, context.snapshot(), policy)}


def remove(context: Context, at: At, wanted: Edit) -> dict[str, Any]:
    """Take a policy of the env's own away. Raises `NotFound`."""
    return _edit(context, at, None, wanted)


def _edit(context: Context, at: At, text: str | None, wanted: Edit) -> dict[str, Any]:
    return context.decided(at.layer, lambda snapshot: _decide(context, snapshot, at, text, wanted))


def _decide(context: Context, snapshot: Snapshot, at: At, text: str | None, wanted: Edit) -> dict[str, Any]:
    require_format(snapshot, 2, "a policy")
    wanted.check(snapshot)
    entry = snapshot.policies.get((at.env, at.name))
    before = entry.text if entry else None
    if text is None and before is None:
        raise NotFound(_missing(snapshot, at))
    number = snapshot.heads.get(at.layer, Head()).number
    if text == before:
        return _written(number, snapshot.revision, ())
    differences = (Difference(at.name, before, text),)
    if wanted.dry_run:
        return _written(number, snapshot.revision, differences)
    words: Mapping[str, str] = {"author": wanted.author, "message": wanted.message, "at": ""}
    change = changes.draft(at.layer, {at.name: before}, {at.name: text}, kind=ChangeKind.POLICY, **words)
    stored, revision = changes.commit(context, snapshot, change)
    return _written(stored.number, revision, differences)


def _written(number: int, revision: int, differences: Sequence[Difference]) -> dict[str, Any]:
    return {"change": number, "revision": revision, "diff": difference_document(differences)}
