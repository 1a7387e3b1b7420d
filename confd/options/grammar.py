"""How sizes, durations, signals and lists are written in run options and bindings.

Each function takes the value and what it is for (`run/memory`), and raises `Invalid` with that and what is
accepted, never with the value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from confd.errors import Invalid
from confd.jsontext import Number, Value

__all__ = ["canonical", "flag", "integer", "items", "pairs", "seconds", "signal", "size", "text", "trimmed"]

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:([kmgtp])(?:i?b)?|b)?", re.IGNORECASE)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")
_SCALE = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}
_LARGEST = 2**63 - 1
SIGNALS = frozenset(
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN "
    "TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS RTMIN RTMAX".split()
)


def canonical(value: object) -> str:
    """The one JSON text of a normalised value: members sorted, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text(value: Value, what: str, accepted: str) -> str:
    """A string or number as text."""
    if isinstance(value, (str, Number)):
        found = str(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        found = str(value)
    else:
        raise Invalid(f"{what}: use {accepted}")
    if not found or any(ord(char) < 32 or ord(char) == 127 for char in found):
        raise Invalid(f"{what}: use {accepted}; it may not be empty or hold control characters")
    return found


def size(value: Value, what: str) -> int:
    """Bytes, as `docker run` reads them: `512m`, `512MiB`, `0.5g`, `536870912`."""
    accepted = "bytes or a number with b, k, m, g, t or p, like 512m, 512MB or 512MiB, without blanks"
    match = _SIZE.fullmatch(text(value, what, accepted))
    if match is None:
        raise Invalid(f"{what}: use {accepted}")
    number, unit = match.groups()
    found = int(Decimal(number) * 1024 ** ("bkmgtp".index(unit.lower()) if unit else 0))
    if found > _LARGEST:
        raise Invalid(f"{what}: is larger than {_LARGEST} bytes")
    return found


def integer(value: Value, what: str, lowest: int, highest: int = _LARGEST) -> int:
    """A whole number within bounds."""
    accepted = f"a whole number from {lowest}" + (f" to {highest}" if highest != _LARGEST else "")
    found = text(value, what, accepted)
    if not re.fullmatch(r"-?[0-9]{1,19}", found) or not lowest <= int(found) <= highest:
        raise Invalid(f"{what}: use {accepted}")
    return int(found)


def seconds(value: Value, what: str) -> float:
    """A duration: `500ms`, `10s`, `1m`, `1h`, or a number of seconds."""
    accepted = "a duration like 500ms, 10s, 1m or 1h, or a number of seconds"
    match = _DURATION.fullmatch(text(value, what, accepted))
    if match is None or len(match.group(1)) > 12:
        raise Invalid(f"{what}: use {accepted}")
    return float(Decimal(match.group(1)) * _SCALE[match.group(2) or "s"])


def signal(value: Value, what: str) -> str:
    """A signal's name without SIG: `HUP`, `SIGHUP` and `hup` are `HUP`; a number stays a number."""
    accepted = "a signal's name, like HUP or SIGTERM, or its number from 1 to 64"
    found = text(value, what, accepted).upper().removeprefix("SIG")
    known = re.fullmatch(r"RTM(IN\+|AX-)[0-9]{1,2}", found) or found in SIGNALS
    if found.isascii() and found.isdigit() and 1 <= int(found[:3]) <= 64:
        return str(int(found))
    if not known:
        raise Invalid(f"{what}: use {accepted}")
    return found


def flag(value: Value, what: str) -> bool:
    """true or false, also as a string."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise Invalid(f"{what}: use true or false")


def items(value: Value, what: str, accepted: str) -> list[str]:
    """A JSON list of strings; a string stands for a list of what its commas separate."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    if not isinstance(value, Sequence) or not value:
        raise Invalid(f"{what}: use a list of {accepted}, or a string with commas between them")
    return [text(item, what, accepted) for item in value]


def pairs(value: Value, what: str, between: str, accepted: str) -> dict[str, str]:
    """A JSON object of strings, or a list of `name<between>value`."""
    if isinstance(value, Mapping) and value:
        return {
            text(name, what, accepted): "" if item == "" else text(item, what, accepted)
            for name, item in value.items()
        }
    found: dict[str, str] = {}
    for item in [value] if isinstance(value, str) else items(value, what, accepted):
        name, _, rest = item.partition(between)
        if not name or name in found:
            raise Invalid(f"{what}: use {accepted}, each name once")
        found[name] = rest
    return found


def trimmed(number: Decimal) -> str:
    """A decimal without zeros that say nothing: `0.70` is `0.7`."""
    try:
        return f"{number.normalize():f}"
    except InvalidOperation as exc:  # more digits than a limit can have
        raise Invalid("the number has too many digits") from exc
