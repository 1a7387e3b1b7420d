"""Runs the measures, all or some: `python -m bench [NAME ...]`. Ends with 1 where a promise is not kept."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence

from bench import agent, commands, crowds, delivery, governing, planning, safety, swapping
from bench.rig import ROOT, Rig, rig
from bench.rows import Row, table, write

MEASURES: Mapping[str, Callable[[Rig], list[Row]]] = {
    "signals": delivery.signals,
    "recreates": delivery.recreates,
    "downtime": swapping.downtime,
    "start-first": swapping.start_first,
    "put-back": swapping.put_back,
    "shim": delivery.shim,
    "commands": commands.confctl,
    "shim-start": commands.shim,
    "restarts": safety.restarts,
    "freezes": safety.freezes,
    "agent": agent.many_apps,
    "plans": planning.plans,
    "writes": governing.writes,
    "imports": governing.imports,
    "resolves": governing.resolves,
    "validates": governing.validates,
    "crowd": crowds.crowd,
}


def main(names: Sequence[str]) -> int:
    unknown = [name for name in names if name not in MEASURES]
    if unknown:
        print(f"no measure is called {', '.join(unknown)}; there are: {', '.join(MEASURES)}", file=sys.stderr)
        return 64
    rows: list[Row] = []
    with rig() as running:
        for name in names or MEASURES:
            print(f"== {name}", flush=True)
            began = time.monotonic()
            rows += MEASURES[name](running)
            print(f"   {time.monotonic() - began:.0f} s", flush=True)
    print(table(rows))
    write(rows, ROOT / "bench" / "results.json")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
