"""What it costs to govern values: one change among many keys and envs, an import, the effective settings of all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import etcd3
from jsonschema import Draft202012Validator

from bench.rig import ENV, Rig, median_of
from bench.rows import Row, at_most, over
from confd.client import Edit, Scope
from confd.formats import FORMATS
from confd.jsontext import parse
from confd.keys import App, Env, Key, Layer
from confd.model import Entry, Snapshot
from confd.resolve import resolve
from confd.validation import faults_of, parse_schema

__all__ = ["imports", "resolves", "validates", "writes"]

KEYS, ENVS, WRITES = 1000, 20, 60
IMPORTED, PART = 10_000, 128
APPS, OF_APP, VALIDATIONS = 1000, 50, 200


def writes(rig: Rig) -> list[Row]:
    """One key of an app of 1,000 keys in 20 envs, changed in one env and in what all envs share, turn about.

    Through the API and its checks of every env; the floor is a transaction of as many puts, straight to etcd.
    """
    client, shared, one = rig.client, Scope("governed", "_default"), Scope("governed", "env-7")
    settings = {f"group-{number % 20}/key-{number}": f"value {number}" for number in range(KEYS)}
    client.change(shared, Edit(set=dict(settings), yes=True))
    for env in range(ENVS):
        own = {key: f"own {env}" for key in list(settings)[:: KEYS // 50]}
        client.change(Scope("governed", f"env-{env}"), Edit(set=dict(own), yes=True))
    bare, took = _bare(rig), {"shared": list[float](), "one": list[float](), "bare": list[float]()}
    asked: dict[str, Callable[[int], Any]] = {
        "shared": lambda number: client.change(shared, Edit(set={"group-1/key-1": f"s{number}"}, yes=True)),
        "one": lambda number: client.change(one, Edit(set={"group-2/key-2": f"o{number}"}, yes=True)),
        "bare": lambda number: bare.transaction(
            compare=[],
            success=[
                bare.transactions.put(f"/bench/{name}", f"{number}") for name in ("setting", "head", "record")
            ],
            failure=[],
        ),
    }
    for number in range(-3, WRITES):
        for name, ask in asked.items():
            began = time.monotonic()
            ask(number)
            if number >= 0:
                took[name].append((time.monotonic() - began) * 1000)
    bare.close()
    name, floor = f"one key of {KEYS} in {ENVS} envs", median_of(took["bare"])
    return [
        over(f"{name}, changed in all of them, p50", "ms", median_of(took["shared"]), floor, 20),
        over(f"{name}, changed in one, p50", "ms", median_of(took["one"]), floor, 20),
    ]


def imports(rig: Rig) -> list[Row]:
    """`confctl import` of 10,000 keys, by each format; the floor is 10,000 puts straight to etcd, 128 at a time."""
    bare, rows = _bare(rig), list[Row]()
    environ = {**os.environ, **rig.confd.environ, "CONFD_ENV": ENV}
    values = {f"KEY_{number:05}": f"value {number}" for number in range(IMPORTED)}
    for name, form in FORMATS.items():
        file = rig.folder / f"imported.{name}"
        file.write_text(form.dump(values))
        began = time.monotonic()
        for at in range(0, IMPORTED, PART):
            puts = [
                bare.transactions.put(f"/bench/{name}/{number}", json.dumps(f"value {number}"))
                for number in range(at, min(at + PART, IMPORTED))
            ]
            bare.transaction(compare=[], success=puts, failure=[])
        floor = time.monotonic() - began
        command = [sys.executable, "-m", "confd.cli", "import", f"imported-{name}", str(file), "--format", name]
        began = time.monotonic()
        subprocess.run([*command, "--yes"], env=environ, check=True, stdout=subprocess.DEVNULL)
        rows.append(at_most(f"import of {IMPORTED} keys, {name}", "s", time.monotonic() - began, floor, 5))
    bare.close()
    return rows


def validates(_: Rig) -> list[Row]:
    """An app of 50 keys against its schema: one value is new, and all of them are.

    The floor is the same by plain `jsonschema`, its validator made once, with formats.
    """
    kinds: list[dict[str, Any]] = [
        {"type": "integer", "minimum": 0, "maximum": 10_000_000},
        {"type": "string", "minLength": 1, "maxLength": 64},
        {"type": "string", "format": "uri"},
        {"enum": ["debug", "info", "warning"]},
        {"type": "array", "items": {"type": "string"}},
    ]
    document = {
        "properties": {f"group/key-{number}": kinds[number % len(kinds)] for number in range(OF_APP)},
        "required": ["group/key-0"],
        "additionalProperties": False,
    }
    schema, plain = (
        parse_schema(parse(json.dumps(document))),
        Draft202012Validator(document, format_checker=Draft202012Validator.FORMAT_CHECKER),
    )
    took = {"one": list[float](), "all": list[float](), "plain": list[float]()}
    for number in range(VALIDATIONS):
        whole = [number, f"text {number}", f"http://host/{number}", "info", [f"item {number}"]]
        values: dict[str, Any] = {f"group/key-{at}": whole[at % len(kinds)] for at in range(OF_APP)}
        texts = {Key(key): json.dumps(value) for key, value in values.items()}
        changed = {**texts, Key("group/key-0"): str(number + VALIDATIONS)}
        for name, check in (
            ("all", partial(faults_of, schema, texts)),
            ("one", partial(faults_of, schema, changed)),
            ("plain", partial(_errors, plain, texts)),
        ):
            began = time.thread_time()
            found = check()
            took[name].append((time.thread_time() - began) * 1000)
            if found:
                raise ValueError(f"a right value was refused: {found}")
    name = f"an app of {OF_APP} keys against its schema"
    floor = median_of(took["plain"])
    return [
        at_most(f"{name}, one value new, CPU, p50", "ms", median_of(took["one"]), floor, 1),
        at_most(f"{name}, all values new, CPU, p50", "ms", median_of(took["all"]), floor, 1),
    ]


def _errors(validator: Any, texts: Mapping[Key, str]) -> list[Any]:
    return list(validator.iter_errors({key: json.loads(text) for key, text in texts.items()}))


def resolves(_: Rig) -> list[Row]:
    """The effective settings of 1,000 apps of 50 keys; the floor is the CPU of reading these values as JSON."""
    prod = Env("prod")
    layers = {
        Layer(prod, App(f"app-{app}")): {
            f"group/key-{number}": Entry("", json.dumps(f"value {number} of {app}"), 5) for number in range(OF_APP)
        }
        for app in range(APPS)
    }
    layers[Layer(prod, App("_default"))] = {f"shared/key-{number}": Entry("", '"x"', 5) for number in range(20)}
    snapshot = Snapshot(7, layers)
    began = time.thread_time()
    found = sum(len(resolve(snapshot, prod, App(f"app-{app}")).settings) for app in range(APPS))
    ours = time.thread_time() - began
    began = time.thread_time()
    for entries in layers.values():
        for entry in entries.values():
            json.loads(entry.text)
    floor = time.thread_time() - began
    return [at_most(f"effective settings of {APPS} apps, {found} in all, CPU", "s", ours, floor, 1)]


def _bare(rig: Rig) -> Any:
    host, _, port = rig.etcd.endpoint.rpartition(":")
    return etcd3.client(host=host, port=int(port))
