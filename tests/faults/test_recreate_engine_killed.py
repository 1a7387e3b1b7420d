"""The engine is killed before or after any one call of a recreate: it never starts both containers by itself."""

from __future__ import annotations

import pytest

from tests.support.engine import EngineProcess
from tests.support.walks import WALKS, Walk, walk_all


@pytest.mark.timeout(300)
@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
def test_an_engine_that_is_killed_at_any_point_of_a_recreate_runs_one_of_the_two_b78(
    engine: EngineProcess, walk: Walk
) -> None:
    walk_all(engine, walk, engine.crash)
