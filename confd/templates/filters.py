"""What a template can do to a value: its filters, the tests after `is`, and what its operators become. Pure.

Each charges what it costs before it does it. None is known before the template runs, so that nothing is worked out
when it is read.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

from confd import jsontext
from confd.errors import Invalid
from confd.templates.values import (
    Budget,
    Missing,
    Settings,
    TooMuch,
    all_of,
    items_of,
    json_value,
    list_of,
    number,
    text_of,
)

__all__ = ["BUDGET", "FILTERS", "OPERATORS", "TESTS", "count"]

BUDGET = "_budget"
"""Where the budget stands among a template's variables: no name of its own begins so."""

MAX_RANGE = 10_000


def _budget(context: Context) -> Budget:
    budget: Budget = context.parent[BUDGET]
    return budget


# --- what the grammar puts in for members, calls, loops and operators -----------------------------------------


def _member(context: Context, subject: Any, name: Any, said: bool) -> Any:
    """`said`: the template has the name as it is; else it may be what a setting holds, and no error tells of it."""
    _budget(context).weigh(name)
    if isinstance(subject, Missing):
        str(subject)  # raises, with what is not there
    if isinstance(subject, Settings) and isinstance(name, str):
        found = subject.get(name)
        return Missing(f"there is no {_called('setting', name, said)}") if found is None else found
    if isinstance(subject, dict) and isinstance(name, str) and name in subject:
        return subject[name]
    if isinstance(subject, (list, tuple, str)) and isinstance(name, int) and -len(subject) <= name < len(subject):
        return subject[name]
    return Missing(f"there is no {_called('member', name, said)}")


def _called(what: str, name: Any, said: bool) -> str:
    return f"{what} {str(name)[:100]}" if said else f"such {what}"


def _slice(context: Context, subject: Any, *bounds: Any) -> Any:
    if not isinstance(subject, (str, list, tuple)) or not all(
        one is None or (isinstance(one, int) and not isinstance(one, bool)) for one in bounds
    ):
        raise Invalid("only a part of a text or of a list can be taken, between whole numbers")
    _budget(context).charge(1 + len(subject) // 16)
    return subject[slice(*bounds)]


def _each(context: Context, subject: Any, cost: int) -> list[Any]:
    """What a loop goes over, once all of its rounds have been charged."""
    items = list_of(subject)
    _budget(context).charge(len(items) * cost + 1)
    return items


def _range(context: Context, bounds: list[Any]) -> list[int]:
    numbers = [number(one) for one in bounds]
    if not all(isinstance(one, int) for one in numbers) or not 1 <= len(numbers) <= 3 or numbers[2:] == [0]:
        raise Invalid("range() takes one to three whole numbers, the third of which is not 0")
    made = range(*map(int, numbers))
    if abs(made.stop - made.start) // abs(made.step) > MAX_RANGE:
        raise TooMuch(f"range() gives at most {MAX_RANGE} numbers")
    _budget(context).charge(len(made) + 1)
    return list(made)


def _get(context: Context, settings: Settings, said: bool, key: Any, *default: Any) -> Any:
    found = _member(context, settings, key, said)
    return default[0] if isinstance(found, Missing) and default else found


def _weigh(context: Context, value: Any) -> Any:
    if isinstance(value, Settings):
        raise Invalid("settings cannot be compared")
    return _budget(context).weigh(value)


def _within(context: Context, item: Any, subject: Any) -> bool:
    """`item in subject`."""
    budget = _budget(context)
    budget.weigh(item)
    if isinstance(subject, Settings):
        return isinstance(item, str) and subject.has(item)
    return bool(operator.contains(budget.weigh(subject), item))


def _not_within(context: Context, item: Any, subject: Any) -> bool:
    return not _within(context, item, subject)


def _concat(context: Context, values: list[Any]) -> str:
    return "".join(all_of(values, _budget(context)))


_COUNTS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def count(sign: str, left: Any, right: Any) -> int | float:
    """Two numbers counted together; there is no power."""
    try:
        return number(_COUNTS[sign](number(left), number(right)))
    except (ZeroDivisionError, OverflowError) as exc:
        raise Invalid("this cannot be counted: a division by 0, or a number becomes too large") from exc


# --- filters --------------------------------------------------------------------------------------------------


def _default(context: Context, value: Any, default: Any = "", boolean: bool = False) -> Any:
    return default if isinstance(value, Missing) or (boolean and not value) else value


def _json(context: Context, value: Any) -> str:
    budget = _budget(context)
    text = jsontext.dump(json_value(value, budget))
    budget.text(len(text))
    return text


def _toml(context: Context, value: Any) -> str:
    """A basic string of TOML: JSON's escapes, and DEL."""
    return _made(context, jsontext.dump(_text(context, value)).replace("\x7f", "\\u007f"))


_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


def _xml(context: Context, value: Any) -> str:
    text = _text(context, value)
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", text):
        raise Invalid("XML cannot hold a control character")
    return _made(context, re.sub(r"[&<>\"']", lambda found: _XML[found[0]], text))


def _quote(context: Context, value: Any) -> str:
    """One word of a shell, whatever is in it."""
    return _made(context, "'" + _text(context, value).replace("'", "'\"'\"'") + "'")


_PROPERTY = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}


def _properties(context: Context, value: Any) -> str:
    """The value of a Java properties file; what is not ASCII is escaped."""

    def escaped(found: re.Match[str]) -> str:
        if found[0] in _PROPERTY:
            return _PROPERTY[found[0]]
        if found[0] in "\\ ":
            return "\\" + found[0]
        units = found[0].encode("utf-16-be")
        return "".join(f"\\u{units[at] * 256 + units[at + 1]:04x}" for at in range(0, len(units), 2))

    return _made(context, re.sub(r"[\\\n\r\t\f]|^ |[^ -~]", escaped, _text(context, value)))


def _join(context: Context, value: Any, between: Any = "") -> str:
    budget, mark = _budget(context), _text(context, between)
    texts = all_of(list_of(value), budget)
    budget.text(sum(map(len, texts)) + len(mark) * len(texts))
    return mark.join(texts)


def _split(context: Context, value: Any, at: Any = None) -> list[str]:
    mark, text = (None if at is None else _text(context, at)), _text(context, value)
    if mark == "":
        raise Invalid("split needs the text to split at")
    _budget(context).charge(len(text))
    return text.split(mark)


def _replace(context: Context, value: Any, old: Any, new: Any) -> str:
    text, was, now = (_text(context, one) for one in (value, old, new))
    if not was:
        raise Invalid("replace needs the text to be replaced")
    _budget(context).text(len(text) + text.count(was) * len(now))
    return text.replace(was, now)


def _indent(context: Context, value: Any, width: Any = 4, first: bool = False) -> str:
    """Each line but the first, and empty ones, begin so many blanks further to the right."""
    text = _text(context, value)
    if not isinstance(width, int) or not 0 <= width <= 100:
        raise Invalid("indent takes from 0 to 100 blanks")
    _budget(context).text(len(text) + width * (text.count("\n") + 1))
    lines = text.split("\n")
    blanks = " " * width
    return "\n".join(blanks + line if line and (at or first) else line for at, line in enumerate(lines))


def _upper(context: Context, value: Any) -> str:
    return _made(context, _text(context, value).upper())


def _lower(context: Context, value: Any) -> str:
    return _made(context, _text(context, value).lower())


def _trim(context: Context, value: Any) -> str:
    return _text(context, value).strip()


def _length(context: Context, value: Any) -> int:
    return len(value) if isinstance(value, str) else len(list_of(value))


def _first(context: Context, value: Any) -> Any:
    return next(iter(list_of(value)), Missing("the list is empty"))


def _last(context: Context, value: Any) -> Any:
    return next(iter(reversed(list_of(value))), Missing("the list is empty"))


def _sort(context: Context, value: Any, reverse: bool = False) -> list[Any]:
    budget, items = _budget(context), list_of(value)
    for _ in range(len(items).bit_length()):
        budget.weigh(items)
    return sorted(items, reverse=bool(reverse))


def _items(context: Context, value: Any) -> list[tuple[Any, Any]]:
    found = list(items_of(value))
    _budget(context).charge(len(found) + 1)
    return found


def _keys(context: Context, value: Any) -> list[Any]:
    return [name for name, _ in _items(context, value)]


def _values(context: Context, value: Any) -> list[Any]:
    return [item for _, item in _items(context, value)]


def _dictsort(context: Context, value: Any) -> list[tuple[Any, Any]]:
    found = _items(context, value)
    for _ in range(len(found).bit_length()):
        _budget(context).weigh([name for name, _ in found])
    return sorted(found, key=lambda pair: str(pair[0]))


def _below(context: Context, value: Any, prefix: Any) -> dict[str, Any]:
    """Of settings those whose keys begin with `prefix/`, by the rest of their keys."""
    if not isinstance(value, Settings):
        raise Invalid("below is for settings")
    start = _text(context, prefix).rstrip("/") + "/"
    names = [name for name in value.texts if name.startswith(start)]
    _budget(context).charge(len(value.texts) + 1)
    return {name.removeprefix(start): value.get(name) for name in names}


def _int(context: Context, value: Any) -> int:
    text = _text(context, value).strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,30})?", text):
        raise Invalid("int: this is no number, or it is too large")
    return int(text.partition(".")[0])


def _float(context: Context, value: Any) -> float:
    text = _text(context, value).strip()
    if not re.fullmatch(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", text):
        raise Invalid("float: this is no number, or it is too large")
    return float(number(float(text)))


def _string(context: Context, value: Any) -> str:
    return _text(context, value)


def _text(context: Context, value: Any) -> str:
    return text_of(value, _budget(context))


def _made(context: Context, text: str) -> str:
    """A text that is at most some times as long as what it was made from."""
    _budget(context).text(len(text))
    return text


# --- tests ----------------------------------------------------------------------------------------------------


def _is_defined(value: Any) -> bool:
    return not isinstance(value, Missing)


def _is_undefined(value: Any) -> bool:
    return isinstance(value, Missing)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_of(*kinds: type) -> Callable[[Any], bool]:
    def test(value: Any) -> bool:
        if isinstance(value, Missing):
            str(value)  # raises, with what is not there
        return isinstance(value, kinds)

    return test


def _filters(**functions: Callable[..., Any]) -> Mapping[str, Callable[..., Any]]:
    return {name: pass_context(function) for name, function in functions.items()}


FILTERS: Mapping[str, Callable[..., Any]] = _filters(
    default=_default,
    d=_default,
    json=_json,
    tojson=_json,
    toml_string=_toml,
    xml=_xml,
    quote=_quote,
    properties=_properties,
    join=_join,
    split=_split,
    replace=_replace,
    indent=_indent,
    upper=_upper,
    lower=_lower,
    trim=_trim,
    length=_length,
    count=_length,
    first=_first,
    last=_last,
    sort=_sort,
    items=_items,
    keys=_keys,
    values=_values,
    dictsort=_dictsort,
    below=_below,
    int=_int,
    float=_float,
    string=_string,
)
"""What may stand after `|`."""

OPERATORS: Mapping[str, Callable[..., Any]] = _filters(
    _member=_member,
    _slice=_slice,
    _each=_each,
    _range=_range,
    _get=_get,
    _weigh=_weigh,
    _within=_within,
    _not_within=_not_within,
    _concat=_concat,
)
"""What the grammar puts in; no template can name them."""

TESTS: Mapping[str, Callable[..., bool]] = {
    "defined": _is_defined,
    "undefined": _is_undefined,
    "number": _is_number,
    "none": _is_of(type(None)),
    "string": _is_of(str),
    "boolean": _is_of(bool),
    "mapping": _is_of(dict),
    "sequence": _is_of(list, tuple),
}
"""What may stand after `is`."""
