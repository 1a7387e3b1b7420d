"""Bindings: read from JSON, checked, and found for an app in an env.

Pure. The shape stands in schemas/binding.schema.json; what a schema cannot say (known actions and formats,
signals, durations) is checked here against the registries. Must not know of containers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from confd import jsontext, schema
from confd.errors import ConfdError, Invalid
from confd.formats import FORMATS
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env, parse_key, show
from confd.model import Binding, BindingFile, OnChange, Problem, Snapshot, VariablesRule, frozen
from confd.options import grammar

__all__ = ["ACTION_NAMES", "binding_of", "dump_binding", "parse_binding"]

ACTION_NAMES = ("auto", "none", "signal", "update", "restart", "recreate")
"""What `on_change` may name: the registered actions, and `auto` and `none`."""

LATER = ("secrets", "rollout", "depends_on")


def parse_binding(text_or_value: Value, *, env: Env | None = None, app: App | None = None) -> Binding:
    """A binding from its JSON text or its value; `env` and `app` are the scope that it is for.

    Raises `Malformed` for text that is no JSON, `Invalid` with a pointer for all else.
    """
    value = jsontext.parse(text_or_value) if isinstance(text_or_value, str) else text_or_value
    schema.check(value, "binding", "binding")
    fields: Mapping[str, Any] = value  # type: ignore[assignment]  # the schema has said that it is an object
    _check_scope(fields, env, app)
    _check_later(fields, app)
    wait, stop, health = (fields.get(name, {}) for name in ("wait", "stop", "health"))
    default = Binding()
    binding = Binding(
        variables=_variables(fields.get("variables", {})),
        arguments=_arguments(fields.get("arguments", {})),
        files=tuple(_file(file, f"/files/{i}") for i, file in enumerate(fields.get("files", ()))),
        on_change=tuple(_rule(rule, f"/on_change/{i}") for i, rule in enumerate(fields.get("on_change", ())))
        or default.on_change,
        wait_min_s=_seconds(wait, "/wait/min", default.wait_min_s),
        wait_max_s=_seconds(wait, "/wait/max", max(default.wait_max_s, _seconds(wait, "/wait/min", 0.0))),
        stop_signal=_at("/stop/signal", grammar.signal, stop["signal"]) if "signal" in stop else "",
        stop_timeout_s=_seconds(stop, "/stop/timeout", 0.0) if "timeout" in stop else None,
        monitor_s=_seconds(health, "/health/monitor", default.monitor_s),
        timeout_s=_seconds(health, "/health/timeout", default.timeout_s),
    )
    if binding.wait_min_s > binding.wait_max_s:
        raise Invalid("binding wait/max: has to be at least wait/min", pointer="/wait/max")
    paths = [file.path for file in binding.files]
    for i, path in enumerate(paths):
        if path in paths[:i]:
            raise Invalid(f"binding files/{i}/path: {show(path)} stands twice", pointer=f"/files/{i}/path")
    return binding


def binding_of(snapshot: Snapshot, env: Env, app: App) -> tuple[Binding, Problem | None]:
    """The env's own binding of the app, else the one of env `_default`, else the default binding.

    One that stands in the store and is invalid gives the default binding and the problem.
    """
    entry = snapshot.bindings.get((env, app)) or snapshot.bindings.get((Env(DEFAULT), app))
    if entry is None:
        return Binding(), None
    try:
        return _parsed(entry.text), None
    except ConfdError as error:
        return Binding(), Problem("binding", (), error.detail)


def dump_binding(binding: Binding) -> str:
    """The binding as JSON text, every field written out; `parse_binding` gives the same binding back."""
    rule = binding.variables
    fields: dict[str, Any] = {
        "variables": {
            "include": list(rule.include),
            "exclude": list(rule.exclude),
            "prefix": rule.prefix,
            "rename": dict(rule.rename),
            "allow_reserved": list(rule.allow_reserved),
        },
        "arguments": dict(binding.arguments),
        "files": [_file_fields(file) for file in binding.files],
        "on_change": [_rule_fields(rule) for rule in binding.on_change],
        "wait": {"min": _duration(binding.wait_min_s), "max": _duration(binding.wait_max_s)},
        "health": {"monitor": _duration(binding.monitor_s), "timeout": _duration(binding.timeout_s)},
    }
    stop: dict[str, Any] = {"signal": binding.stop_signal} if binding.stop_signal else {}
    if binding.stop_timeout_s is not None:
        stop["timeout"] = _duration(binding.stop_timeout_s)
    if stop:
        fields["stop"] = stop
    return jsontext.dump(fields)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Binding:
    return parse_binding(text)


def _check_scope(fields: Mapping[str, Any], env: Env | None, app: App | None) -> None:
    for name, scope in (("env", env), ("app", app)):
        if scope is not None and name in fields and fields[name] != scope:
            raise Invalid(f"binding {name}: has to be {scope}, the scope that it is set for", pointer=f"/{name}")


def _check_later(fields: Mapping[str, Any], app: App | None) -> None:
    for name in LATER:
        if name in fields:
            raise Invalid(f"binding {name}: not supported yet; leave it out", pointer=f"/{name}")
    if fields.get("on_failure", "restore") != "restore":
        raise Invalid("binding on_failure: only restore is supported yet", pointer="/on_failure")
    if "select" in fields:
        owner = app or fields.get("app")
        label = fields["select"].get("label", "")
        fits = label == f"confd.app={owner}" if owner else label.startswith("confd.app=")
        if not fits or len(fields["select"]) != 1:
            wanted = f"{{label: confd.app={owner or 'APP'}}}"
            raise Invalid(f"binding select: only {wanted} is supported yet", pointer="/select")


def _variables(fields: Mapping[str, Any]) -> VariablesRule:
    for key in fields.get("rename", {}):
        _key(key, "/variables/rename")
    return VariablesRule(
        include=tuple(fields.get("include", ("**",))),
        exclude=tuple(fields.get("exclude", ())),
        prefix=fields.get("prefix", ""),
        rename=frozen(dict(fields.get("rename", {}))),
        allow_reserved=tuple(fields.get("allow_reserved", ())),
    )


def _arguments(fields: Mapping[str, str]) -> Mapping[str, str]:
    for flag, key in fields.items():
        if not flag or "\x00" in flag:
            raise Invalid("binding arguments: a flag may not be empty or hold NUL", pointer="/arguments")
        _key(key, "/arguments")
    return frozen(dict(fields))


def _file(fields: Mapping[str, Any], at: str) -> BindingFile:
    path = fields["path"]
    parts = path.split("/")[1:]
    clean = path.startswith("/") and all(part not in ("", ".", "..") for part in parts) and path.isprintable()
    if not clean:
        raise _invalid(f"{at}/path", "use an absolute path without empty, . and .. parts, like /etc/web/app.json")
    _one_of(fields["format"], sorted(FORMATS), f"{at}/format")
    return BindingFile(
        path=path,
        format=fields["format"],
        include=tuple(fields.get("include", ("**",))),
        exclude=tuple(fields.get("exclude", ())),
        mode=fields.get("mode", "0644"),
        owner=fields.get("owner", ""),
    )


def _rule(fields: Mapping[str, Any], at: str) -> OnChange:
    action = fields["action"]
    _one_of(action, ACTION_NAMES, f"{at}/action")
    if (action == "signal") != ("signal" in fields):
        raise _invalid(f"{at}/signal", "name a signal with the action signal, and with no other")
    signal = _at(f"{at}/signal", grammar.signal, fields["signal"]) if "signal" in fields else ""
    return OnChange(fields["keys"], action, signal, fields.get("escalate", False))


def _seconds(fields: Mapping[str, Any], pointer: str, default: float) -> float:
    name = pointer.rpartition("/")[2]
    return _at(pointer, grammar.seconds, fields[name]) if name in fields else default


def _at(pointer: str, parse: Any, value: Value) -> Any:
    try:
        return parse(value, "binding " + pointer.strip("/"))
    except Invalid as error:
        raise Invalid(error.detail, pointer=pointer) from error


def _key(key: str, pointer: str) -> None:
    try:
        parse_key(key)
    except ConfdError as error:
        raise _invalid(pointer, error.detail) from error


def _one_of(name: str, known: Sequence[str], pointer: str) -> None:
    if name not in known:
        raise _invalid(pointer, f"{show(name)} is unknown; known are: {', '.join(known)}")


def _invalid(pointer: str, words: str) -> Invalid:
    return Invalid(f"binding {pointer.strip('/')}: {words}", pointer=pointer)


def _file_fields(file: BindingFile) -> dict[str, Any]:
    fields = {
        "path": file.path,
        "format": file.format,
        "include": list(file.include),
        "exclude": list(file.exclude),
        "mode": file.mode,
    }
    return {**fields, "owner": file.owner} if file.owner else fields


def _rule_fields(rule: OnChange) -> dict[str, Any]:
    fields: dict[str, Any] = {"keys": rule.keys, "action": rule.action}
    if rule.signal:
        fields["signal"] = rule.signal
    return {**fields, "escalate": True} if rule.escalate else fields


def _duration(seconds: float) -> str:
    return f"{seconds:g}s" if seconds == round(seconds) else f"{seconds * 1000:.0f}ms"
