"""The health check of a container, over the one that its image has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confd import jsontext
from confd.jsontext import Value
from confd.options.option import Grammar, Option, Place
from confd.options.texts import boolean, duration, integer, load, refusal

__all__ = ["HEALTH"]

_NONE = ["NONE"]
_RULE = "a command line for the shell, or a list of words for no shell"


def _check(inspect: Mapping[str, Any]) -> Mapping[str, Any]:
    return (inspect.get("Config") or {}).get("Healthcheck") or {}


def _put(body: dict[str, Any], field: str, value: Any) -> None:
    """Set a field of the check, or take it away; one without fields is the image's."""
    check = {**(body.get("Healthcheck") or {}), field: value}
    body["Healthcheck"] = {one: its for one, its in check.items() if its} or None


def _number(field: str) -> Place:
    def read(inspect: Mapping[str, Any]) -> str | None:
        found = _check(inspect).get(field)
        return str(found) if found else None

    return Place(read, lambda body, text: _put(body, field, load(text)), lambda body: _put(body, field, None))


def _command(name: str, value: Value) -> str:
    if isinstance(value, str) and value.strip():
        words: list[str] = [value]
    elif isinstance(value, Sequence) and value and all(isinstance(one, str) for one in value):
        words = [str(one) for one in value]
    else:
        raise refusal(name, _RULE)
    if any("\x00" in one for one in words):
        raise refusal(name, _RULE + ", without a NUL character")
    return jsontext.dump(words[0] if isinstance(value, str) else words)


def _command_place() -> Place:
    def read(inspect: Mapping[str, Any]) -> str | None:
        test = list(_check(inspect).get("Test") or ())
        if not test or test == _NONE:
            return None
        return jsontext.dump(test[1] if test[0] == "CMD-SHELL" and len(test) > 1 else test[1:])

    def write(body: dict[str, Any], text: str) -> None:
        command = load(text)
        _put(body, "Test", ["CMD-SHELL", command] if isinstance(command, str) else ["CMD", *command])

    return Place(read, write, lambda body: _put(body, "Test", None))


def _none_place() -> Place:
    def read(inspect: Mapping[str, Any]) -> str | None:
        return "true" if _check(inspect).get("Test") == _NONE else None

    def write(body: dict[str, Any], text: str) -> None:
        if load(text):
            _put(body, "Test", _NONE)
        else:
            unset(body)

    def unset(body: dict[str, Any]) -> None:
        if (body.get("Healthcheck") or {}).get("Test") == _NONE:
            _put(body, "Test", None)

    return Place(read, write, unset)


_OFF = ("no-healthcheck",)
_ON = (
    "health-cmd",
    "health-interval",
    "health-timeout",
    "health-start-period",
    "health-start-interval",
    "health-retries",
)

HEALTH = (
    Option(
        "health-cmd",
        "the command that tells its health",
        Grammar(
            _command, {"type": ["string", "array"], "minLength": 1, "minItems": 1, "items": {"type": "string"}}
        ),
        _command_place(),
        ("wget -qO- localhost/health", ["check", "--quick"]),
        excludes=_OFF,
    ),
    Option("health-interval", "time between two checks", duration(), _number("Interval"), ("30s",), excludes=_OFF),
    Option("health-timeout", "time that a check may take", duration(), _number("Timeout"), ("5s",), excludes=_OFF),
    Option(
        "health-start-period",
        "time in which failures do not count",
        duration(),
        _number("StartPeriod"),
        ("1m30s",),
        excludes=_OFF,
    ),
    Option(
        "health-start-interval",
        "time between two checks in the start period",
        duration(),
        _number("StartInterval"),
        ("1s",),
        excludes=_OFF,
        since=lambda text: "1.44",
    ),
    Option(
        "health-retries",
        "failures in a row until it is unhealthy",
        integer(1, 1_000_000),
        _number("Retries"),
        (3,),
        excludes=_OFF,
    ),
    Option("no-healthcheck", "no check, not the image's either", boolean, _none_place(), (True,), excludes=_ON),
)
