"""What a plan costs the agent on a host with 1,000 containers, when one of its apps changes."""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench.rig import Rig, median_of
from bench.rows import Row, at_most, beside
from confd.agent.apply import Applier
from confd.agent.inventory import Inventory
from confd.agent.observe import Labels
from confd.agent.pace import Splay
from confd.agent.reconcile import Reconciler
from confd.agent.secretfolders import SecretFolders
from confd.agent.sightings import Sightings
from confd.agent.status import Reporter
from confd.agent.turns import Turns
from confd.agent.world import World
from confd.clock import SystemClock
from confd.keys import App, Env, Host, Keyspace
from confd.ledger import Ledger
from confd.mirror import Mirror
from confd.model import Reach
from confd.ports import Put, Replacement
from confd.secret import DigestKey
from confd.secretfiles import HOST_FOLDER
from confd.services.meta import Meta
from confd.snapshot import env_area, meta_area
from confd.stores.memory import MemoryStore
from confd.targets.memory import MemoryTarget, Program

__all__ = ["plans"]

CONTAINERS, APPS, KEYS, CHANGES = 1000, 100, 50, 20
DEV, HOST, KEYSPACE = Env("dev"), Host("h1"), Keyspace()
REACHES = {"recreate": Reach.NEW_CONTAINER, "update": Reach.IN_PLACE}


def plans(_: Rig) -> list[Row]:
    """CPU of one pass over an app that has 10 of the containers, and over one that has all of them.

    The agent only looks, on an engine and a store in memory: what is counted is its own work. The floor is the CPU
    of reading the inspects of these containers as JSON.
    """
    few, told = _pass(APPS)
    every, all_told = _pass(1)
    name = f"plan on a host with {CONTAINERS} containers after one change of an app"
    return [
        at_most(f"{name} with {CONTAINERS // APPS}, agent CPU, p50", "ms", few, told, 50),
        beside(f"{name} with all of them, agent CPU, p50", "ms", every, all_told),
    ]


def _pass(apps: int) -> tuple[float, float]:
    """The CPU of one pass and of its floor, in ms."""
    store, target = MemoryStore(), MemoryTarget({"app:1": lambda inspect: Program()})
    store.commit([Put(KEYSPACE.meta, "k")])
    variables = [f"KEY{number}=x" for number in range(KEYS)]
    for number in range(CONTAINERS):
        labels = {"confd.app": f"app-{number % apps}"}
        body = {"Image": "app:1", "Cmd": ["run"], "Labels": labels, "Env": variables, "HostConfig": {}}
        target.start(target.create(Replacement(f"c{number}", body, {})))
    for app in range(apps):
        prefix = f"{KEYSPACE.prefix}/envs/dev/settings/app-{app}"
        store.commit([Put(f"{prefix}/KEY{number}", '"x"') for number in range(KEYS)])
    mirror = Mirror(store, KEYSPACE, (meta_area(KEYSPACE), env_area(KEYSPACE, DEV, HOST)))
    mirror.start()
    mirror.wait_current(10)
    reconciler = _reconciler(store, target, mirror)
    place, samples = (DEV, App("app-0")), list[float]()
    reconciler.reconcile(place)
    for number in range(CHANGES):
        revision = store.commit([Put(f"{KEYSPACE.prefix}/envs/dev/settings/app-0/KEY0", json.dumps(str(number)))])
        mirror.wait(revision, 10)
        began = time.thread_time()
        reconciler.reconcile(place)
        samples.append((time.thread_time() - began) * 1000)
    mirror.stop()
    texts = [json.dumps(inspect) for inspect in reconciler.inventory.of(place)]
    began = time.thread_time()
    for text in texts:
        json.loads(text)
    return median_of(samples), (time.thread_time() - began) * 1000


def _reconciler(store: MemoryStore, target: MemoryTarget, mirror: Mirror) -> Reconciler:
    """An agent's, that only looks."""
    clock, labels = SystemClock(), Labels()
    ledger, inventory = Ledger(store, KEYSPACE, HOST), Inventory(target, DEV, labels)
    key = DigestKey(b"k" * 32)
    world = World(HOST, mirror, ledger, lambda text: Meta(2, text, key), labels, {}, observe_only=True, active=True)
    turns, sightings = Turns(store, KEYSPACE, HOST, mirror, clock), Sightings(store, KEYSPACE, HOST, clock)
    reporter = Reporter(store, KEYSPACE, HOST, clock)
    sightings.claim(None)
    inventory.refresh()
    applier = Applier(inventory, ledger, reporter, turns, clock, {}, world.check)
    return Reconciler(
        *(HOST, world, inventory, ledger, reporter, clock, applier, REACHES, turns, sightings, Splay(clock)),
        SecretFolders(Path(HOST_FOLDER), target),
    )
