"""Files of each format with what must come of them: the expected values stand beside each, in its own words.

There, nested names are joined with a dot, the items of a list by their index, and every value is its text.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from confd import jsontext
from confd.errors import Malformed
from confd.formats import FORMATS
from confd.jsontext import Value

CASES = Path(__file__).parents[2] / "data" / "cases"


def _leaves(name: str, value: Value) -> Iterable[tuple[str, Value]]:
    if isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from _leaves(f"{name}.{at}", item)
    else:
        yield name, value


def _text(value: Value) -> str:
    return value if isinstance(value, str) else jsontext.dump(value)


def expected(file: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((CASES / f"{file}.expected.json").read_text("utf-8"))
    return document


def loaded(file: str, form: str) -> Mapping[str, Value]:
    pairs = FORMATS[form].load((CASES / file).read_text("utf-8"))
    return dict(leaf for name, value in pairs for leaf in _leaves(name.replace("/", "."), value))


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("shop.docker.env", "docker-env"),
        ("gateway.compose.env", "compose-env"),
        ("feature.json", "json"),
        ("values.yaml", "yaml"),
        ("mail.properties.xml", "xml"),
    ],
)
def test_a_file_gives_what_is_expected_of_it(file: str, form: str) -> None:
    wanted, found = expected(file), dict(loaded(file, form))
    nulls, empty = wanted.get("nulls", []), wanted.get("empty_containers", [])
    assert all(found.pop(name) is None for name in nulls)
    assert all(found.pop(name) in ({}, []) for name in empty)
    for odd in wanted.get("odd_names", []):
        assert found.pop(".".join(odd["path"]).replace("/", ".")) == odd["value"]
    texts = {name: _text(value) for name, value in found.items()}
    assert texts == {name: text.lower() if text == "False" else text for name, text in wanted["values"].items()}


def test_a_hostile_file_is_refused_whole_and_at_once() -> None:
    wanted = expected("hostile.xml")["error"]
    with pytest.raises(Malformed) as refused:
        loaded("hostile.xml", "xml")
    assert wanted["refused"]
    assert socket.gethostname() not in refused.value.detail
