"""`confctl doctor`: the usual faults, each with how to mend it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import click

from confd.cli.output import cell, emit, say, table
from confd.cli.policy import show_violations
from confd.cli.scope import Common, common_options
from confd.client import Answer, Client, integer
from confd.errors import ConfdError, Invalid, Malformed, Refused, Unauthenticated
from confd.jsontext import parse
from confd.wording import counted

__all__ = ["Finding", "doctor_command"]

TESTED_ENGINES = ("20.10.",)
TESTED_ETCD = ("3.4.",)
MAX_SKEW_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; `exit_code` is 0 unless it is a fault, `mend` says what to do."""

    check: str
    state: str
    found: str
    mend: str = ""
    exit_code: int = 0


@click.command("doctor")
@click.option("--policies", is_flag=True, help="Look for running containers that are against a policy instead.")
@common_options
def doctor_command(common: Common, policies: bool) -> None:
    """Look for the usual faults, and say how to mend them.

    Looks at the server, etcd, the token, the clock, the agents and their engines. With --policies at the running
    containers of all hosts, or of --host or -e alone; exits 65 when one is against a policy of its env.

    \b
    Examples:
      confctl doctor
      confctl doctor --policies
    """
    if policies:
        _policies(common)
        return
    findings = list(_examine(common))
    document = [{"check": f.check, "state": f.state, "found": f.found, "mend": f.mend} for f in findings]
    emit(common.output, document, lambda: _show(findings))
    codes = [f.exit_code for f in findings if f.exit_code]
    say(f"{len(codes)} fault{'s' * (len(codes) > 1)} found" if codes else "no fault found")
    click.get_current_context().exit(codes[0] if codes else 0)


def _policies(common: Common) -> None:
    document = common.client().violations(common.env, common.host)
    containers = document["containers"]
    emit(common.output, document, lambda: show_violations(containers))
    for one in containers:
        if not one["alive"]:
            say(f"{cell(one['name'])} on {cell(one['host'])}: its host is lost; so it was at {cell(one['at'])}")
    if not integer(document["policies"]):
        say("no env has a policy; 'confctl policy set base --preset secure -e ENV' stores one")
    elif not containers:
        say("no running container is against a policy")
    else:
        say(f"{counted(len(containers), 'running container')} against a policy")
    click.get_current_context().exit(Invalid.exit_code if containers else 0)


def _show(findings: Iterable[Finding]) -> None:
    table(["CHECK", "STATE", "FOUND"], [[f.check, f.state, f.found] for f in findings])
    for finding in findings:
        if finding.mend:
            say(f"{finding.check}: {finding.mend}")


def _examine(common: Common) -> Iterator[Finding]:
    try:
        client = common.client()
        live = client.call("GET", "/livez", timeout_s=5, accept=range(300, 600))
    except ConfdError as exc:
        yield Finding("server", "FAULT", exc.detail, "start it, or correct --server or the context", exc.exit_code)
        return
    yield Finding("server", "ok", common.find_server())
    yield _clock(live)
    yield from _store(client)
    token = _token(client, common.find_token())
    yield token
    if not token.exit_code:
        yield from _agents(client)


def _clock(live: Answer) -> Finding:
    try:
        skew = parsedate_to_datetime(live.headers.get("date", "")).timestamp() - time.time()
    except ValueError:
        return Finding("clock", "unknown", "the server sends no Date")
    if abs(skew) > MAX_SKEW_S:
        mend = "set both clocks by NTP (timedatectl set-ntp true)"
        return Finding("clock", "FAULT", f"the server's clock differs by {skew:.0f} s", mend, 78)
    return Finding("clock", "ok", f"within {MAX_SKEW_S:g} s of the server's")


def _store(client: Client) -> Iterator[Finding]:
    try:
        ready = client.call("GET", "/readyz", timeout_s=10, accept=range(300, 600))
    except ConfdError as exc:
        yield Finding("etcd", "FAULT", exc.detail, "the server hangs: see its log", exc.exit_code)
        return
    body = _body(ready)
    if ready.status != 200:
        found = cell(body.get("detail") or f"/readyz answers {ready.status}")
        yield Finding(
            "etcd", "FAULT", found, "start etcd, or correct the server's --etcd; its log names the endpoint", 69
        )
        return
    name, _, version = str(body.get("store") or "").partition(" ")
    yield _version("etcd", version if name == "etcd" else None, TESTED_ETCD)


def _body(answer: Answer) -> Mapping[str, Any]:
    try:
        body = parse(answer.body)
    except Malformed:
        return {}
    return body if isinstance(body, Mapping) else {}


def _version(what: str, version: object, tested: tuple[str, ...]) -> Finding:
    if not isinstance(version, str):
        return Finding(what, "ok", "works; its version is not reported")
    if not version.removeprefix("v").startswith(tested):
        mend = f"it may work; tested are {', '.join(t.rstrip('.') for t in tested)}"
        return Finding(what, "untested", f"version {cell(version)}", mend)
    return Finding(what, "ok", f"version {cell(version)}")


def _token(client: Client, token: str | None) -> Finding:
    try:
        client.apps()
    except (Unauthenticated, Refused) as exc:
        found = "none given" if token is None else f"the server does not take it: {exc.detail}"
        mend = "use the server's token file: CONFD_TOKEN_FILE=DATA/api/token (written by 'confd-server up')"
        return Finding("token", "FAULT", found, mend, exc.exit_code)
    except ConfdError as exc:
        return Finding("token", "unknown", exc.detail, "mend the faults above first", exc.exit_code)
    return Finding("token", "ok", "the server takes it")


def _agents(client: Client) -> Iterator[Finding]:
    hosts = client.hosts().get("hosts", [])
    if not hosts:
        yield Finding(
            "agents", "FAULT", "no agent has reported", "start one on each host: confd-agent --env ENV", 3
        )
    for host in hosts:
        name = f"agent {cell(host.get('host'))}"
        if not host.get("alive"):
            found = f"lost since {cell(host.get('lost_since'))}"
            yield Finding(name, "FAULT", found, "start its confd-agent again; look at its log", 3)
        elif host.get("engine_away_since") or not host.get("engine_version"):
            mend = "start Docker there (systemctl start docker), or correct the agent's --docker-host"
            since = f" since {cell(host['engine_away_since'])}" if host.get("engine_away_since") else ""
            yield Finding(name, "FAULT", f"it reaches no Docker Engine{since}", mend, 3)
        else:
            yield _version(f"engine {cell(host.get('host'))}", host["engine_version"], TESTED_ENGINES)
