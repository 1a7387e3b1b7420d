"""Why a container is as it is: its outcomes with the changes that they brought in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from confd.errors import Malformed, NotFound
from confd.keys import App, Container, Env, Host, Keyspace
from confd.ports import Put
from confd.services import evidence, settings
from confd.services.context import Context
from confd.services.evidence import Asked
from confd.services.scope import Scope
from confd.services.settings import Edit
from tests.support.hosts import HostStand

DEV, WEB = Env("dev"), App("web")
HERE, SPACE = Scope(DEV, WEB), Keyspace()


def outcome(revision: int, *keys: str, **more: Any) -> dict[str, Any]:
    reasons = [{"key": key, "why": f"variable {key}"} for key in keys]
    return {"action": "recreate", "result": "done", "revision": revision, "reasons": reasons, **more}


def entry(context: Context, host: str, container: str, *outcomes: dict[str, Any], name: str = "web-1") -> None:
    """What a host's agent keeps of a container."""
    document = {"name": name, "app": "web", "env": "dev", "outcomes": outcomes}
    key = SPACE.ledger(Host(host), Container(container))
    context.mirror.wait(context.store.commit([Put(key, json.dumps(document))]), 5)


def why(context: Context, container: str, host: str | None = None) -> dict[str, Any]:
    return evidence.why(context, context.fresh(), Asked(container, Host(host) if host else None))


def test_an_outcome_has_the_changes_that_it_brought_in(context: Context) -> None:
    first = settings.edit(context, HERE, Edit({"A": "1", "B": "1"}, author="anna", message="both"))
    second = settings.edit(context, HERE, Edit({"A": "2"}, author="ben", message="a"))
    settings.edit(context, HERE, Edit({"A": "3"}, author="carl"))
    entry(
        context,
        "h1",
        "c" * 64,
        outcome(first.revision, "A"),
        outcome(second.revision, "A", "B", replaced="b" * 64, log="bye"),
        outcome(second.revision, "C"),
    )
    document = why(context, "web-1")
    assert [[(c["author"], c["message"]) for c in one["changes"]] for one in document["outcomes"]] == [
        [],
        [("ben", "a"), ("anna", "both")],
        [("anna", "both")],
    ]
    assert document["predecessors"] == ["b" * 64]
    assert document["outcomes"][1]["log"] == "bye"
    assert (document["state"], document["alive"]) == (None, False)


@pytest.mark.parametrize("asked", ["web-1", "cccc", "c" * 64, "bbbb"])
def test_a_container_is_found_by_name_id_and_what_it_replaced(context: Context, asked: str) -> None:
    entry(context, "h1", "c" * 64, outcome(1, "A", replaced="b" * 64))
    assert why(context, asked)["container"] == "c" * 64


def test_what_the_agent_tells_of_it_now_is_there_too(context: Context) -> None:
    container = HostStand(context.store, "h1").up().runs("web-1")
    entry(context, "h1", container)
    document = why(context, "web-1")
    assert (document["state"], document["alive"], document["outcomes"]) == ("in-sync", True, [])


def test_several_of_one_name_are_told_apart(context: Context) -> None:
    entry(context, "h1", "c" * 64)
    entry(context, "h2", "d" * 64)
    entry(context, "h2", "e" * 64, name="web-12")
    with pytest.raises(Malformed, match=r"web-1 \(c{12}\) on h1, web-1 \(d{12}\) on h2; name the host"):
        why(context, "web-1")
    assert why(context, "web-1", "h2")["container"] == "d" * 64


def test_an_unknown_container_is_not_found(context: Context) -> None:
    with pytest.raises(NotFound, match="no agent knows"):
        why(context, "web-1")


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "web-1", "outcomes": [1]}'])
def test_what_cannot_be_read_is_passed_over(context: Context, text: str) -> None:
    context.store.commit([Put(SPACE.ledger(Host("h1"), Container("x")), text)])
    entry(context, "h1", "c" * 64)
    assert why(context, "web-1")["container"] == "c" * 64
