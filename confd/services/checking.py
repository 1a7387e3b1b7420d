"""What every write of settings is checked against, in every effective set that its layer has a part in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from confd import jsontext
from confd.errors import Invalid
from confd.keys import Key, option_of
from confd.model import Observed, Problem, Snapshot
from confd.options import against_host, differing, not_allowed
from confd.services.context import Context
from confd.services.places import Place, fresh_problems, rendered_at
from confd.services.policing import check_policies
from confd.services.reach import reached_hosts
from confd.services.scope import Scope

__all__ = ["check"]


def check(
    context: Context, before: Snapshot, after: Snapshot, places: Sequence[Place], scope: Scope
) -> Sequence[str]:
    """Refuse what the write brings in; what was wrong before is not this writer's. Returns warnings."""
    sight = context.sight(before)
    for place in places:
        was, now = rendered_at(before, place, sight)[0], rendered_at(after, place, sight)[0]
        fresh = fresh_problems(was.problems, now.problems, (before, after), place)
        if fresh:
            raise _refusal(fresh, place, scope)
    check_policies(before, after, places, sight, scope.host)
    return _host_problems(context, before, after, places, scope)


def _refusal(problems: Sequence[Problem], place: Place, scope: Scope) -> Invalid:
    where = "" if place == scope.place else f" (in {place.env}/{place.app})"
    more = f"; and {len(problems) - 1} more" if len(problems) > 1 else ""
    pointer = jsontext.pointer("set", problems[0].keys[0]) if problems[0].keys else None
    return Invalid(f"{problems[0].detail}{where}{more}", pointer=pointer)


def _host_problems(
    context: Context, before: Snapshot, after: Snapshot, places: Sequence[Place], scope: Scope
) -> Sequence[str]:
    """What published host facts show of changed options: refused where no reached host could do it, else warned of.

    Each host is asked about what it is due itself.
    """
    sight = context.sight(before)
    warnings: list[str] = []
    fine = False
    for place, observed in reached_hosts(after, places, scope.host).items():
        was, now = (rendered_at(snapshot, place, sight)[0].options for snapshot in (before, after))
        changed = {option for option, text in now.items() if was.get(option) != text}
        problems = [problem for problem in _refused(now, observed) if option_of(Key(problem.keys[0])) in changed]
        fine = fine or not problems
        warnings += [f"{place.host}: {problem.detail}" for problem in problems]
    if warnings and not fine:
        raise Invalid(f"no host that runs this could do it: {'; '.join(dict.fromkeys(warnings))}")
    return tuple(dict.fromkeys(warnings))


def _refused(options: Mapping[str, str], observed: Sequence[Observed]) -> list[Problem]:
    """What a host cannot give or does not let the store set, save what its containers have by themselves."""
    facts = observed[-1].facts
    due = {name: text for one in observed for name, text in differing(options, one.options).items()}
    return [*not_allowed(due, facts), *against_host(options, facts)]
