"""Adoption: who agreed that settings are brought into containers which ran before anybody watched them. Pure.

Also who it was that made a container, where its labels tell, for those that something else makes again and again.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from confd.keys import Container
from confd.model import Entry

__all__ = ["Adoption", "adoption_of", "adoption_text", "maker_of"]


@dataclass(frozen=True, slots=True)
class Adoption:
    """The containers of an app on one host that somebody took over, by their ids. `at` is RFC 3339 UTC."""

    containers: tuple[Container, ...] = ()
    author: str = ""
    message: str = ""
    at: str = ""


def adoption_text(adoption: Adoption) -> str:
    return json.dumps(asdict(adoption), ensure_ascii=False)


def adoption_of(entry: Entry | None) -> Adoption:
    """What an adoption document says; one that cannot be read adopts nothing."""
    return _parse(entry.text) if entry is not None else Adoption()


@functools.lru_cache(maxsize=1024)
def _parse(text: str) -> Adoption:
    try:
        document = json.loads(text)
        containers = tuple(Container(str(one)) for one in document["containers"])
        return Adoption(containers, *(str(document[name]) for name in ("author", "message", "at")))
    except (ValueError, KeyError, TypeError):
        return Adoption()


_MAKERS = (
    ("com.docker.compose.project", "Compose, project {}"),
    ("com.docker.stack.namespace", "Swarm, stack {}"),
    ("com.docker.swarm.service.name", "Swarm, service {}"),
    ("com.hashicorp.nomad.alloc_id", "Nomad, allocation {}"),
    ("io.kubernetes.pod.name", "Kubernetes, pod {}"),
    ("com.centurylinklabs.watchtower.enable", "something like Watchtower"),
    ("org.label-schema.managed-by", "{}"),
    ("app.kubernetes.io/managed-by", "{}"),
)


def maker_of(labels: Mapping[str, str]) -> str:
    """Who makes such containers, as far as their labels tell."""
    found: Iterable[str] = (word.format(labels[name]) for name, word in _MAKERS if labels.get(name))
    return next(iter(found), "something else; its labels do not say what")
