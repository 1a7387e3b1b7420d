"""Which app's settings reach a container that does not say so itself: the `select` of bindings. Pure."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from confd.keys import DEFAULT, App, Env
from confd.model import Select, Snapshot, frozen

__all__ = ["Candidate", "apps_of", "fits", "select_of", "selects_in"]

COMPOSE = "com.docker.compose."


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a container is chosen by. `image` is the name it was created from."""

    name: str
    image: str
    labels: Mapping[str, str]


def selects_in(snapshot: Snapshot, env: Env) -> Mapping[App, Select]:
    """The apps of an env that choose containers; the binding of the env itself hides that of every env."""
    found: dict[App, Select | None] = {}
    for of in (env, Env(DEFAULT)):
        for (its_env, app), entry in snapshot.bindings.items():
            if its_env == of and app not in found:
                found[app] = select_of(entry.text)
    return frozen({app: select for app, select in sorted(found.items()) if select is not None})


@functools.lru_cache(maxsize=4096)
def select_of(text: str) -> Select | None:
    """The `select` of a binding's document; one that cannot be read chooses nothing."""
    try:
        members = json.loads(text)["select"]
        select = Select(**members)
    except (ValueError, KeyError, TypeError):
        return None
    return select if members and all(isinstance(one, str) for one in members.values()) else None


def apps_of(selects: Mapping[App, Select], candidate: Candidate) -> list[App]:
    """Every app that chooses the container; more than one is a conflict, and then it belongs to none."""
    return [app for app, select in selects.items() if fits(select, candidate)]


def fits(select: Select, candidate: Candidate) -> bool:
    """Whether all that the select asks for is so."""
    labels = candidate.labels
    name, equals, value = select.label.partition("=")
    service = f"{labels.get(COMPOSE + 'project', '')}/{labels.get(COMPOSE + 'service', '')}"
    return (
        (not name or (name in labels and (not equals or labels[name] == value)))
        and (not select.name or fnmatchcase(candidate.name, select.name))
        and (not select.image or _is_image(candidate.image, select.image))
        and (not select.compose or fnmatchcase(service, select.compose))
    )


def _is_image(image: str, glob: str) -> bool:
    return fnmatchcase(image, glob) or fnmatchcase(_untagged(image), glob)


def _untagged(image: str) -> str:
    """`host:5000/team/web:1@sha256:...` gives `host:5000/team/web`."""
    name = image.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]
