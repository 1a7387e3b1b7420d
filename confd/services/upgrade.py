"""Upgrade: the store's format is raised once every agent is of a release that knows the new one."""

from __future__ import annotations

import json
from typing import Any

from confd.errors import Conflict, NeedsYes, NotFound, Refused
from confd.model import Snapshot
from confd.ports import Expect, Put
from confd.services.context import Context
from confd.services.hosts import about_of, lost_since
from confd.services.meta import FORMAT, read_meta
from confd.wording import counted

__all__ = ["upgrade"]


def upgrade(context: Context, *, dry_run: bool, yes: bool) -> dict[str, Any]:
    """Raise the store's format to the newest of this release; where it has that already, nothing is done.

    `behind` are the hosts whose agent, alive or lost, does not know it. Raises `Refused` naming them, `NeedsYes`,
    `NotFound` for a store without meta, and `Conflict` when somebody else was faster.
    """
    snapshot, at = context.fresh(), context.keyspace.meta
    entry = context.store.read([at]).entries.get(at)
    if entry is None:
        raise NotFound("the store has no meta yet; any write makes it, with the newest format")
    found, behind = read_meta(entry.text).format, _behind(snapshot)
    document = {"format": found, "newest": FORMAT, "behind": behind}
    if found >= FORMAT or dry_run:
        return {"revision": snapshot.revision, **document}
    if behind:
        names = ", ".join(f"{one['host']} (release {one['agent_version'] or 'unknown'})" for one in behind[:5])
        raise Refused(
            f"{counted(len(behind), 'agent')} cannot take format {FORMAT} yet: {names}. Bring them to this "
            "release; a lost host that will not come back goes with `confctl hosts forget`"
        )
    if not yes:
        raise NeedsYes(
            f"the store goes from format {found} to {FORMAT}, and agents and servers of a release that does not "
            "know that do nothing any more; there is no way back but a backup. Confirm with yes (confctl: --yes)"
        )
    raised = json.dumps({**json.loads(entry.text), "format": FORMAT})
    try:
        revision = context.store.commit([Put(at, raised)], [Expect(at, entry.mod_revision)])
    except Conflict:
        raise Conflict("the store's meta was changed meanwhile; look again") from None
    context.wrote(revision)
    return {"revision": revision, **document, "format": FORMAT}


def _behind(snapshot: Snapshot) -> list[dict[str, Any]]:
    found = []
    for host, state in sorted(snapshot.hosts.items()):
        about = about_of(state)
        if FORMAT not in (about.get("formats") or ()):
            found.append(
                {"host": host, "agent_version": about.get("agent_version"), "lost_since": lost_since(state)}
            )
    return found
