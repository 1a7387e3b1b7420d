"""Options that cannot be together, and what a host cannot give."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from confd.keys import Key
from confd.model import Problem
from confd.options.registry import OPTIONS

__all__ = ["against_host", "conflicts", "not_allowed", "not_executed"]


def conflicts(options: Mapping[str, str]) -> list[Problem]:
    """Options that contradict each other, with the reason the engine would give."""
    problems: list[Problem] = []
    for name in options:
        others = [other for other in OPTIONS[name].excludes if other in options and other < name]  # each pair once
        problems += [_conflict(name, other, "exclude each other; keep one of them") for other in others]
    if "memory-swap" in options:
        if "memory" not in options:
            problems.append(_conflict("memory-swap", "memory", "go together: set run/memory as well"))
        elif options["memory-swap"] != "-1" and int(options["memory-swap"]) < int(options["memory"]):
            problems.append(
                _conflict("memory-swap", "memory", "contradict: swap counts memory too and must not be less")
            )
    if "memory-reservation" in options and int(options.get("memory", 2**63)) < int(options["memory-reservation"]):
        problems.append(_conflict("memory-reservation", "memory", "contradict: the reservation must not be more"))
    if options.get("network") == '"host"' and "hostname" in options:
        problems.append(
            _conflict("hostname", "network", "contradict: on the host's network it has the host's name")
        )
    return problems


def _conflict(one: str, other: str, why: str) -> Problem:
    keys = (Key(f"run/{one}"), Key(f"run/{other}"))
    return Problem("run-option", keys, f"run/{one} and run/{other} {why}")


def against_host(options: Mapping[str, str], facts: Mapping[str, Any]) -> list[Problem]:
    """What a host with these facts (`cpus`, `memory_bytes`) cannot give."""
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
    return problems


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
