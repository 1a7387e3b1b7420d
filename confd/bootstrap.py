"""The composition root: the only file that picks adapters."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from confd import __version__
from confd.actions import REACHES
from confd.actions.obstacles import obstacles_of
from confd.agent.agent import Agent
from confd.agent.apply import Applier
from confd.agent.checks import Checks
from confd.agent.following import Following
from confd.agent.healing import healer_for
from confd.agent.inventory import Inventory, own_container
from confd.agent.logs import KeptLogs
from confd.agent.metrics import Effects, Readings, count_calls, count_errors
from confd.agent.observe import Labels
from confd.agent.pace import Splay
from confd.agent.perform import Aides, acts_for
from confd.agent.reconcile import Reconciler
from confd.agent.secretfolders import SecretFolders, root_of
from confd.agent.sightings import Sightings
from confd.agent.status import Reporter
from confd.agent.trust import Trust
from confd.agent.turns import Turns
from confd.agent.unseen import Unseen
from confd.agent.usage import Meter
from confd.agent.ways import watched
from confd.agent.world import World
from confd.binding import binding_of
from confd.clock import SystemClock
from confd.config import AgentConfig, EtcdConfig
from confd.credentials import read_keys
from confd.durable import Folder
from confd.errors import Configuration
from confd.keyfile import KeyFile
from confd.keys import DEFAULT, Env, Keyspace
from confd.ledger import Ledger
from confd.metrics import Tally
from confd.mirror import Mirror
from confd.ports import Engine, Heard
from confd.services.context import Context
from confd.services.keeping import Keeping
from confd.services.meta import SERVED, read_meta
from confd.services.preparing import Preparing
from confd.snapshot import all_areas
from confd.stores.etcd import EtcdStore
from confd.targets import TARGETS

__all__ = ["Api", "build_agent", "build_api"]


@dataclass(frozen=True, slots=True)
class Api:
    """What the HTTP server serves, and how to let go of it."""

    application: Any
    close: Callable[[], None]


def build_api(config: EtcdConfig, tokens: Mapping[str, str], stop: threading.Event, keys: KeyFile) -> Api:
    """The API on a store, whether that can be reached yet or not: until then it is not ready, and says so.

    `tokens`: token -> name; that of name `admin` may see secrets.

    Raises `Configuration` for a store that this release cannot serve.
    """
    from confd.api.asgi import application

    keyspace = Keyspace(config.prefix)
    store = EtcdStore(config)
    mirror = Mirror(store, keyspace, all_areas(keyspace))
    mirror.start()
    context = Context(store, keyspace, mirror, SystemClock(), keys=keys)
    preparing = Preparing(context)
    preparing.start(stop)
    keeping = Keeping(context)
    keeping.start()

    def close() -> None:
        keeping.stop()
        preparing.stop()
        mirror.stop()
        store.close()

    return Api(application(context, tokens, ("admin",)), close)


def build_agent(config: AgentConfig) -> tuple[Agent, Readings]:
    """An agent with all its parts, and what it shows of itself. Raises `Configuration`, `EngineUnavailable`."""
    tally = Tally()
    target = _target(config, count_calls(tally))
    facts = dict(target.engine())
    keyspace, clock = Keyspace(config.etcd.prefix), SystemClock()
    store = EtcdStore(config.etcd)
    labels = Labels(config.label_prefix)
    mirror = Mirror(store, keyspace, (), resync_s=config.resync_s)
    ledger = Ledger(store, keyspace, config.host, copies=Folder(config.data / config.host / "ledger"))
    ledger.tell(Effects(tally, config.host, clock, lambda: mirror.snapshot.heads))
    inventory = Inventory(target, config.env, labels, own_container())
    folders = _folders(config, target, inventory, ledger, facts)
    facts |= {"allow_run": list(config.allow_run), "no_secrets": folders.why_not()}
    logs = KeptLogs(target, clock, config.data.absolute() / "logs" if config.data else None)
    logs.clear()
    world = _world(config, mirror, ledger, inventory, facts)
    following = _following(config, world, inventory, target, logs)
    world.healer = healer_for(target, ledger, clock, logs, following)
    world.obstructer = lambda inspect, others: obstacles_of(inspect, others, following.why_not)
    reporter = Reporter(store, keyspace, config.host, clock)
    turns = Turns(store, keyspace, config.host, mirror, clock)
    sightings = Sightings(store, keyspace, config.host, clock)
    checks, unseen = Checks(target, labels, clock), Unseen()
    logs.mask = unseen.mask
    acts = acts_for(target, labels, clock, Aides(logs, checks, following, folders, unseen))
    applier = Applier(inventory, ledger, reporter, turns, clock, acts, world.check, unseen)
    host, splay = config.host, Splay(clock)
    reconciler = Reconciler(
        *(host, world, inventory, ledger, reporter, clock, applier, REACHES, turns, sightings, splay, folders),
        monitor_s=config.monitor_s,
    )
    agent = Agent(
        config.env,
        config.host,
        keyspace,
        store,
        target,
        clock,
        mirror,
        inventory,
        world,
        reconciler,
        _about(config, facts, world.keys),
        config.resync_s,
        clear=checks.sweep,
        failed=count_errors(tally),
    )
    return agent, Readings(agent, Meter(target.stats), tally)


def _folders(
    config: AgentConfig, target: Engine, inventory: Inventory, ledger: Ledger, facts: Mapping[str, Any]
) -> SecretFolders:
    def pending() -> list[str]:
        return [json.dumps(dict(one.intent)) for one in ledger.entries().values() if one.intent]

    return SecretFolders(root_of(config.secrets_dir, str(facts.get("id"))), target, inventory.all, pending)


def _world(
    config: AgentConfig, mirror: Mirror, ledger: Ledger, inventory: Inventory, facts: Mapping[str, Any]
) -> World:
    kept = config.data / config.host  # several agents of one machine may have one folder
    return World(
        config.host,
        mirror,
        ledger,
        read_meta,
        Labels(config.label_prefix),
        facts,
        observe_only=config.observe,
        freeze=config.data / "freeze",
        trust=Trust(SystemClock(), Folder(kept, sync=True)),
        here=inventory.ids,
        secrets_root=root_of(config.secrets_dir, str(facts.get("id"))),
        keys=read_keys(config.key_file),
    )


def _following(
    config: AgentConfig, world: World, inventory: Inventory, target: Engine, logs: KeptLogs
) -> Following:
    return Following(
        target,
        world.labels,
        world.ledger,
        world.trust.clock,
        logs,
        inventory.all,
        inventory.place,
        lambda place: watched(binding_of(world.mirror.snapshot, *place)[0], config.monitor_s),
        world.check,
        inventory.own,
    )


def _about(config: AgentConfig, facts: Mapping[str, Any], keys: KeyFile) -> dict[str, Any]:
    """What the agent tells of its host and itself."""
    return {
        "engine_id": facts.get("id"),
        "engine_version": facts.get("version"),
        **{name: facts.get(name) for name in ("api_version", "cpus", "memory_bytes", "swap_limit")},
        "agent_version": __version__,
        "formats": list(SERVED),
        "env": config.env,
        "allow_run": list(config.allow_run),
        "keys": {env: keys.ids_of(env) for env in (config.env, Env(DEFAULT))},
    }


def _target(config: AgentConfig, heard: Heard) -> Engine:
    make = TARGETS.get(config.target)
    if make is None:
        raise Configuration(f"target {config.target!r} is unknown; known are: {', '.join(sorted(TARGETS))}")
    made: Engine = make(config.docker_host, config.docker_timeout_s, heard)
    return made
