"""Hosts: which there are, since when one is lost, and forgetting one that will not come back."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from confd import jsontext
from confd.errors import ConfdError, NeedsYes, NotFound, Refused
from confd.holds import brakes_in, word_of
from confd.keys import DEFAULT, Host
from confd.model import HostState, Snapshot
from confd.ports import Area, Delete, Expect, Operation
from confd.services.context import Context
from confd.services.places import told_of
from confd.wording import counted

__all__ = ["about_of", "forget", "hosts", "lost_since"]

AT_ONCE = 100
_ABOUT = ("env", "engine_version", "engine_away_since", "api_version", "cpus", "memory_bytes")


def hosts(snapshot: Snapshot) -> dict[str, Any]:
    """Every host that ever had an agent, alive or lost; `held`: why its agent does nothing by itself.

    One whose agent has just claimed its name, and told nothing of it yet, comes with what it tells.
    """
    found, envs = [], dict[Host, set[Any]]()
    for told in told_of(snapshot):
        envs.setdefault(told.host, set()).add(told.status.get("env"))
    for host, state in sorted(snapshot.hosts.items()):
        about = about_of(state)
        if not about and not state.status:
            continue
        found.append(
            {
                "host": host,
                "alive": state.alive is not None,
                "lost_since": lost_since(state),
                **{name: about.get(name) for name in _ABOUT},
                "held": str(about.get("held") or ""),
                "brakes": _brakes(snapshot, host, {DEFAULT, about.get("env"), *envs.get(host, ())}),
                "doubts": about.get("doubts") or [],
                "conflicts": about.get("conflicts") or [],
                "containers": len(state.status),
            }
        )
    return {"revision": snapshot.revision, "hosts": found}


def _brakes(snapshot: Snapshot, host: Host, envs: Set[Any]) -> list[str]:
    """The brakes in the store that hold all that the host has in one of the envs, in words."""
    return [
        word_of(brake, env)
        for env in sorted(snapshot.freezes.keys() & envs)
        for brake in brakes_in(snapshot, env)
        if brake.app is None and brake.host in (None, host)
    ]


def lost_since(state: HostState) -> str | None:
    """When the host last told anything, which is all that is known of when it was lost; None while it is alive."""
    if state.alive is not None:
        return None
    times = [str(_members(text).get("at", "")) for text in state.status.values()]
    return max([*times, str(about_of(state).get("at", ""))]) or None


def about_of(state: HostState) -> dict[str, Any]:
    """What the host's agent tells of itself; empty where that is no document of ours."""
    return _members(state.about)


def _members(text: str) -> dict[str, Any]:
    try:
        value = jsontext.plain(jsontext.parse(text))
    except ConfdError:
        return {}
    return value if isinstance(value, dict) else {}


def forget(context: Context, host: Host, *, dry_run: bool, yes: bool) -> dict[str, Any]:
    """Take away all that a lost host's agent has written; what is set for the host stays.

    Raises `NotFound`, `Refused` while its agent is alive, `NeedsYes`, and `Conflict` when it comes back meanwhile.
    """
    snapshot = context.snapshot()
    state = snapshot.hosts.get(host)
    if state is None:
        raise NotFound(f"no host is called {host}; `confctl hosts` lists them")
    if state.alive is not None:
        raise Refused(f"the agent of {host} is alive and would tell of it again; end that first")
    names = sorted(str(_members(text).get("name", container)) for container, text in state.status.items())
    document = {"host": host, "lost_since": lost_since(state), "containers": names}
    if dry_run:
        return {"revision": snapshot.revision, **document}
    if not yes:
        raise NeedsYes(
            f"{host} and {counted(len(names), 'container')} are forgotten, with what they had of their own; "
            "look with a dry run, then confirm with yes (confctl: --yes)"
        )
    revision = snapshot.revision
    keys = _keys(context, snapshot, host)
    alive = Expect(context.keyspace.alive(host), 0)
    for start in range(0, len(keys), AT_ONCE):
        some: list[Operation] = [Delete(key) for key in keys[start : start + AT_ONCE]]
        revision = context.store.commit(some, [alive])
    context.wrote(revision)
    return {"revision": revision, **document}


def _keys(context: Context, snapshot: Snapshot, host: Host) -> list[str]:
    """All keys of the host; `about` is the last, so that one cut off in the middle can be forgotten again."""
    space = context.keyspace
    listing = context.store.snapshot([Area(space.host(host))], keys_only=True)
    own = sorted(listing.entries, key=lambda key: key == space.about(host))
    elsewhere = [space.adoption(*place, host) for place, by in snapshot.adoptions.items() if host in by]
    return [*elsewhere, *own]
