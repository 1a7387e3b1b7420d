"""A new container in place of the old one, which stays until the new one is good and comes back when it is not.

    create NEXT beside it -> keep the old one from restarting -> rename it aside -> give its name away -> stop it
    -> start -> good? -> those that follow it -> remove the old one

With `start-first` the new one is started and found good first, and the old one is stopped after it gave its name
away. One that the engine removes when it stops (`--rm`) cannot be put aside: it is made anew where it has to come
back. Whatever `swap.journal` was told, `confd.actions.heal` ends after a crash between any two calls.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from confd.actions.fidelity import Wanted, as_it_is, replacement_of
from confd.actions.followers import Succession
from confd.actions.gate import LOG_LINES, check_health, last_words
from confd.actions.obstacles import both_at_once, written
from confd.actions.stopping import stop
from confd.actions.swap import (
    NEXT,
    Able,
    Exchange,
    Note,
    Swap,
    end,
    end_restarts,
    give_policy,
    look,
    make_room,
    put_back,
    set_aside,
)
from confd.errors import ConfdError, ContainerGone, EngineRefused, StartFailed
from confd.keys import Container
from confd.model import Reach
from confd.options import NAMED
from confd.ports import Clock, Inspect, Replacement, Replaces, Restarts, Signals, Updates
from confd.wording import not_start_first

__all__ = ["NAME", "REACH", "REQUIRES", "apply"]

NAME = "recreate"
REACH = Reach.NEW_CONTAINER
REQUIRES = (Replaces, Restarts, Updates, Signals)

DRAIN_S = 0.5
"""How long an old one that others do not find by its name any more goes on serving those who have just found it."""

_NO: Mapping[str, Any] = {"Name": "no", "MaximumRetryCount": 0}


def apply(target: Able, inspect: Inspect, wanted: Wanted, swap: Swap, clock: Clock) -> Container:
    """The new container's id. Raises `StartFailed` or `EngineRefused` with the old one back in its place.

    What cannot be, and what the create call refuses, is found before anything is stopped. Raises
    `EngineUnavailable` in the middle; a heal then goes on from the journal.
    """
    old, name = str(inspect["Id"]), str(inspect["Name"]).lstrip("/")
    running = bool(inspect["State"].get("Running"))
    _check_possible(target, inspect, swap)
    wanted = replace(wanted, sources=_sources(target, inspect))
    body = replacement_of(inspect, name + NEXT, wanted)
    note = Note(name, running, dict(inspect["HostConfig"].get("RestartPolicy") or _NO))
    if inspect["HostConfig"].get("AutoRemove"):
        note = replace(note, rebuild=_rebuilt_from(target, inspect, wanted))
    first = swap.start_first and running
    if first:
        body, due = _beside(body, name)
        note = replace(note, due_policy=due)
    exchange = Exchange(target, old, note, swap, clock)
    exchange.write()
    make_room(target, body.name, wanted)
    new = target.create(body)
    swap.made(new, body.config)
    exchange.write(new=new)
    try:
        swap.check()
    except ConfdError:
        target.remove(new)
        raise
    try:
        (_start_first if first else _stop_first)(exchange, inspect, new)
    except EngineRefused as error:
        raise _failure(exchange, new, error) from error
    except ContainerGone:
        put_back(exchange)
        raise
    _leave(exchange)
    return new


def _check_possible(target: Able, inspect: Inspect, swap: Swap) -> None:
    """Raises `EngineRefused` for what the binding asks for and this container does not allow."""
    why = both_at_once(inspect) if swap.start_first else ""
    if why:
        raise EngineRefused(not_start_first(why))
    if not swap.keep_writable:
        return
    if inspect["HostConfig"].get("AutoRemove"):
        raise EngineRefused(
            "keep_writable: it was started with --rm, so what it has written goes when it stops; put that into a "
            "volume, or leave keep_writable out"
        )
    lost = written(inspect, target.changes(str(inspect["Id"])))
    if lost:
        told = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        raise EngineRefused(
            f"keep_writable: it has written {told} outside its volumes, which a new container would not have; put "
            "that into a volume, or leave keep_writable out"
        )


def _sources(target: Able, inspect: Inspect) -> tuple[Inspect, ...]:
    """Those that it takes volumes from. Raises `EngineRefused` where one is gone."""
    found = []
    for text in inspect["HostConfig"].get("VolumesFrom") or ():
        source = look(target, str(text).partition(":")[0])
        if source is None:
            raise EngineRefused(f"it takes volumes from {text} (--volumes-from), which is gone")
        found.append(source)
    return tuple(found)


def _rebuilt_from(target: Able, inspect: Inspect, wanted: Wanted) -> Mapping[str, Any]:
    image = str(inspect["Config"]["Image"])
    known = image if target.image_id(image) == inspect["Image"] else str(inspect["Image"])
    same = replace(as_it_is(inspect, known), sources=wanted.sources)
    body = replacement_of(inspect, "", same)
    return {"config": body.config, "networks": body.networks}


def _beside(body: Replacement, name: str) -> tuple[Replacement, Mapping[str, Any]]:
    """A new one that runs beside the old one: known by the same name, and not started by the engine meanwhile.

    With the restart policy that it is due in the end; empty where it has none.
    """
    host = dict(body.config["HostConfig"])
    due = host.get("RestartPolicy") or {}
    due = due if due.get("Name") not in (None, "", "no") else {}
    if due:
        host["RestartPolicy"] = dict(_NO)
    config = {**body.config, "HostConfig": host}
    connected = (config.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    if not any(name in (one.get("Aliases") or ()) for one in (*connected.values(), *body.networks.values())):
        config["Labels"] = {**(config.get("Labels") or {}), NAMED: name}
    if connected:
        config["NetworkingConfig"] = {"EndpointsConfig": _named(connected, name)}
    return Replacement(body.name, config, _named(body.networks, name)), due


def _named(endpoints: Mapping[str, Mapping[str, Any]], name: str) -> dict[str, Any]:
    """The endpoints with the name among their aliases; the engine's own network has none."""
    return {
        network: dict(one)
        if network == "bridge"
        else {**one, "Aliases": [*(alias for alias in one.get("Aliases") or () if alias != name), name]}
        for network, one in endpoints.items()
    }


def _stop_first(exchange: Exchange, inspect: Inspect, new: str) -> None:
    target, swap, note = exchange.target, exchange.swap, exchange.note
    end_restarts(target, exchange.old)
    named = _take_name(exchange, new)
    if note.rebuild and note.running:  # gone when it has stopped
        swap.leaving(exchange.old)
        with contextlib.suppress(ContainerGone):
            stop(target, inspect, swap.stop, exchange.clock)
        target.remove(exchange.old)
    else:
        stop(target, inspect, swap.stop, exchange.clock)
    if not named:
        set_aside(exchange, new)
    if note.running:
        _run(exchange, new)
    swap.follow(Succession(inspect, new, note.name))


def _take_name(exchange: Exchange, new: str) -> bool:
    """Before the old one is stopped, so that nothing is left to do between that and the start.

    The engine refuses it for one that is just between two lives: it takes a new name once it is stopped.
    """
    try:
        set_aside(exchange, new)
    except EngineRefused:
        return False
    return True


def _start_first(exchange: Exchange, inspect: Inspect, new: str) -> None:
    target, swap, note = exchange.target, exchange.swap, exchange.note
    _run(exchange, new)
    end_restarts(target, exchange.old)
    set_aside(exchange, new)
    give_policy(exchange, new)
    swap.follow(Succession(inspect, new, note.name))
    exchange.clock.wait(threading.Event(), DRAIN_S)
    if note.rebuild:
        swap.leaving(exchange.old)
    with contextlib.suppress(ContainerGone):
        stop(target, inspect, swap.stop, exchange.clock)


def _run(exchange: Exchange, new: str) -> None:
    """Start it and see that it is good. Raises `StartFailed` with the last lines of its output."""
    target = exchange.target
    with target.listening(new) as heard:
        try:
            target.start(new)
        except EngineRefused as error:
            raise StartFailed(error.detail, log=target.logs(new, LOG_LINES) or heard()) from error
        try:
            check_health(target, new, exchange.swap.gate, exchange.clock)
        except ContainerGone:
            if not exchange.note.rebuild:
                raise
            log = heard()
            why = f"the new container ended{last_words(log)}; it was removed then, as --rm asks"
            raise StartFailed(why, log=log) from None


def _leave(exchange: Exchange) -> None:
    """The old one goes; where somebody has started it again meanwhile, it ends now."""
    if not exchange.note.rebuild:
        exchange.swap.leaving(exchange.old)
    try:
        exchange.target.remove(exchange.old)
    except EngineRefused:
        end(exchange)


def _failure(exchange: Exchange, new: str, error: EngineRefused) -> StartFailed:
    """The old one is back; or the new one stays, where the binding says so and it is still there."""
    swap, note = exchange.swap, exchange.note
    log = error.log if isinstance(error, StartFailed) else ""
    if log:  # else there is nothing to be read, and the old one is waited for
        swap.leaving(new)
    named = look(exchange.target, new) if swap.keep_failed else None
    if named is not None and str(named["Name"]).lstrip("/") == note.name:
        _leave(exchange)
        why = f"{error.detail}; it stays as it is, as on_failure: keep says, and the old container is gone"
        return StartFailed(why, log=log, successor=new)
    back = put_back(exchange)
    if back == exchange.old:
        return StartFailed(f"{error.detail}; the old container is back", log=log)
    why = f"{error.detail}; the old container is back, made anew: what it had written outside its volumes is lost"
    return StartFailed(why, log=log, successor=back)
