"""Which state a rollback without a number goes back to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from confd.errors import NotFound
from confd.keys import App, Container, Env, Host
from confd.ports import Put
from confd.services import settings
from confd.services.context import Context
from confd.services.goodstates import previous_good
from confd.services.scope import Scope
from confd.services.settings import Edit

HERE = Scope(Env("dev"), App("web"))


def outcomes(context: Context, app: str, results: Sequence[tuple[int, str]], env: str = "dev") -> None:
    """What an agent keeps of a container."""
    told = [{"action": "recreate", "result": result, "revision": revision} for revision, result in results]
    document = {"name": "web-1", "env": env, "app": app, "outcomes": told}
    context.store.commit([Put(context.keyspace.ledger(Host("h1"), Container(app + env)), json.dumps(document))])


@pytest.fixture
def revisions(context: Context) -> Mapping[int, int]:
    """Four changes; number to revision."""
    return {n: settings.edit(context, HERE, Edit({"A": n, f"K{n}": 1})).revision for n in range(1, 5)}


def good(context: Context) -> int:
    return previous_good(context, context.snapshot(), HERE)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], 3),
        ([(4, "failed")], 3),
        ([(3, "failed")], 2),
        ([(3, "failed"), (2, "failed")], 1),
        ([(3, "failed"), (2, "failed"), (1, "failed")], 3),
        ([(3, "failed"), (3, "done")], 3),
        ([(3, "done"), (3, "failed")], 2),
        ([(3, "blocked")], 3),
    ],
)
def test_it_is_the_newest_at_which_nothing_failed_last(
    context: Context, revisions: Mapping[int, int], results: Sequence[tuple[int, str]], expected: int
) -> None:
    outcomes(context, "web", [(revisions[number], result) for number, result in results])
    assert good(context) == expected


def test_failures_of_others_and_before_the_first_change_do_not_count(
    context: Context, revisions: Mapping[int, int]
) -> None:
    outcomes(context, "db", [(revisions[3], "failed")])
    outcomes(context, "web", [(revisions[3], "failed")], env="qa")
    outcomes(context, "web", [(1, "failed")])
    assert good(context) == 3


def test_a_rollback_goes_there(context: Context, revisions: Mapping[int, int]) -> None:
    outcomes(context, "web", [(revisions[3], "failed"), (revisions[4], "failed")])
    settings.rollback(context, HERE, None, Edit())
    assert sorted(context.snapshot().layers[HERE.layer]) == ["A", "K1", "K2"]


def test_before_the_first_change_is_the_empty_state(context: Context) -> None:
    with pytest.raises(NotFound, match="nothing to roll back"):
        good(context)
    settings.edit(context, HERE, Edit({"A": 1}))
    assert good(context) == 0
