"""The JSON Schema of the run options knows what the registry knows, and refuses nothing that an option takes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from confd.errors import Invalid
from confd.options import OPTIONS, spelled
from scripts import reference
from tests.unit.options.samples import DEFAULTS, SAMPLES, parsed

FILE = reference.ROOT / "schemas" / "run-options.schema.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_the_file_is_current() -> None:
    assert FILE.read_text("utf-8") == reference.schemas()[FILE.name], (
        f"{FILE.name} is not current: run make reference"
    )


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_neither_has_an_option_that_the_other_lacks() -> None:
    assert SCHEMA["properties"].keys() == OPTIONS.keys()
    assert not VALIDATOR.is_valid({"no-such-option": "1"})


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_each_option_has_its_flag_what_it_is_what_it_takes_and_examples(name: str) -> None:
    told = SCHEMA["properties"][name]
    assert told["title"] in (f"--{name}", name.upper())
    assert OPTIONS[name].form in told["description"]
    assert told["examples"]
    assert told.keys() & {"type", "anyOf", "enum"}


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_each_example_is_taken_by_both(name: str) -> None:
    for example in SCHEMA["properties"][name]["examples"]:
        VALIDATOR.validate({name: example})
        parsed(name, json.dumps(example))


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_what_an_option_takes_is_valid(name: str) -> None:
    for text in (SAMPLES[name], *DEFAULTS.get(name, ())):
        VALIDATOR.validate({name: json.loads(text)})
    words = spelled(name, parsed(name, SAMPLES[name]))
    for spelling in (*words, words):
        try:
            OPTIONS[name].parse(spelling)
        except Invalid:
            continue
        VALIDATOR.validate({name: spelling})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory", True), ("memory", "512Mi"), ("restart", "sometimes"), ("read-only", "yes"), ("cpu-shares", 1),
        ("publish", {}), ("volume", 1), ("health-interval", 30), ("log-opt", [1]), ("label", {"confd.app": "web"}),
        ("network", []), ("hostname", "a b"), ("ip", "front"), ("expose", {}), ("cgroupns", "mine"),
    ],
)  # fmt: skip
def test_the_schema_refuses_what_the_option_refuses(name: str, value: Any) -> None:
    assert not VALIDATOR.is_valid({name: value})
    with pytest.raises(Invalid):
        parsed(name, json.dumps(value))
