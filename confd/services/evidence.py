"""Why a container is as it is: what was done to it, when, for which change, by whom, and what it said last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confd.errors import Malformed, NotFound
from confd.keys import App, Container, Env, Host, show
from confd.model import Change, ChangeKind, Snapshot
from confd.outcomes import shown
from confd.ports import Area
from confd.services import history
from confd.services.context import Context
from confd.services.history import Wanted
from confd.services.places import Place, told_of

__all__ = ["Asked", "outcomes_of", "why"]

HISTORY = 200
"""So many changes of a place are looked through for those that an outcome brought in."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A container by its name or the beginning of its id, also one that was replaced; where it is, if known."""

    container: str
    host: Host | None = None
    env: Env | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    host: Host
    container: Container
    name: str
    env: Env
    app: App
    outcomes: Sequence[Mapping[str, Any]]


def why(context: Context, snapshot: Snapshot, asked: Asked) -> dict[str, Any]:
    """What is known of one container. Raises `NotFound`, and `Malformed` where several are meant."""
    found = _only(_named(context, asked), asked)
    place = Place(found.env, found.app, found.host)
    known = history.page(context, place, Wanted(HISTORY)).changes
    told = next((one for one in told_of(snapshot) if one.container == found.container), None)
    outcomes = [_outcome(shown(one), known) for one in reversed(found.outcomes)]
    return {
        "revision": snapshot.revision,
        "container": found.container,
        "name": found.name,
        "host": found.host,
        "app": found.app,
        "env": found.env,
        "alive": told.alive if told else False,
        "state": told.status.get("state") if told else None,
        "detail": told.status.get("detail") if told else None,
        "steps": told.status.get("steps") if told else [],
        "predecessors": [one["replaced"] for one in outcomes if one["replaced"]],
        "outcomes": outcomes,
    }


def outcomes_of(context: Context, place: Place) -> Iterator[Sequence[dict[str, Any]]]:
    """What became of what was done to each container of a place, oldest first, as far as it is kept."""
    area = Area(context.keyspace.hosts, ("ledger/",), each_child=True)
    for key, entry in context.store.snapshot([area]).entries.items():
        for one in _read(context, key, entry.text):
            if (one.env, one.app) == (place.env, place.app) and place.host in (None, one.host):
                yield [shown(outcome) for outcome in one.outcomes]


def _outcome(outcome: dict[str, Any], known: Sequence[Change]) -> dict[str, Any]:
    return {**outcome, "changes": [_change(one) for one in _brought_in(outcome, known)]}


def _brought_in(outcome: Mapping[str, Any], known: Sequence[Change]) -> list[Change]:
    """The changes whose values an outcome brought in: of each of its keys the newest one that it could know."""
    found: dict[str, Change] = {}
    for reason in outcome["reasons"]:
        for one in known:  # newest first
            kinds = (ChangeKind.SETTINGS, ChangeKind.BINDING)
            if (
                (one.edited or one.revision) <= outcome["revision"]
                and one.kind in kinds
                and reason["key"] in one.after
            ):
                found.setdefault(one.id, one)
                break
    return sorted(found.values(), key=lambda one: one.revision, reverse=True)


def _change(change: Change) -> dict[str, Any]:
    return {
        "number": change.number,
        "layer": str(change.layer),
        "author": change.author,
        "message": change.message,
        "at": change.at,
        "keys": sorted(change.after),
    }


def _only(found: Sequence[_Found], asked: Asked) -> _Found:
    if not found:
        raise NotFound(f"no agent knows a container {show(asked.container)}; `confctl status APP` lists an app's")
    exact = [one for one in found if asked.container in (one.name, one.container)] or found
    if len(exact) > 1:
        several = ", ".join(f"{one.name} ({one.container[:12]}) on {one.host}" for one in exact[:10])
        raise Malformed(f"{show(asked.container)} means several: {several}; name the host or the id")
    return exact[0]


def _named(context: Context, asked: Asked) -> list[_Found]:
    """The containers that are meant, from what their agents keep of each."""
    area = Area(context.keyspace.hosts, ("ledger/",), each_child=True)
    if asked.host is not None:
        area = Area(context.keyspace.host(asked.host), ("ledger/",))
    found = [
        one
        for key, entry in context.store.snapshot([area]).entries.items()
        for one in _read(context, key, entry.text)
    ]
    return [
        one
        for one in found
        if asked.env in (None, one.env)
        and (
            one.name == asked.container
            or one.container.startswith(asked.container)
            or any(str(out.get("replaced") or "").startswith(asked.container) for out in one.outcomes)
        )
    ]


def _read(context: Context, key: str, text: str) -> Iterator[_Found]:
    host, _, container = key.removeprefix(context.keyspace.hosts).partition("/ledger/")
    try:
        document = json.loads(text)
        outcomes = [one for one in document.get("outcomes") or () if isinstance(one, Mapping)]
        name, env, app = (str(document[member]) for member in ("name", "env", "app"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    yield _Found(Host(host), Container(container), name, Env(env), App(app), outcomes)
