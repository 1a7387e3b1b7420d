"""The values that a template works with, as text and by weight, and the budget of work that it has.

A closed set: text, numbers, true and false, null, lists, objects, and the settings. Nothing else is handed out, so
that no attribute of a Python object is within reach.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import StrictUndefined

from confd import jsontext
from confd.errors import Invalid
from confd.jsontext import Number, Value
from confd.keys import Key

__all__ = [
    "MAX_TEXT",
    "WORK",
    "Budget",
    "Missing",
    "Numeral",
    "Settings",
    "TooMuch",
    "all_of",
    "items_of",
    "json_value",
    "list_of",
    "number",
    "text_of",
    "value_of",
]

WORK = 1_000_000
"""What all templates of one binding may do at one time: so many expressions, and so many times 64 characters."""

MAX_TEXT = 1024 * 1024
"""How long a text that a template makes, and a file made by one, may become."""

WHOLE = 2**63
"""Whole numbers end here."""


class TooMuch(Invalid):
    """The template asks for more than one may."""


class Missing(StrictUndefined):
    """What is not there: an error wherever it is used, but as `default`'s subject and for `is defined`."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"there is no setting {self._undefined_name}"


class Numeral(float):
    """A number that keeps its text, as `1.10`; counting with it is counting with a float."""

    def __new__(cls, text: str) -> Numeral:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str


@dataclass(slots=True)
class Budget:
    """What is left of the work."""

    left: int = WORK

    def charge(self, work: int) -> None:
        """Raises `TooMuch`."""
        self.left -= work
        if self.left < 0:
            raise TooMuch("it takes too much work; loop over less, or make it simpler")

    def text(self, size: int) -> None:
        """Before a text of this length is made. Raises `TooMuch`."""
        if size > MAX_TEXT:
            raise TooMuch(f"it makes a text of more than {MAX_TEXT} characters")
        self.charge(1 + size // 64)

    def weigh(self, value: Any) -> Any:
        """The value, once all that has to be looked at in it has been charged."""
        if isinstance(value, str):
            self.charge(1 + len(value) // 64)
        elif isinstance(value, (list, tuple)):
            self.charge(1)
            for item in value:
                self.weigh(item)
        elif isinstance(value, dict):
            self.charge(1)
            for name, item in value.items():
                self.weigh(name)
                self.weigh(item)
        else:
            self.charge(1)
        return value


@dataclass(slots=True, eq=False)
class Settings:
    """The settings that a template may see; `read` are the keys that it has asked for, whether set or not."""

    texts: Mapping[Key, str]
    read: dict[Key, None] = field(default_factory=dict)
    _values: dict[str, Any] = field(default_factory=dict)

    def get(self, key: str) -> Any:
        """The value of a key, or None where it is not set: null is never the value of one."""
        self.read[Key(key)] = None
        if key not in self._values:
            text = self.texts.get(Key(key))
            self._values[key] = None if text is None else value_of(jsontext.parse(text))
        return self._values[key]

    def names(self) -> list[str]:
        """All keys: from now on each of them matters."""
        self.read.update(dict.fromkeys(self.texts))
        return list(self.texts)

    def has(self, key: str) -> bool:
        self.read[Key(key)] = None
        return key in self.texts


def value_of(value: Value) -> Any:
    """A setting's value as a template has it."""
    if isinstance(value, Number):
        text = value.text
        whole = len(text) < 19 and text.removeprefix("-").isdigit() and text != "-0"
        return int(text) if whole else Numeral(text)
    if isinstance(value, Mapping):
        return {name: value_of(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [value_of(item) for item in value]
    return value


def json_value(value: Any, budget: Budget) -> Value:
    """A template's value as one of JSON. Raises `Invalid` for what is none."""
    budget.charge(4)
    if isinstance(value, Missing):
        str(value)  # raises, with what is not there
    if isinstance(value, Settings):
        return {name: json_value(value.get(name), budget) for name in value.names()}
    if isinstance(value, Numeral):
        return Number(value.text)
    if isinstance(value, dict):
        return {_name(name): json_value(item, budget) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item, budget) for item in value]
    if isinstance(value, str):
        budget.charge(len(value) // 8)  # as JSON it may be six times as long
    elif not (value is None or isinstance(value, (bool, int, float))):
        raise Invalid("this is no value; give it to a filter, or take a member of it")
    result: Value = value
    return result


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise Invalid("the names in an object are texts")
    return name


def text_of(value: Any, budget: Budget) -> str:
    """A value as text, as in a variable: a text as it is, all else as compact JSON."""
    if isinstance(value, str):
        budget.text(len(value))
        return value
    text = jsontext.dump(json_value(value, budget))
    budget.text(len(text))
    return text


def number(value: Any) -> int | float:
    """The value, which is to be a number, within bounds. Raises `Invalid`."""
    if isinstance(value, Missing):
        str(value)  # raises, with what is not there
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Invalid("only numbers can be counted with; for texts there is ~, and the filters int and float")
    if not math.isfinite(value) or (isinstance(value, int) and abs(value) > WHOLE):
        raise TooMuch("a number becomes too large")
    return value


def items_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """The members of an object, or all settings. Raises `Invalid`."""
    if isinstance(value, Settings):
        return ((name, value.get(name)) for name in value.names())
    if isinstance(value, dict):
        return iter(value.items())
    if isinstance(value, Missing):
        str(value)  # raises, with what is not there
    raise Invalid("only an object, and settings, have members")


def list_of(value: Any) -> list[Any]:
    """What a loop goes over: items, the names of an object's members, all keys. Raises `Invalid`."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, Settings):
        return list(value.names())
    if isinstance(value, dict):
        return list(value)
    if isinstance(value, Missing):
        str(value)  # raises, with what is not there
    raise Invalid("only a list, an object and settings can be gone over")


def all_of(values: Iterable[Any], budget: Budget) -> list[str]:
    """The texts of all values, as long as all of them together may be."""
    texts: list[str] = []
    size = 0
    for value in values:
        texts.append(text_of(value, budget))
        size += len(texts[-1])
        if size > MAX_TEXT:
            budget.text(size)
    return texts
