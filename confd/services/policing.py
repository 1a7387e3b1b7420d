"""What a write of settings would bring in against the policies of the envs that it reaches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from confd import jsontext
from confd.errors import Invalid
from confd.keys import Host
from confd.model import Observed, Policy, Snapshot, Violation
from confd.options import overlay, read_back
from confd.policies import fresh, in_words, policies_of
from confd.services.places import Place, Sight, rendered_at
from confd.services.reach import reached_hosts

__all__ = ["check_policies", "forbidden"]


def forbidden(policies: Sequence[Policy], options: Mapping[str, str]) -> list[Violation]:
    """What settings alone say against the policies; what they leave out, a container may have by itself."""
    return fresh(policies, {}, options)


def check_policies(
    before: Snapshot, after: Snapshot, places: Sequence[Place], sight: Sight, host: Host | None
) -> None:
    """Refuse what a write brings in against a policy: of the settings alone, and of each container that is known.

    What was against it before, and is as it was, is not this writer's. Raises `Invalid`.
    """
    policed = [place for place in places if policies_of(after, place.env)]
    turn = _Turn(before, after, sight)
    found = [(f"{in_words(one)} ({_where(place)})", one) for place in policed for one in turn.of_settings(place)]
    if not found:
        hosted = reached_hosts(after, policed, host)
        found = [pair for place, observed in hosted.items() for pair in turn.of_containers(place, observed)]
    if found:
        words, first = found[0]
        more = f"; and {len(found) - 1} more" if len(found) > 1 else ""
        pointer = jsontext.pointer("set", f"run/{first.options[0]}") if first.options else None
        raise Invalid(f"{words}{more}; nothing was stored", pointer=pointer)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A write, from the state before it to the state after it."""

    before: Snapshot
    after: Snapshot
    sight: Sight

    def of_settings(self, place: Place) -> list[Violation]:
        """What the settings of a place say against its policies, and did not before."""
        was, now = self._options(place)
        policies = policies_of(self.after, place.env)
        if was == now:
            return []
        known = forbidden(policies, was)
        return [one for one in forbidden(policies, now) if one not in known]

    def of_containers(self, place: Place, observed: Sequence[Observed]) -> Iterator[tuple[str, Violation]]:
        """What the containers of a place would be against, each with the settings over its own options."""
        was, now = self._options(place)
        for container in observed if was != now else ():
            due = (read_back(overlay(container.base_options, options)) for options in (was, now))
            for one in fresh(policies_of(self.after, place.env), *due):
                yield f"{in_words(one)} (container {container.name} on {place.host})", one

    def _options(self, place: Place) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The run options that a place is due, before and after."""
        was, now = (rendered_at(one, place, self.sight)[0].options for one in (self.before, self.after))
        return was, now


def _where(place: Place) -> str:
    return f"{place.app} in {place.env}" + (f" on {place.host}" if place.host else "")
