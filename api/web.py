"""What every resource shares: the request's scope and body, and answers with ETag and revision."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import unquote

from flask import Response, current_app, g, request

from confd import jsontext
from confd.api.query import number
from confd.errors import Malformed, Stale, TooLarge
from confd.jsontext import Value
from confd.keys import Key, parse_app, parse_env, parse_host
from confd.model import Snapshot
from confd.services import settings
from confd.services.context import Context
from confd.services.revealing import Asker
from confd.services.scope import Scope
from confd.services.settings import Edit, Written
from confd.services.wanted import Wanted

__all__ = [
    "MAX_BODY_BYTES",
    "answer",
    "any_body",
    "asker",
    "author",
    "body_of",
    "context",
    "edit_of",
    "etag_of",
    "if_match",
    "message_of",
    "scope_of",
    "snapshot",
    "switch_of",
    "wanted_of",
    "written_document",
]

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_MESSAGE = 2000


def context() -> Context:
    return cast(Context, current_app.extensions["confd"])


def scope_of(app: str, env: str) -> Scope:
    """The scope of the path, and the host of the query. Raises `Malformed`."""
    host = request.args.get("host")
    return Scope(parse_env(env), parse_app(app), None if host is None else parse_host(host))


def snapshot() -> Snapshot:
    """The state that this read answers from, never older than `min_revision`."""
    return context().snapshot(number(request.args, "min_revision"))


def body_of(*known: str) -> dict[str, Value]:
    """The body's JSON object. Raises `Malformed` naming the first member that is not known here."""
    value = any_body()
    if not isinstance(value, dict):
        raise Malformed("the body is to be a JSON object", pointer="")
    for name in value:
        if name not in known:
            raise Malformed(
                f"{name!r} is unknown here; known are: {', '.join(known)}", pointer=jsontext.pointer(name)
            )
    return value


def any_body() -> Value:
    """The body's JSON value. Raises `Malformed`, `TooLarge`."""
    too_large = TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes; split the change")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise too_large
    raw = request.get_data()
    if request.content_length is None and len(raw) >= MAX_BODY_BYTES:  # more of it was not read
        raise too_large
    try:
        return jsontext.parse(raw.decode("utf-8"))
    except UnicodeDecodeError as exc:
        raise Malformed("the body is not UTF-8") from exc


def edit_of(members: Mapping[str, Value], check: Callable[[Snapshot], None]) -> Edit:
    """What a write asks for, each member of its right type."""
    return Edit(
        set=cast(Mapping[str, Value], _typed(members, "set", dict, {})),
        unset=_words(members, "unset"),
        secret=_words(members, "secret"),
        plain=_words(members, "plain"),
        message=message_of(members),
        author=author(),
        dry_run=bool(_typed(members, "dry_run", bool, False)),
        yes=bool(_typed(members, "yes", bool, False)),
        force=bool(_typed(members, "force", bool, False)),
        check=check,
    )


def message_of(members: Mapping[str, Value]) -> str:
    """Why it is written: text that a terminal can show."""
    text = str(_typed(members, "message", str, ""))
    if len(text) > MAX_MESSAGE or any(not (one.isprintable() or one in "\n\t") for one in text):
        raise Malformed(
            f"message is at most {MAX_MESSAGE} characters without control characters", pointer="/message"
        )
    return text


def switch_of(members: Mapping[str, Value], name: str) -> bool:
    """A yes or no of the body. Raises `Malformed`."""
    return bool(_typed(members, name, bool, False))


def wanted_of(members: Mapping[str, Value]) -> Wanted:
    """Who asks, why, and how much of it. Raises `Malformed`."""
    return Wanted(author(), message_of(members), switch_of(members, "dry_run"), switch_of(members, "yes"))


def author() -> str:
    """Who writes: what the client says, else the token's name."""
    said = unquote(request.headers.get("X-Confd-Author", "")).strip()
    if any(ord(character) < 32 for character in said) or len(said) > 256:
        raise Malformed("X-Confd-Author is at most 256 characters without control characters")
    return said or str(g.token_name)


def _typed(members: Mapping[str, Value], name: str, kind: type, default: Any) -> Any:
    value = members.get(name, default)
    if not isinstance(value, kind):
        words = {dict: "an object", str: "a string", bool: "true or false", list: "a list"}
        raise Malformed(f"{name} is to be {words[kind]}", pointer=f"/{name}")
    return value


def _words(members: Mapping[str, Value], name: str) -> tuple[str, ...]:
    found = _typed(members, name, list, [])
    for index, word in enumerate(found):
        if not isinstance(word, str):
            raise Malformed(f"{name} is to be a list of keys", pointer=f"/{name}/{index}")
    return tuple(found)


def etag_of(document: Mapping[str, Any], form: str = "json") -> str:
    """The strong ETag of a representation; the revision, which says nothing of its content, does not count."""
    text = form + jsontext.dump({name: value for name, value in document.items() if name != "revision"})
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def asker() -> Asker:
    """Who asks, by the token; what the client calls itself is told beside it."""
    return Asker(str(g.token_name), author(), bool(g.may_reveal))


def answer(document: Mapping[str, Any], *, private: bool = False) -> Response:
    """The document, or 304 when the caller has it. One that holds secrets is private: nobody caches or tags it."""
    if private:
        response = Response(jsontext.dump(dict(document)) + "\n", mimetype="application/json")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Confd-Revision"] = str(document["revision"])
        return response
    tag = etag_of(document)
    response = Response(jsontext.dump(dict(document)) + "\n", mimetype="application/json")
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "no-cache, no-transform"
    if "revision" in document:
        response.headers["X-Confd-Revision"] = str(document["revision"])
    known = [one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")]
    if request.method in ("GET", "HEAD") and (tag in known or "*" in known):
        response.status_code = 304
        response.set_data(b"")
    return response


def if_match(
    scope: Scope, key: Key | None = None, tags: Callable[[Snapshot], list[str]] | None = None
) -> Callable[[Snapshot], None]:
    """The check of `If-Match`: the own layer, or on a key route the key, is still what the writer saw.

    `tags` gives the ETags of another resource; none of them: it is not there.
    """
    wanted = [one.strip() for one in request.headers.get("If-Match", "").split(",") if one.strip()]
    create_only = request.headers.get("If-None-Match", "").strip() == "*"
    here = context()
    for tag in wanted:
        if tag != "*" and not tag.endswith('"'):
            raise Malformed(f'If-Match takes quoted tags as ETag gave them, like "{tag}"')

    def check(seen: Snapshot) -> None:
        if not wanted and not create_only:
            return
        found = tags(seen) if tags else _tags(here, seen, scope, key)
        if create_only and found:
            raise Stale("it is there already; read it and change it with If-Match")
        if wanted and not (set(wanted) & set(found) or ("*" in wanted and found)):
            raise Stale("it was changed since it was read; read it again and decide anew")

    return check


def _tags(here: Context, seen: Snapshot, scope: Scope, key: Key | None) -> list[str]:
    """The ETags of what the writer may have read: the own layer, or the effective settings."""
    found: list[str] = []
    for own in (True, False):
        document = settings.read(here, seen, scope, own=own)
        if key is None:
            if own and not document["settings"] and not document["change"]:
                return []
            found.append(etag_of(document))
        elif key in document["settings"]:
            found.append(etag_of({"key": key, **document["settings"][key]}))
        elif own:
            return []
    return found


def written_document(written: Written) -> dict[str, Any]:
    """The answer to a write."""
    return {
        "change": written.change,
        "revision": written.revision,
        "diff": settings.difference_document(written.differences),
        "reaches": dict(written.reaches),
        "warnings": list(written.warnings),
    }
