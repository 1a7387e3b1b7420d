"""Which value of each key wins, and what it hid: five layers, lowest first, key by key.

Pure: a snapshot in, a `Resolved` out. What stands in the store against the grammar (it was put there without
us) is left out and told as a `Problem`; nothing is raised for data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confd import jsontext
from confd.errors import Malformed
from confd.keyring import SECRET, written_at
from confd.keys import App, Env, Host, Key, Layer, layers_of, parse_key, show
from confd.model import Entry, Problem, Resolved, Setting, Snapshot, frozen
from confd.policies import policies_of

__all__ = ["NULL", "normal_text", "resolve"]

NULL = "null"
"""The text of a value that removes its key from the effective settings."""


def resolve(snapshot: Snapshot, env: Env, app: App, host: Host | None = None) -> Resolved:
    """The effective settings of an app in an env, on a host where one is given; secrets as ciphertext."""
    layers = layers_of(env, app, host)
    stacks: dict[Key, list[Setting]] = {}
    problems: list[Problem] = []
    for layer in layers:
        for setting in _settings(layer, snapshot.layers.get(layer, {}), problems):
            stacks.setdefault(setting.key, []).insert(0, setting)
    effective = {key: stacks[key][0] for key in sorted(stacks) if stacks[key][0].text != NULL}
    removed = {key: stacks[key][0] for key in sorted(stacks) if stacks[key][0].text == NULL}
    hidden = {key: tuple(stack[1:]) for key, stack in stacks.items() if len(stack) > 1}
    return Resolved(
        app=app,
        env=env,
        host=host,
        revision=snapshot.revision,
        settings=frozen(effective),
        removed=frozen(removed),
        hidden=frozen(hidden),
        changes=frozen({layer: snapshot.heads[layer].number for layer in layers if layer in snapshot.heads}),
        problems=tuple(problems),
        policies=policies_of(snapshot, env),
    )


def _settings(layer: Layer, entries: Mapping[str, Entry], problems: list[Problem]) -> Iterable[Setting]:
    for name, entry in entries.items():
        try:
            key = parse_key(name)
            text, secret = normal_text(entry.text)
        except Malformed as error:
            problems.append(Problem("invalid", (name,), f"{show(name)} in layer {layer}: {error.detail}"))
            continue
        yield Setting(key, text, secret, layer, written_at(entry))


def normal_text(text: str) -> tuple[str, bool]:
    """The compact JSON text of what the store holds, and whether it is a secret's ciphertext.

    Text that is not JSON, as `etcdctl put` may leave it, reads as a string. Raises `Malformed` for text no
    variable or file could carry: a NUL.
    """
    if "\x00" in text:
        raise Malformed("the value holds a NUL character, which no variable or file can carry; remove it")
    try:
        value = jsontext.parse(text)
    except Malformed:
        value = text
    dumped = jsontext.dump(value)
    if "\\u0000" in dumped and _holds_nul(value):
        raise Malformed("the value holds a NUL character, which no variable or file can carry; remove it")
    return dumped, isinstance(value, Mapping) and set(value) == {SECRET}


def _holds_nul(value: jsontext.Value) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any("\x00" in name or _holds_nul(item) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(_holds_nul(item) for item in value)
    return False
