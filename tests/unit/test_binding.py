"""Bindings: what is accepted, and what is refused with the field named."""

from __future__ import annotations

import pytest

from confd import jsontext
from confd.binding import binding_of, parse_binding, seconds
from confd.errors import Invalid
from confd.keys import App, Env
from confd.model import Binding, Entry, FileCheck, OnChange, Snapshot

PROD, WEB = Env("prod"), App("web")


def test_the_empty_document_is_the_default_binding() -> None:
    assert parse_binding({}) == Binding()


def test_a_file_by_template_with_its_check() -> None:
    text = """{"files": [{"path": "/a", "template": "{{ x }}", "owner": "1000", "check":
              {"command": ["test", "-s", "{file}"], "in": "image", "timeout": "2s"}},
              {"path": "/b", "format": "env", "check": {"command": ["cat", "-A{file}"]}}]}"""
    first, second = parse_binding(jsontext.parse(text)).files
    assert (first.template, first.format, first.owner) == ("{{ x }}", "", "1000")
    assert first.check == FileCheck(("test", "-s", "{file}"), in_image=True, timeout_s=2.0)
    assert second.check == FileCheck(("cat", "-A{file}"))


def test_a_whole_binding() -> None:
    text = """{"app": "web", "env": "prod",
      "variables": {"include": ["**"], "exclude": ["internal/**"], "prefix": "",
                    "rename": {"db/url": "DATABASE_URL"}, "allow_reserved": []},
      "arguments": {"--log-level": "log/level"},
      "files": [{"path": "/etc/web/app.json", "format": "json", "include": ["web/**"],
                 "mode": "0440", "owner": "1:2"}],
      "on_change": [{"keys": "log/**", "action": "signal", "signal": "SIGHUP"},
                    {"keys": "**", "action": "auto", "escalate": false}],
      "wait": {"min": "0s", "max": "10s"}, "stop": {"timeout": "1m"},
      "health": {"monitor": "500ms"}, "promote": {"exclude": ["db/**"]}}"""
    binding = parse_binding(jsontext.parse(text), (PROD, WEB))
    assert binding.on_change == (OnChange("log/**", "signal", "HUP"), OnChange("**", "auto"))
    assert binding.promote_exclude == ("db/**",)
    assert (binding.monitor_s, binding.stop_timeout_s, binding.files[0].owner) == (0.5, 60.0, "1:2")


@pytest.mark.parametrize(
    ("document", "says", "pointer"),
    [
        ('{"colour": 1}', "unknown field 'colour'", ""),
        ('{"files": [{"path": "/a"}]}', "either a format or a template", "/files/0"),
        ('{"files": [{"path": "a", "format": "json"}]}', "matches", "/files/0/path"),
        ('{"files": [{"path": "/a/../b", "format": "json"}]}', "goes up", "/files/0/path"),
        ('{"files": [{"format": "env"}]}', "the fields path are needed", "/files/0"),
        ('{"files": [{"path": "/a", "format": "hcl"}]}', "known are", "/files/0"),
        ('{"files": [{"path": "/a", "format": "env", "template": "a"}]}', "either a format or", "/files/0"),
        ('{"files": [{"path": "/a", "template": "a\\n{{"}]}', "of /a: line 2: unexpected", "/files/0/template"),
        ('{"files": [{"path": "/a", "template": "{{ 2 ** 9 }}"}]}', "line 1: the power", "/files/0/template"),
        ('{"files": [{"path": "/a", "format": "env", "owner": "app:app"}]}', "numbers, like", "/files/0/owner"),
        ('{"files": [{"path": "/a", "format": "env", "owner": "1:2:3"}]}', "numbers, like", "/files/0/owner"),
        ('{"files": [{"path": "/a", "format": "env", "owner": "1:"}]}', "numbers, like", "/files/0/owner"),
        ('{"files": [{"path": "/a", "format": "env", "owner": "4294967295"}]}', "at most", "/files/0/owner"),
        (
            '{"files": [{"path": "/a", "format": "env", "check": {"command": ["nginx", "-t"]}}]}',
            "told by {file}",
            "/files/0/check/command",
        ),
        (
            '{"files": [{"path": "/a", "format": "env", "check": {"command": ["{file}"], "timeout": "6m"}}]}',
            "at most 5 minutes",
            "/files/0/check/timeout",
        ),
        (
            '{"files": [{"path": "/a", "format": "env", "check": {"command": ["t", "{file}"], "in": "host"}}]}',
            "(container|image)",
            "/files/0/check/in",
        ),
        ('{"on_change": [{"keys": "**", "action": "reload"}]}', "known are: none, signal", "/on_change/0"),
        ('{"on_change": [{"keys": "**", "action": "signal"}]}', "needs a signal", "/on_change/0/signal"),
        ('{"on_change": [{"keys": "**", "action": "exec"}]}', "needs a command", "/on_change/0/command"),
        ('{"on_change": [{"keys": "**", "action": "auto", "command": ["x"]}]}', "no other", "/on_change/0/command"),
        ('{"on_change": [{"keys": "**", "action": "auto", "timeout": 1}]}', "exec alone", "/on_change/0/timeout"),
        ('{"on_change": [{"keys": "**", "action": "exec", "command": []}]}', "minItems", "/on_change/0/command"),
        ('{"wait": {"min": "soon"}}', "a duration like", "/wait/min"),
        ('{"on_change": [{"keys": "", "action": "auto"}]}', "the rule minLength", "/on_change/0/keys"),
        ('{"select": {}}', "give one of label", "/select"),
        ('{"maintenance": {"windows": []}}', "minItems", "/maintenance/windows"),
        (
            '{"maintenance": {"windows": [{"from": "24:00", "to": "01:00"}]}}',
            "matches",
            "/maintenance/windows/0/from",
        ),
        (
            '{"maintenance": {"windows": [{"from": "20:00", "to": "01:00"}], "zone": "Mars/Base"}}',
            "no time zone 'Mars/Base'",
            "/maintenance/zone",
        ),
        ('{"depends_on": ["web"]}', "before itself", "/depends_on/0"),
        ('{"secrets": "env"}', "matches ^(file|shim|variables)$", "/secrets"),
        ('{"secrets": {"by": "shim", "mode": "0400"}}', "shim makes none; leave them out", "/secrets"),
        ('{"secrets": {"by": "file", "owner": "app"}}', "numbers, like 1000:1000", "/secrets/owner"),
        (
            '{"files": [{"path": "/run/confd-secrets/a/b", "format": "json"}]}',
            "give /run/confd-secrets/NAME",
            "/files/0/path",
        ),
        ('{"files": [{"path": "/run/confd-secrets", "format": "json"}]}', "without folders", "/files/0/path"),
        ('{"rollout": {"strategy": "rolling"}}', "rollout.strategy is not supported", "/rollout/strategy"),
        ('{"on_failure": "ignore"}', "expected one of restore, keep", "/on_failure"),
        ('{"order": "start-first", "on_failure": "keep"}', "contradict", "/on_failure"),
        ('{"order": "startfirst"}', "expected one of stop-first, start-first", "/order"),
        ('{"wait": {"min": "25s"}}', "longer than wait.max, which is 10s", "/wait/min"),
        ('{"wait": {"min": "3s", "max": "2s"}}', "longer than wait.max", "/wait/min"),
        ('{"health": {"monitor": "90s"}}', "longer than health.timeout, which is 60s", "/health/monitor"),
        ('{"app": "other"}', "'other'", "/app"),
        ('{"variables": []}', "expected object", "/variables"),
        ("1", "expected object", ""),
    ],
)
def test_what_cannot_be_is_refused_naming_the_field(document: str, says: str, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_binding(jsontext.parse(document), (PROD, WEB))
    assert says in refused.value.detail
    assert refused.value.pointer == pointer


def test_the_envs_own_binding_wins_over_the_default_envs() -> None:
    own = Entry("b", '{"wait": {"min": 1}}', 1)
    every = Entry("b", '{"wait": {"min": 2}}', 1)
    both = Snapshot(1, bindings={(PROD, WEB): own, (Env("_default"), WEB): every})
    assert binding_of(both, PROD, WEB)[0].wait_min_s == 1
    assert binding_of(Snapshot(1, bindings={(Env("_default"), WEB): every}), PROD, WEB)[0].wait_min_s == 2
    assert binding_of(Snapshot(1), PROD, WEB) == (Binding(), None)


def test_a_document_that_is_no_binding_is_told() -> None:
    broken = Snapshot(1, bindings={(PROD, WEB): Entry("b", '{"x": 1}', 1)})
    binding, problem = binding_of(broken, PROD, WEB)
    assert binding == Binding()
    assert problem is not None
    assert problem.code == "binding"


@pytest.mark.parametrize(("text", "expected"), [("10s", 10.0), ("500ms", 0.5), ("1m", 60.0), (3, 3.0)])
def test_durations(text: str | float, expected: float) -> None:
    assert seconds(text) == expected
    with pytest.raises(Invalid):
        seconds("10 parsecs")
