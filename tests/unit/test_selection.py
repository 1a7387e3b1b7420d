"""Which containers a binding's `select` chooses."""

from __future__ import annotations

import json

import pytest

from confd.keys import App, Env
from confd.model import Entry, Select, Snapshot
from confd.selection import Candidate, apps_of, fits, select_of, selects_in

WEB = Candidate(
    "shop_web_1",
    "registry:5000/team/web:1.2",
    {"tier": "front", "com.docker.compose.project": "shop", "com.docker.compose.service": "web"},
)


@pytest.mark.parametrize(
    ("select", "chosen"),
    [
        (Select(label="tier"), True),
        (Select(label="tier=front"), True),
        (Select(label="tier=back"), False),
        (Select(label="tier="), False),
        (Select(label="other"), False),
        (Select(name="shop_web_*"), True),
        (Select(name="shop"), False),
        (Select(image="registry:5000/team/web:1.2"), True),
        (Select(image="registry:5000/team/web"), True),
        (Select(image="*/team/*"), True),
        (Select(image="web"), False),
        (Select(compose="shop/web"), True),
        (Select(compose="shop/*"), True),
        (Select(compose="shop/db"), False),
        (Select(label="tier", name="shop_*", compose="shop/web"), True),
        (Select(label="tier", name="db_*"), False),
    ],
)
def test_all_that_is_asked_for_has_to_fit(select: Select, chosen: bool) -> None:
    assert fits(select, WEB) is chosen


@pytest.mark.parametrize("image", ["web", "web:1", "web@sha256:0", "web:1@sha256:0"])
def test_an_image_without_a_tag_means_any_tag(image: str) -> None:
    assert fits(Select(image="web"), Candidate("a", image, {}))


def test_a_container_of_no_compose_project_is_no_service() -> None:
    assert not fits(Select(compose="*/web"), Candidate("a", "web", {}))


def bound(**documents: object) -> Snapshot:
    """Bindings by `env__app`."""
    entries = {}
    for name, document in documents.items():
        env, _, app = name.partition("__")
        text = document if isinstance(document, str) else json.dumps(document)
        entries[Env(env.replace("any", "_default")), App(app)] = Entry("b", text, 5)
    return Snapshot(bindings=entries)


def test_the_env_s_own_binding_hides_that_of_every_env() -> None:
    snapshot = bound(
        dev__web={"select": {"name": "web"}},
        any__web={"select": {"name": "www"}},
        any__db={"select": {"image": "db"}},
        dev__job={},
        any__job={"select": {"name": "job"}},
        qa__web={"select": {"name": "qa"}},
    )
    assert selects_in(snapshot, Env("dev")) == {App("db"): Select(image="db"), App("web"): Select(name="web")}


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"select": {}}', '{"select": 1}', '{"select": {"name": 1}}', '{"select": {"x": "y"}}'],
)
def test_what_cannot_be_read_chooses_nothing(text: str) -> None:
    assert select_of(text) is None


def test_two_apps_that_choose_a_container_are_both_named() -> None:
    selects = {App("a"): Select(name="shop_*"), App("b"): Select(label="tier"), App("c"): Select(name="x")}
    assert apps_of(selects, WEB) == ["a", "b"]
