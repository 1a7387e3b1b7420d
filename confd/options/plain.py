"""Canonical texts as the plain values that a JSON Schema of a policy is over, spelled as `docker run` does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confd.errors import ConfdError
from confd.options.spelled import spelled
from confd.options.texts import load

__all__ = ["plain_options"]

_BILLION = 10**9
_SPELLED = ("publish", "restart")
_PROFILE = "seccomp={"


def plain_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Run options by name: sizes in bytes, numbers, true and false, words, lists and objects of words.

    `cpus` is a number, a port or device is as one writes it, a ulimit has `soft` and `hard`. A profile of seccomp
    is `seccomp=PROFILE`, whatever long text is in it.
    """
    return {name: _readable(name, text) for name, text in options.items()}


def _readable(name: str, text: str) -> Any:
    try:
        return _plain(name, text)
    except (ConfdError, ValueError, TypeError, KeyError, AttributeError):
        return text  # it was put into the store without us


def _plain(name: str, text: str) -> Any:
    value = load(text)
    if name == "cpus":
        return value / _BILLION
    if name == "ulimit":
        return {limit: {"soft": soft, "hard": hard} for limit, (soft, hard) in value.items()}
    if name in _SPELLED or (isinstance(value, list) and any(isinstance(one, Mapping) for one in value)):
        words = spelled(name, text)
        return words[0] if name == "restart" else words
    if name == "security-opt":
        return ["seccomp=PROFILE" if one.startswith(_PROFILE) else one for one in value]
    return value
