"""A binding from its document: checked, with the unit of every time turned into seconds."""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Iterable, Mapping
from typing import Any

from confd import jsontext
from confd.errors import ConfdError, Invalid
from confd.formats import FORMATS
from confd.jsontext import Value
from confd.keys import DEFAULT, App, Env, parse_app
from confd.model import (
    REACHES,
    Binding,
    BindingFile,
    FileCheck,
    KeepLogs,
    Maintenance,
    OnChange,
    Problem,
    Secrets,
    Select,
    Snapshot,
    VariablesRule,
    Window,
    frozen,
)
from confd.schema import check
from confd.secretfiles import FOLDER, is_secret_path
from confd.templates import template_of

__all__ = ["ACTIONS", "WORDS", "binding_of", "parse_binding", "seconds"]

ACTIONS = ("none", "signal", "exec", "update", "restart", "recreate", "auto")
"""The words that `on_change` may name, beside which `confd.actions` registers what is done."""

WORDS: Mapping[str, str] = {
    "none": "Do nothing: the setting is stored, and the next new container has it.",
    "auto": "Do the weakest thing that brings the change into effect.",
}
"""What `on_change` may name beside the registered actions."""

LATER = (
    "rollout/strategy",
    "rollout/failure_action",
)
"""Fields of the contract that this release does not act on yet: refused, so that nobody relies on them."""

LONGEST_CHECK_S = 300
WAIT_MAX_S, HEALTH_TIMEOUT_S = 10, 60

HIGHEST_ID = 2**32 - 2
"""Of a user or group."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_binding(document: Value, scope: tuple[Env, App] | None = None) -> Binding:
    """A binding from its parsed document. Raises `Invalid` with a pointer for anything that cannot take effect."""
    if isinstance(document, Mapping):
        for name in LATER:
            if _holds(document, name):
                word = name.replace("/", ".")
                raise Invalid(f"binding: {word} is not supported in this release; leave it out", pointer=f"/{name}")
        if document.get("select") == {}:
            raise Invalid("binding: select: give one of label, name, image and compose", pointer="/select")
    check("binding", document)
    fields: Any = jsontext.plain(document)
    _check_scope(fields, scope)
    _check_durations(fields)
    wait, stop, health = fields.get("wait", {}), fields.get("stop", {}), fields.get("health", {})
    on_change = tuple(_on_change(fields.get("on_change", ())))
    return Binding(
        variables=_variables(fields.get("variables", {})),
        arguments=frozen(dict(fields.get("arguments", {}))),
        files=tuple(_files(fields.get("files", ()))),
        on_change=on_change or (OnChange("**", "auto"),),
        wait_min_s=seconds(wait.get("min", 0)),
        wait_max_s=seconds(wait.get("max", WAIT_MAX_S)),
        stop_timeout_s=seconds(stop["timeout"]) if "timeout" in stop else None,
        stop_signal=stop.get("signal", "").removeprefix("SIG"),
        monitor_s=seconds(health["monitor"]) if "monitor" in health else None,
        health_timeout_s=seconds(health.get("timeout", HEALTH_TIMEOUT_S)),
        start_first=_is_start_first(fields),
        keep_failed=fields.get("on_failure") == "keep",
        keep_writable=bool(fields.get("keep_writable", False)),
        keep_logs=_keep_logs(fields.get("keep_logs", {})),
        select=Select(**fields["select"]) if "select" in fields else None,
        max_parallel=int(fields.get("rollout", {}).get("max_parallel", 1)),
        splay_s=seconds(fields.get("splay", 0)),
        maintenance=_maintenance(fields["maintenance"]) if "maintenance" in fields else None,
        depends_on=tuple(_depends_on(fields.get("depends_on", ()), scope)),
        secrets=_secrets(fields.get("secrets", "file")),
        promote_exclude=tuple(fields.get("promote", {}).get("exclude", ())),
    )


def _check_durations(fields: Any) -> None:
    """Raises `Invalid` where one of two that belong together makes the other void."""
    wait, health = fields.get("wait", {}), fields.get("health", {})
    if seconds(wait.get("min", 0)) > seconds(wait.get("max", WAIT_MAX_S)):
        detail = "binding: wait.min is longer than wait.max, which is 10s where it is left out; give both"
        raise Invalid(detail, pointer="/wait/min")
    if seconds(health.get("monitor", 0)) > seconds(health.get("timeout", HEALTH_TIMEOUT_S)):
        detail = (
            "binding: health.monitor is longer than health.timeout, which is 60s where it is left out; give both"
        )
        raise Invalid(detail, pointer="/health/monitor")


def _holds(document: Value, path: str) -> bool:
    """Whether a document has the member, which may stand in another: `stop/signal`."""
    name, _, rest = path.partition("/")
    if not isinstance(document, Mapping) or name not in document:
        return False
    return not rest or _holds(document[name], rest)


def binding_of(snapshot: Snapshot, env: Env, app: App) -> tuple[Binding, Problem | None]:
    """The binding that serves an app in an env: its own, else that of env `_default`, else the default one.

    A document in the store that is no binding is told as a problem, and the default binding is given.
    """
    for place in ((env, app), (Env(DEFAULT), app)):
        entry = snapshot.bindings.get(place)
        if entry is not None:
            binding, refused = _read(entry.text)
            if refused:
                return binding, Problem("binding", (), f"the binding of {place[0]}/{app}: {refused}")
            return binding, None
    return Binding(), None


@functools.lru_cache(maxsize=4096)
def _read(text: str) -> tuple[Binding, str]:
    """The binding of a stored document, or the default one and why that is none."""
    try:
        return parse_binding(jsontext.parse(text)), ""
    except ConfdError as error:
        return Binding(), error.detail


def seconds(duration: str | float) -> float:
    """Seconds of a duration like `10s`, `500ms`, `1m`, or of a number of seconds. Raises `Invalid`."""
    if isinstance(duration, (int, float)):
        return float(duration)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", duration)
    if found is None:
        raise Invalid(f"{duration!r} is no duration: use 10s, 500ms, 1m or 1h")
    return float(found[1]) * _UNITS[found[2]]


def _check_scope(fields: Mapping[str, Any], scope: tuple[Env, App] | None) -> None:
    if scope is None:
        return
    for name, due in (("env", scope[0]), ("app", scope[1])):
        if fields.get(name, due) != due:
            raise Invalid(
                f"binding: {name} is {fields[name]!r}, and this is the binding of {due!r}", pointer=f"/{name}"
            )


def _is_start_first(fields: Mapping[str, Any]) -> bool:
    """Raises `Invalid` where a failed new container would have to be kept in the place of one that serves well."""
    first = fields.get("order") == "start-first"
    if first and fields.get("on_failure") == "keep":
        raise Invalid(
            "binding: order start-first and on_failure keep contradict: the old container still serves when the "
            "new one fails; leave one of them out",
            pointer="/on_failure",
        )
    return first


def _keep_logs(fields: Mapping[str, Any]) -> KeepLogs:
    default = KeepLogs()
    return KeepLogs(int(fields.get("lines", default.lines)), seconds(fields.get("age", default.age_s)))


_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _maintenance(fields: Mapping[str, Any]) -> Maintenance:
    zone = fields.get("zone", "UTC")
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        detail = f"binding: there is no time zone {zone!r}; use a name like UTC or Europe/Berlin"
        raise Invalid(detail, pointer="/maintenance/zone") from None
    windows = tuple(
        Window(
            tuple(sorted({_DAYS.index(day) for day in one.get("days", _DAYS)})),
            *map(_minute, (one["from"], one["to"])),
        )
        for one in fields["windows"]
    )
    return Maintenance(windows, zone, REACHES[fields.get("reach", "new-process")])


def _minute(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)


def _depends_on(names: Iterable[str], scope: tuple[Env, App] | None) -> Iterable[App]:
    for index, name in enumerate(names):
        app = parse_app(name)
        if scope is not None and app == scope[1]:
            raise Invalid(f"binding: depends_on: {app} cannot come before itself", pointer=f"/depends_on/{index}")
        yield app


def _variables(fields: Mapping[str, Any]) -> VariablesRule:
    return VariablesRule(
        include=tuple(fields.get("include", ("**",))),
        exclude=tuple(fields.get("exclude", ())),
        prefix=fields.get("prefix", ""),
        rename=frozen(dict(fields.get("rename", {}))),
        allow_reserved=tuple(fields.get("allow_reserved", ())),
        limits=bool(fields.get("limits", True)),
    )


def _files(items: Iterable[Mapping[str, Any]]) -> Iterable[BindingFile]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        path, at = item["path"], f"/files/{index}"
        if "/../" in path or path.endswith("/..") or path in seen:
            raise Invalid(f"binding: the path {path!r} stands twice or goes up", pointer=f"{at}/path")
        if path == FOLDER or (path.startswith(f"{FOLDER}/") and not is_secret_path(path)):
            detail = f"binding: {path}: secrets stand in {FOLDER} without folders below it; give {FOLDER}/NAME"
            raise Invalid(detail, pointer=f"{at}/path")
        seen.add(path)
        _check_source(item, at)
        _check_owner(item.get("owner", ""), at)
        yield BindingFile(
            path=path,
            format=item.get("format", ""),
            include=tuple(item.get("include", ("**",))),
            exclude=tuple(item.get("exclude", ())),
            mode=item.get("mode", ""),
            owner=item.get("owner", ""),
            template=item.get("template", ""),
            check=_file_check(item["check"], at) if "check" in item else None,
        )


def _secrets(given: Any) -> Secrets:
    """One word, or with it how their files are. Raises `Invalid` where there are no files."""
    fields = {"by": given} if isinstance(given, str) else given
    found = Secrets(**fields)
    if found.by != "file" and len(fields) > 1:
        detail = f"binding: secrets: mode and owner are those of files, and {found.by} makes none; leave them out"
        raise Invalid(detail, pointer="/secrets")
    _check_owner(found.owner, "/secrets")
    return found


def _check_source(item: Mapping[str, Any], at: str) -> None:
    """A file is in a format that is known, or made by a template that can be filled."""
    if ("format" in item) == ("template" in item):
        raise Invalid(f"binding: {item['path']}: give either a format or a template", pointer=at)
    if "template" in item:
        try:
            template_of(item["template"])
        except Invalid as error:
            raise Invalid(
                f"binding: template of {item['path']}: {error.detail}", pointer=f"{at}/template"
            ) from error
    elif item["format"] not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise Invalid(f"binding: format {item['format']!r} is unknown; known are: {known}", pointer=at)


def _check_owner(owner: str, at: str) -> None:
    parts = owner.split(":") if owner else []
    if not all(part.isascii() and part.isdigit() for part in parts) or len(parts) > 2:
        detail = (
            f"binding: owner {owner!r}: names are known inside the container alone; give numbers, like 1000:1000"
        )
        raise Invalid(detail, pointer=f"{at}/owner")
    if any(int(part[:11]) > HIGHEST_ID for part in parts):
        raise Invalid(f"binding: owner {owner!r}: a number is at most {HIGHEST_ID}", pointer=f"{at}/owner")


def _file_check(item: Mapping[str, Any], at: str) -> FileCheck:
    command = tuple(item["command"])
    if not any("{file}" in word for word in command):
        detail = 'binding: a check is told by {file} where the new file stands, as ["nginx", "-t", "-c", "{file}"]'
        raise Invalid(detail, pointer=f"{at}/check/command")
    timeout_s = seconds(item.get("timeout", 10))
    if not 0 < timeout_s <= LONGEST_CHECK_S:
        detail = f"binding: a check takes at most {LONGEST_CHECK_S // 60} minutes: other containers wait for it"
        raise Invalid(detail, pointer=f"{at}/check/timeout")
    return FileCheck(command, item.get("in", "container") == "image", timeout_s)


def _on_change(items: Iterable[Mapping[str, Any]]) -> Iterable[OnChange]:
    for index, item in enumerate(items):
        action, signal = item["action"], item.get("signal", "")
        if action not in ACTIONS:
            known = ", ".join(ACTIONS)
            raise Invalid(
                f"binding: action {action!r} is unknown; known are: {known}", pointer=f"/on_change/{index}"
            )
        if (action == "signal") != bool(signal):
            detail = "binding: the action signal needs a signal, like HUP, and no other action takes one"
            raise Invalid(detail, pointer=f"/on_change/{index}/signal")
        command = tuple(item.get("command", ()))
        if (action == "exec") != bool(command):
            detail = 'binding: the action exec needs a command, like ["nginx", "-s", "reload"]; no other takes one'
            raise Invalid(detail, pointer=f"/on_change/{index}/command")
        if "timeout" in item and action != "exec":
            detail = "binding: the action exec alone has a timeout"
            raise Invalid(detail, pointer=f"/on_change/{index}/timeout")
        timeout_s = seconds(item.get("timeout", 10))
        yield OnChange(
            item["keys"], action, signal.removeprefix("SIG"), bool(item.get("escalate", False)), command, timeout_s
        )
