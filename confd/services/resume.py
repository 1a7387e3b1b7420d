"""Resume: agents that doubt the store do nothing until somebody has looked at what they would do, and says so.

They may doubt the whole store, or the settings of one app, of which much has gone without a change. That is then
recorded as a change by `out-of-band`, or what the records know of it is set again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from confd.errors import NeedsYes, NotFound
from confd.keys import App, Env, Host, Layer, layers_of
from confd.model import EMPTY, Change, Entry, Snapshot, frozen
from confd.outofband import OUT_OF_BAND, vouched_head
from confd.ports import Expect, Put
from confd.published import step_document
from confd.services import changes
from confd.services.context import Context
from confd.services.hosts import about_of
from confd.services.meta import read_meta, require_format
from confd.services.places import Place, Told, told_of
from confd.services.planning import Planner
from confd.services.wanted import Wanted
from confd.wording import counted

__all__ = ["doubts_of", "resume"]


def resume(context: Context, wanted: Wanted, *, restore: bool = False) -> dict[str, Any]:
    """Take the store as it is for the right one, for every agent that is in doubt by now.

    `restore`: set again what has gone from apps, as far as their records know it.
    Raises `NotFound` where none is, and `NeedsYes`: nobody does this by the way.
    """
    context.digest_key(context.snapshot())  # a store that was emptied gets its meta again first
    snapshot = context.fresh()
    doubts = doubts_of(snapshot)
    if not doubts:
        raise NotFound("no agent is in doubt, so there is nothing to resume; `confctl hosts` shows all of them")
    gone = _gone(context, snapshot, doubts)
    if restore and not any(gone.values()):
        raise NotFound("no record tells what has gone, so nothing can be restored; set it again, or resume without")
    after = _restored(snapshot, gone) if restore else snapshot
    planner = Planner(context, after)
    planned = [one for one in (_planned(planner, told, doubts) for told in told_of(after)) if one]
    lost = [{"layer": str(layer), "keys": sorted(texts)} for layer, texts in gone.items() if texts]
    document = {"doubts": doubts, "lost": lost, "containers": planned}
    if wanted.dry_run:
        return {"revision": snapshot.revision, **document}
    if not wanted.yes:
        acting = sum(any(step["blocked"] is None for step in one["steps"]) for one in planned)
        hosts = len({one["host"] for one in doubts})
        raise NeedsYes(
            f"the store is in doubt on {counted(hosts, 'host')}, and going on does something to "
            f"{counted(acting, 'container')} there; look with a dry run, then confirm with yes (confctl: --yes)"
        )
    require_format(snapshot, 2, "a resume")
    revision = snapshot.revision
    for layer, texts in gone.items():
        _, revision = changes.commit(context, snapshot, _change(layer, texts, wanted, restore=restore))
    if any(one["app"] is None for one in doubts):
        revision = context.store.commit(
            [Put(context.keyspace.resumed, _text(context, snapshot, wanted))],
            [Expect(context.keyspace.resumed, snapshot.resumed.mod_revision if snapshot.resumed else 0)],
        )
        context.wrote(revision)
    return {"revision": revision, **document}


def _gone(context: Context, snapshot: Snapshot, doubts: list[dict[str, Any]]) -> Mapping[Layer, Mapping[str, str]]:
    """Of each layer in doubt what went from it; where no layer tells of any, the app's own with nothing."""
    found: dict[Layer, Mapping[str, str]] = {}
    for one in doubts:
        if one["app"] is None:
            continue
        env, app = Env(one["env"]), App(one["app"])
        mine = {layer: changes.lost(context, snapshot, layer) for layer in layers_of(env, app, one["host"])}
        found |= {layer: texts for layer, texts in mine.items() if texts}
        if not any(mine.values()):
            found.setdefault(Layer(env, app), {})
    return found


def _restored(snapshot: Snapshot, gone: Mapping[Layer, Mapping[str, str]]) -> Snapshot:
    layers, heads = dict(snapshot.layers), dict(snapshot.heads)
    for layer, texts in gone.items():
        heads[layer] = vouched_head(snapshot, layer, texts)
        back = {key: Entry(key, text, snapshot.revision) for key, text in texts.items()}
        layers[layer] = frozen({**layers.get(layer, EMPTY), **back})
    return replace(snapshot, layers=frozen(layers), heads=frozen(heads))


def _change(layer: Layer, texts: Mapping[str, str], wanted: Wanted, *, restore: bool) -> Change:
    """What went as a change that took it away; or one that sets it again."""
    nothing: Mapping[str, str | None] = dict.fromkeys(texts)
    if restore:
        words = {"author": wanted.author, "note": "set again what had gone without a change"}
        return changes.draft(layer, nothing, texts, message=wanted.message, at="", **words)
    words = {"author": OUT_OF_BAND, "note": f"taken for right by {wanted.author}"}
    return changes.draft(layer, texts, nothing, message=wanted.message, at="", **words)


def doubts_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    """What each host's agent doubts: the whole store (no env and app), or the settings of one app."""
    found: list[dict[str, Any]] = []
    for host, state in sorted(snapshot.hosts.items()):
        for one in about_of(state).get("doubts") or ():
            found.append({"host": host, **{name: one.get(name) for name in ("env", "app", "why", "since")}})
    return found


def _planned(planner: Planner, told: Told, doubts: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What would be done to a container that waits for it."""
    observed = told.observed
    if observed is None or not any(_concerns(one, told.host, told.status) for one in doubts):
        return None
    plan = planner.plan(Place(observed.env, observed.app, told.host), replace(observed, held=""))
    where = {"container": told.container, "name": plan.name, "host": told.host}
    return {**where, "app": observed.app, "env": observed.env, "steps": [step_document(s) for s in plan.steps]}


def _concerns(doubt: Mapping[str, Any], host: Host, status: Any) -> bool:
    return doubt["host"] == host and (
        doubt["app"] is None or (doubt["env"], doubt["app"]) == (status.get("env"), status.get("app"))
    )


def _text(context: Context, snapshot: Snapshot, wanted: Wanted) -> str:
    meta = read_meta(snapshot.meta) if snapshot.meta is not None else None
    return json.dumps(
        {
            "cluster": meta.cluster if meta else "",
            "author": wanted.author,
            "message": wanted.message,
            "at": context.clock.utc(),
        },
        ensure_ascii=False,
    )
