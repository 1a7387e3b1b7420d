"""Options that cannot be together, and what a host cannot give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from confd.keys import Key
from confd.model import Problem
from confd.options.contradictions import contradictions
from confd.options.option import OLDEST
from confd.options.registry import OPTIONS
from confd.options.texts import flag

__all__ = ["against_host", "conflicts", "not_allowed", "not_executed"]


def conflicts(options: Mapping[str, str]) -> list[Problem]:
    """Options that contradict each other, with the reason the engine would give."""
    return [
        Problem("run-option", tuple(Key(f"run/{name}") for name in names), _said(names, why))
        for names, why in contradictions(options)
    ]


def _said(names: Sequence[str], why: str) -> str:
    return " and ".join(f"run/{name} ({flag(name)})" for name in names) + f" {why}"


def against_host(options: Mapping[str, str], facts: Mapping[str, Any]) -> list[Problem]:
    """What a host with these facts (`cpus`, `memory_bytes`, `api_version`) cannot give."""
    problems: list[Problem] = []
    cpus = facts.get("cpus")
    if "cpus" in options and cpus and int(options["cpus"]) > cpus * 1_000_000_000:
        detail = f"run/cpus: this host has {cpus} CPUs; the range is from 0.01 to {cpus}"
        problems.append(Problem("host", (Key("run/cpus"),), detail))
    if "cpuset-cpus" in options and cpus:
        highest = max(int(n) for n in re.findall(r"\d+", options["cpuset-cpus"]))
        if highest >= cpus:
            detail = f"run/cpuset-cpus: this host has the CPUs 0 to {cpus - 1}"
            problems.append(Problem("host", (Key("run/cpuset-cpus"),), detail))
    return [*problems, *_too_new(options, str(facts.get("api_version") or OLDEST))]


def _too_new(options: Mapping[str, str], version: str) -> list[Problem]:
    """What needs a newer engine than that of a host with this API; one passes over what it does not know."""
    needed = ((name, OPTIONS[name].since(text)) for name, text in options.items() if name in OPTIONS)
    return [
        Problem(
            "host",
            (Key(f"run/{name}"),),
            f"run/{name}: this host's engine has the API {version}, and this needs {needs}; a newer engine has it",
        )
        for name, needs in needed
        if needs != OLDEST and _version(needs) > _version(version)
    ]


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


EXEC = "exec"
"""What a host's file allows beside run options: commands in containers, from the store."""


def _line(name: str) -> str:
    return f'allow-run = ["{name}"]'


def _to_allow(name: str) -> str:
    return f"to allow it, put {_line(name)} into the file of its agent (or --allow-run {name} on its command line)"


def not_executed(facts: Mapping[str, Any]) -> str:
    """Why a host with these facts (`allow_run`) runs no command that the store names; empty where it does."""
    if EXEC in (facts.get("allow_run") or ()):
        return ""
    return f"this host does not let the store run commands in containers; {_to_allow(EXEC)}"


def not_allowed(options: Mapping[str, str], facts: Mapping[str, Any]) -> list[Problem]:
    """What a host whose agent lets the store set these (`allow_run`), and every limit, does not take."""
    allowed = set(facts.get("allow_run") or ())
    return [
        Problem(
            "host",
            (Key(f"run/{name}"),),
            f"this host does not let the store set run/{name}; {_to_allow(name)}",
        )
        for name in options
        if name in OPTIONS and not OPTIONS[name].limit and name not in allowed
    ]
