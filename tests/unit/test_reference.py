"""docs/reference says what the registries and schemas say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from confd.binding import parse_binding
from confd.options import OPTIONS
from scripts import pagewords, reference

PAGES = reference.pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_current(name: str) -> None:
    path = reference.FOLDER / name
    written = path.read_text("utf-8") if path.exists() else ""
    assert written == PAGES[name], f"docs/reference/{name} is not current: run make reference"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in reference.FOLDER.iterdir()} == PAGES.keys(), "run make reference"


def test_pages_do_not_depend_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("COLUMNS", "40"), ("HOME", "/elsewhere"), ("LC_ALL", "C"), ("CONFD_ENV", "qa")):
        monkeypatch.setenv(name, text)
    assert reference.pages() == PAGES


def test_every_run_option_says_what_it_takes() -> None:
    assert [name for name, option in OPTIONS.items() if not option.doc or not option.form] == []


def test_the_defaults_that_the_binding_schema_tells_are_the_defaults() -> None:
    schema: dict[str, Any] = json.loads((reference.ROOT / "schemas" / "binding.schema.json").read_text("utf-8"))
    assert parse_binding(_defaults(schema)) == parse_binding({})


def _defaults(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, one in schema["properties"].items():
        if "required" in one:
            continue  # there is none of it by default
        if "properties" in one:
            found |= {name: inner} if (inner := _defaults(one)) else {}
        elif "default" in one:
            found[name] = one["default"]
    return found


def test_something_without_a_docstring_is_an_error() -> None:
    def undocumented() -> None: ...

    with pytest.raises(LookupError, match="make reference"):
        pagewords.words_of(undocumented)


def test_links_of_the_tutorial_lead_somewhere() -> None:
    page = reference.ROOT / "docs" / "tutorial.md"
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
    for target in reference.links_of(text):
        path, _, anchor = target.partition("#")
        assert (page.parent / path).exists() if path else anchor in anchors, target


def test_links_between_pages_lead_somewhere() -> None:
    for text in PAGES.values():
        for target in reference.links_of(text):
            assert (reference.FOLDER / Path(target.partition("#")[0])).exists(), target
