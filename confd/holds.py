"""What keeps an app's containers from being touched, from what stands in the store: brakes, edits past the API that
the env holds, and a stopped roll-out.

Agents and the API ask here, so that a plan, a status and what is done agree. Pure.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from dataclasses import asdict

from confd.errors import Malformed
from confd.keys import DEFAULT, App, Env, Host, parse_app, parse_host
from confd.model import Brake, Cause, Hold, Snapshot
from confd.outofband import edits_held
from confd.rollout import stops_in

__all__ = ["brakes_in", "brakes_of", "brakes_text", "holds_of", "word_of"]

UNREADABLE = Brake(None, None, "nobody known", "the freeze document in the store cannot be read", "")
"""What somebody meant to stop is not known, so everything stops."""


def holds_of(snapshot: Snapshot, env: Env, app: App, host: Host | None = None) -> tuple[Hold, ...]:
    """What holds an app in an env on a host now; the brakes first, then edits that are held."""
    brakes = tuple(
        Hold(Cause.HELD, word_of(brake, of))
        for of in (Env(DEFAULT), env)
        for brake in brakes_in(snapshot, of)
        if brake.app in (None, app) and brake.host in (None, host)
    )
    return (*brakes, *edits_held(snapshot, env, app, host), *stops_in(snapshot, env, app, host))


def brakes_in(snapshot: Snapshot, env: Env) -> tuple[Brake, ...]:
    """The brakes of an env's own document."""
    entry = snapshot.freezes.get(env)
    return brakes_of(entry.text) if entry is not None else ()


def word_of(brake: Brake, env: Env) -> str:
    """Who stopped what, when and why, in one sentence."""
    since = f" since {brake.at}" if brake.at else ""
    why = f": {brake.message}" if brake.message else ""
    return f"{_what(brake, env)} is frozen by {brake.author}{since}{why}"


def _what(brake: Brake, env: Env) -> str:
    on = f" on host {brake.host}" if brake.host else ""
    if brake.app:
        return f"{brake.app} in {'every env' if env == DEFAULT else env}{on}"
    if brake.host:
        return f"host {brake.host}" + ("" if env == DEFAULT else f" in {env}")
    return "everything" if env == DEFAULT else f"env {env}"


@functools.lru_cache(maxsize=256)
def brakes_of(text: str) -> tuple[Brake, ...]:
    """The brakes of a freeze document. One that cannot be read stops everything: it was meant to stop something."""
    try:
        return tuple(_brake(one) for one in json.loads(text)["brakes"])
    except (ValueError, KeyError, TypeError, AttributeError, Malformed):
        return (UNREADABLE,)


def _brake(document: dict[str, str | None]) -> Brake:
    app, host = document["app"], document["host"]
    return Brake(
        parse_app(app) if app is not None else None,
        parse_host(host) if host is not None else None,
        str(document["author"]),
        str(document["message"]),
        str(document["at"]),
    )


def brakes_text(brakes: Iterable[Brake]) -> str:
    """The freeze document of these brakes."""
    return json.dumps({"brakes": [asdict(brake) for brake in brakes]}, ensure_ascii=False)
