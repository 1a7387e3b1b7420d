"""Adoption documents, and who makes a container."""

from __future__ import annotations

import pytest

from confd.adoption import Adoption, adoption_of, adoption_text, maker_of
from confd.keys import Container
from confd.model import Entry

SOME = Adoption((Container("c1"), Container("c2")), "anna", "looks right", "2026-01-01T00:00:00.000Z")


def test_an_adoption_comes_back_from_its_document() -> None:
    assert adoption_of(Entry("a", adoption_text(SOME), 5)) == SOME
    assert adoption_of(None) == Adoption()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"containers": 1}', '{"containers": ["c1"]}'])
def test_what_cannot_be_read_adopts_nothing(text: str) -> None:
    assert adoption_of(Entry("a", text, 5)) == Adoption()


@pytest.mark.parametrize(
    ("labels", "maker"),
    [
        ({"com.docker.compose.project": "shop"}, "Compose, project shop"),
        ({"com.docker.compose.project": "shop", "com.docker.stack.namespace": "s"}, "Compose, project shop"),
        ({"com.docker.swarm.service.name": "web"}, "Swarm, service web"),
        ({"com.hashicorp.nomad.alloc_id": "a1"}, "Nomad, allocation a1"),
        ({"app": "x"}, "something else; its labels do not say what"),
    ],
)
def test_labels_tell_who_makes_a_container(labels: dict[str, str], maker: str) -> None:
    assert maker_of(labels) == maker
