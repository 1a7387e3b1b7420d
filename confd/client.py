"""The typed HTTP client of the API; `confd.transport` brings its requests to the server.

    client = Client(HttpTransport("http://127.0.0.1:8700"), token="...")
    client.change(Scope("web", "dev"), Edit(set={"LOG_LEVEL": "debug"}))

A problem+json answer becomes the `ConfdError` subclass of its `code`. The transport is a parameter, so that
tests and other programs bring their own. Must not know of terminals, files of settings or the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import quote, urlencode

from confd.answers import Document, document_of, error_of, part_of, path_of
from confd.jsontext import Value, dump
from confd.transport import DEFAULT_SERVER, Answer, HttpTransport, Request, Transport, integer

__all__ = [
    "ABSENT",
    "DEFAULT_SERVER",
    "Answer",
    "Brake",
    "Client",
    "Document",
    "Edit",
    "HttpTransport",
    "Request",
    "Scope",
    "Transport",
    "integer",
]

DEFAULT_TIMEOUT_S = 30.0
STEP_TIMEOUT_S = 600.0
"""The last step of a rotation looks at all that is stored."""
ABSENT = "absent"
"""As `if_match`: the layer has had no change yet."""
LONG_TIMEOUT_S = 600.0
"""For a backup, of which nothing comes until all of it was read."""


@dataclass(frozen=True, slots=True)
class Scope:
    """An app in an env, on one host where a host's layer is meant."""

    app: str
    env: str
    host: str | None = None

    @property
    def path(self) -> str:
        return f"/v1/apps/{part_of(self.app)}/envs/{part_of(self.env)}"

    @property
    def query(self) -> dict[str, str]:
        return {"host": self.host} if self.host else {}


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of one layer, as it is asked for; `texts` get their types from the app's schema.

    `if_match`: only where the layer is as `Client.own` gave it.
    """

    set: Mapping[str, Value] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    unset: Sequence[str] = ()
    secret: Sequence[str] = ()
    plain: Sequence[str] = ()
    message: str = ""
    dry_run: bool = False
    yes: bool = False
    force: bool = False
    if_match: str = ""


@dataclass(frozen=True, slots=True)
class Brake:
    """What is to be frozen in an env, and why: all of it, an app, a host, or an app on one host."""

    app: str | None = None
    host: str | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Client:
    """The API's routes as methods. Every method raises `ConfdError` subclasses and nothing else."""

    transport: Transport
    token: str | None = None
    author: str | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S

    def apps(self) -> Document:
        return self.get("/v1/apps")

    def hosts(self) -> Document:
        return self.get("/v1/hosts")

    def forget_host(self, host: str, edit: Edit) -> Document:
        """Forget a lost host."""
        query = {name: "true" for name in ("dry_run", "yes") if getattr(edit, name)}
        return document_of(self.call("DELETE", f"/v1/hosts/{part_of(host)}", query))

    def why(self, container: str, host: str | None = None, env: str | None = None) -> Document:
        """What was done to a container, by its name or the beginning of an id."""
        query = {name: text for name, text in (("host", host), ("env", env)) if text}
        return self.get(f"/v1/why/{part_of(container)}", query)

    def settings(self, scope: Scope, *, own: bool = False, reveal: bool = False) -> Document:
        query = scope.query | {"layer": "own" if own else "effective"} | ({"reveal": "true"} if reveal else {})
        return self.get(f"{scope.path}/settings", query)

    def own(self, scope: Scope) -> tuple[Document, str]:
        """The settings of the scope's own layer, and what an edit's `if_match` takes."""
        answer = self.call("GET", f"{scope.path}/settings", scope.query | {"layer": "own"})
        document = document_of(answer)
        there = document["settings"] or integer(document["change"])
        return document, answer.headers.get("etag", "") if there else ABSENT

    def setting(self, scope: Scope, key: str, *, own: bool = False, reveal: bool = False) -> Document:
        query = scope.query | {"layer": "own" if own else "effective"} | ({"reveal": "true"} if reveal else {})
        return self.get(f"{scope.path}/settings/{path_of(key)}", query)

    def change(self, scope: Scope, edit: Edit) -> Document:
        body: dict[str, Value] = {"set": dict(edit.set), "unset": list(edit.unset), "secret": list(edit.secret)}
        body |= {"plain": list(edit.plain)} if edit.plain else {}
        body |= {"texts": dict(edit.texts)} if edit.texts else {}
        return self._edit("PATCH", f"{scope.path}/settings", scope, body, edit)

    def promote(self, scope: Scope, wish: Mapping[str, Value], edit: Edit) -> Document:
        """Carry the app's own settings over. `wish`: `from`, an env, and `only`, `except` and `prune`."""
        return self._edit("POST", f"{scope.path}/promote", scope, dict(wish), edit)

    def promote_all(self, env: str, wish: Mapping[str, Value], edit: Edit) -> Document:
        """The same for every app, all of them at once."""
        return self._edit("POST", f"/v1/envs/{part_of(env)}/promote", Scope("_default", env), dict(wish), edit)

    def propose(self, scope: Scope, edit: Edit) -> Document:
        """A change for somebody else to approve."""
        body: dict[str, Value] = {"set": dict(edit.set), "unset": list(edit.unset), "secret": list(edit.secret)}
        return self._edit("POST", f"{scope.path}/proposals", scope, body, edit)

    def proposals(self, scope: Scope, *, decided: bool = False) -> Document:
        """What waits for approval; with `decided` also what no longer does."""
        return self.get(f"{scope.path}/proposals", scope.query | ({"all": "true"} if decided else {}))

    def proposal(self, scope: Scope, proposal_id: str) -> Document:
        return self.get(f"{scope.path}/proposals/{part_of(proposal_id)}", scope.query)

    def approve(self, scope: Scope, proposal_id: str, edit: Edit) -> Document:
        return self._edit("POST", f"{scope.path}/proposals/{part_of(proposal_id)}/approve", scope, {}, edit)

    def reject(self, scope: Scope, proposal_id: str, edit: Edit) -> Document:
        path = f"{scope.path}/proposals/{part_of(proposal_id)}/reject"
        return self._send("POST", path, {"message": edit.message}, scope.query)

    def rebase(self, scope: Scope, proposal_id: str, edit: Edit) -> Document:
        """Put one's own proposal on what is there now."""
        return self._edit("POST", f"{scope.path}/proposals/{part_of(proposal_id)}/rebase", scope, {}, edit)

    def apply(self, documents: Sequence[Value], edit: Edit) -> Document:
        """Write manifests, or in a dry run tell what that would do."""
        body: dict[str, Value] = {"documents": list(documents), "message": edit.message, "dry_run": edit.dry_run}
        return self._send("POST", "/v1/apply", body | {"yes": edit.yes, "force": edit.force}, {})

    def rollback(self, scope: Scope, to: int | None, edit: Edit) -> Document:
        """A new change that brings back the state after change `to`; without it the previous good state."""
        body: dict[str, Value] = {} if to is None else {"to": to}
        return self._edit("POST", f"{scope.path}/rollback", scope, body, edit)

    def config(self, scope: Scope, *, reveal: bool = False) -> Document:
        return self.get(f"{scope.path}/config", scope.query | ({"reveal": "true"} if reveal else {}))

    def next_config(self, scope: Scope, index: int, wait_s: float = 55, *, reveal: bool = False) -> Document | None:
        """The configuration as soon as it differs from the one at revision `index`; None when it did not."""
        query = scope.query | {"index": str(index), "wait": f"{wait_s:g}s"} | ({"reveal": "true"} if reveal else {})
        answer = self.call(
            "GET", f"{scope.path}/config", query, timeout_s=wait_s + self.timeout_s, accept=(200, 304)
        )
        return None if answer.status == 304 else document_of(answer)

    def changes(self, scope: Scope, query: Mapping[str, str] | None = None) -> Document:
        """A page of the history; `query` may have limit, before, key, author and kind."""
        return self.get(f"{scope.path}/changes", scope.query | dict(query or {}))

    def shown_change(self, scope: Scope, number: int) -> Document:
        return self.get(f"{scope.path}/changes/{number}", scope.query)

    def diff(self, scope: Scope, against: str, change: int | None = None) -> Document:
        query = scope.query | {"against": against} | ({} if change is None else {"change": str(change)})
        return self.get(f"{scope.path}/diff", query)

    def edits(self, scope: Scope) -> Document:
        """The edits past the API that nobody has adopted or undone."""
        return self.get(f"{scope.path}/out-of-band", scope.query)

    def settle_edits(self, scope: Scope, do: str, edit: Edit) -> Document:
        """Adopt those edits, or undo them."""
        return self._edit("POST", f"{scope.path}/out-of-band", scope, {"do": do}, edit)

    def rules(self, env: str) -> Document:
        """What an env asks of its changes."""
        return self.get(f"/v1/envs/{part_of(env)}/rules")

    def put_rules(self, env: str, rules: Value, edit: Edit) -> Document:
        return self._send("PUT", f"/v1/envs/{part_of(env)}/rules", rules, _query(edit))

    def explain(self, scope: Scope, key: str, container: str | None = None) -> Document:
        query = scope.query | ({"container": container} if container else {})
        return self.get(f"{scope.path}/explain/{path_of(key)}", query)

    def binding(self, scope: Scope) -> Document:
        return self.get(f"{scope.path}/binding", scope.query)

    def put_binding(self, scope: Scope, binding: Value, edit: Edit) -> Document:
        return self._send("PUT", f"{scope.path}/binding", binding, scope.query | _query(edit))

    def policies(self, env: str) -> Document:
        """The policies that hold in an env."""
        return self.get(f"/v1/envs/{part_of(env)}/policies")

    def policy(self, env: str, name: str) -> Document:
        return self.get(f"/v1/envs/{part_of(env)}/policies/{part_of(name)}")

    def put_policy(self, env: str, name: str, policy: Value, edit: Edit) -> Document:
        return self._send("PUT", f"/v1/envs/{part_of(env)}/policies/{part_of(name)}", policy, _query(edit))

    def remove_policy(self, env: str, name: str, edit: Edit) -> Document:
        return document_of(self.call("DELETE", f"/v1/envs/{part_of(env)}/policies/{part_of(name)}", _query(edit)))

    def check_policy(self, env: str, policy: Value) -> Document:
        """What would be against a policy if it held in the env."""
        return self._send("POST", f"/v1/envs/{part_of(env)}/policies/check", policy, {})

    def violations(self, env: str | None = None, host: str | None = None) -> Document:
        """The running containers that are against a policy of their env."""
        return self.get("/v1/violations", {name: text for name, text in (("env", env), ("host", host)) if text})

    def check_binding(self, scope: Scope, binding: Value) -> Document:
        """The files that the binding would give, compared with those by the binding that is stored."""
        return self._send("POST", f"{scope.path}/binding/check", binding, scope.query)

    def schema(self, app: str, version: int | None = None) -> Document:
        """The schema of an app, the newest version without a number."""
        return self.get(f"/v1/apps/{part_of(app)}/schema", {"version": str(version)} if version else None)

    def put_schema(self, app: str, schema: Value, edit: Edit) -> Document:
        return self._send("PUT", f"/v1/apps/{part_of(app)}/schema", schema, _forced(edit))

    def remove_schema(self, app: str, edit: Edit) -> Document:
        return document_of(self.call("DELETE", f"/v1/apps/{part_of(app)}/schema", _forced(edit)))

    def check_schema(self, scope: Scope, schema: Value) -> Document:
        """What of the scope's settings is against a schema, or for None against the stored one."""
        body: Value = {} if schema is None else {"schema": schema}
        return self._send("POST", f"{scope.path}/schema/check", body, scope.query)

    def brakes(self) -> Document:
        return self.get("/v1/freezes")

    def freeze(self, env: str, brake: Brake, *, dry_run: bool = False) -> Document:
        body: dict[str, Value] = {"app": brake.app, "host": brake.host, "message": brake.message}
        return self._send("PUT", f"/v1/envs/{part_of(env)}/freeze", body | {"dry_run": dry_run}, {})

    def unfreeze(self, env: str, brake: Brake, *, dry_run: bool = False, yes: bool = False) -> Document:
        query = {name: text for name in ("app", "host", "message") if (text := getattr(brake, name))}
        query |= {name: "true" for name, on in (("dry_run", dry_run), ("yes", yes)) if on}
        return document_of(self.call("DELETE", f"/v1/envs/{part_of(env)}/freeze", query))

    def adopt(self, scope: Scope, edit: Edit, container: str | None = None) -> Document:
        """Adopt the containers of the scope that wait for it, or one of them by its name or id."""
        body: dict[str, Value] = {"message": edit.message, "dry_run": edit.dry_run, "yes": edit.yes}
        path = f"{scope.path}/adopt"
        return self._send("POST", path, body | ({"container": container} if container else {}), scope.query)

    def resume(self, edit: Edit, *, restore: bool = False) -> Document:
        """Let agents go on that are in doubt of the store; `restore` sets again what has gone from apps."""
        body: dict[str, Value] = {"message": edit.message, "dry_run": edit.dry_run, "yes": edit.yes}
        body |= {"restore": True} if restore else {}
        return self._send("POST", "/v1/resume", body, {})

    def upgrade(self, edit: Edit) -> Document:
        """Raise the format of the store."""
        return self._send("POST", "/v1/upgrade", {"dry_run": edit.dry_run, "yes": edit.yes}, {})

    def rotate(self) -> Document:
        """Put the data keys of secrets under the first master key."""
        return self._send("POST", "/v1/rotate", {}, {})

    def reencrypt(self, after: str = "") -> Document:
        """One step of putting every secret under a new data key; `next` of the answer is where the next goes on."""
        body: dict[str, Value] = {"reencrypt": True, "after": after}
        return document_of(self.call("POST", "/v1/rotate", body=body, timeout_s=STEP_TIMEOUT_S))

    def audit(self, limit: int = 100) -> Document:
        """Who was shown which secrets, and who changed their keys."""
        return self.get("/v1/audit", {"limit": str(limit)})

    def plan(self, scope: Scope) -> Document:
        return self.get(f"{scope.path}/plan", scope.query)

    def status(self, scope: Scope, min_revision: int = 0, *, keys: bool = False) -> Document:
        query = scope.query | ({"min_revision": str(min_revision)} if min_revision else {})
        query |= {"keys": "true"} if keys else {}
        return self.get(f"{scope.path}/status", query)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Document:
        """Any route that answers with a JSON object."""
        return document_of(self.call("GET", path, query))

    def call(  # noqa: PLR0913 - one request has these parts
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Value = None,
        timeout_s: float | None = None,
        accept: Sequence[int] = (),
        more: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; `more` are headers. Raises the answer's error unless its status is below 300 or accepted."""
        content = None if body is None else dump(body).encode()
        request = self._request(method, path, query, content)
        request = replace(request, headers={**request.headers, **(more or {})})
        answer = self.transport.send(request, timeout_s or self.timeout_s)
        if answer.status >= 300 and answer.status not in accept:
            raise error_of(answer)
        return answer

    def find(self, query: Mapping[str, str]) -> Document:
        """A page of the settings whose `key` or `value` matches."""
        return self.get("/v1/find", query)

    def backup(self) -> Iterator[bytes]:
        """The lines of a backup of the whole store, as they come."""
        yield from self._lines("GET", "/v1/backup", {}, None)

    def restore(self, content: bytes, query: Mapping[str, str]) -> Iterator[Document]:
        """Put a backup into the store; how far it has come, and in the end what was done."""
        for line in self._lines("POST", "/v1/restore", query, content):
            document = document_of(Answer(200, {}, line))
            if "status" in document:
                problem = {"content-type": "application/problem+json"}
                raise error_of(Answer(integer(document["status"]), problem, line))
            yield document

    def _lines(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> Iterator[bytes]:
        request = self._request(method, path, query, body, "application/jsonl")
        with self.transport.opened(request, LONG_TIMEOUT_S) as answer:
            if answer.status >= 300:
                raise error_of(Answer(answer.status, answer.headers, b"".join(answer.lines)))
            yield from answer.lines

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        content: bytes | None,
        kind: str = "application/json",
    ) -> Request:
        headers = {"Accept": kind}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.author:
            headers["X-Confd-Author"] = quote(self.author, safe=" @.-_")
        if content is not None:
            headers["Content-Type"] = kind
        return Request(method, path + (f"?{urlencode(query)}" if query else ""), headers, content)

    def _edit(self, method: str, path: str, scope: Scope, body: dict[str, Value], edit: Edit) -> Document:
        whole = body | {"message": edit.message, "dry_run": edit.dry_run, "yes": edit.yes}
        whole |= {"force": True} if edit.force else {}
        match = {"If-None-Match": "*"} if edit.if_match == ABSENT else {"If-Match": edit.if_match}
        return document_of(self.call(method, path, scope.query, body=whole, more=match if edit.if_match else None))

    def _send(self, method: str, path: str, body: Value, query: Mapping[str, str]) -> Document:
        return document_of(self.call(method, path, query, body=body))


def _query(edit: Edit) -> dict[str, str]:
    """Why and how much, for a route whose body is the document itself."""
    words = {"message": edit.message} if edit.message else {}
    return words | {name: "true" for name in ("dry_run", "yes") if getattr(edit, name)}


def _forced(edit: Edit) -> dict[str, str]:
    return _query(edit) | ({"force": "true"} if edit.force else {})
