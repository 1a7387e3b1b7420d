"""Backup and restore: everything below the prefix, as a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from confd import jsontext
from confd.api.errors import problem_text
from confd.api.query import number, switch, takes
from confd.api.web import answer, context
from confd.backups import parse
from confd.errors import ConfdError
from confd.services import backup as backups
from confd.services import restore as restores

__all__ = ["LINES", "MAX_BACKUP_BYTES", "routes"]

routes = Blueprint("backup", __name__)

LINES = "application/jsonl"
MAX_BACKUP_BYTES = 1024 * 1024 * 1024


@routes.get("/v1/backup")
@takes()
def backup() -> Response:
    """Everything below the prefix at one revision, as JSON Lines that end with a checksum (`confd.backups`).

    It holds the key of all digests, and what is set as plain text: keep it as safe as the store itself.
    """
    revision, lines = backups.backup(context())
    response = Response(lines, mimetype=LINES)
    response.headers["X-Confd-Revision"] = str(revision)
    response.headers["Cache-Control"] = "no-store"
    return response


@routes.post("/v1/restore")
@takes("dry_run", "yes", "replace")
def restore() -> Response:
    """Put a backup into an empty store, or into one that was left unfinished.

    Body: the backup's lines. Query: `dry_run`, `yes`, `replace` (the revision of a backup of what is there, all of
    which goes then). A dry run answers what would become other. Else JSON Lines tell how far it has come, and the
    last is the outcome: a document with `revision`, or a problem.
    """
    request.max_content_length = MAX_BACKUP_BYTES
    replaced = number(request.args, "replace") if "replace" in request.args else None
    asked = restores.Asked(switch("dry_run"), switch("yes"), replaced)
    prepared = restores.prepare(context(), parse(request.stream), asked)
    if asked.dry_run:
        return answer(dict(prepared.document))
    return Response(_told(restores.restore(context(), prepared)), mimetype=LINES)


def _told(steps: Iterator[dict[str, Any]]) -> Iterator[str]:
    try:
        for step in steps:
            yield jsontext.dump(step) + "\n"
    except ConfdError as error:
        yield problem_text(error.status, error.code, error.detail, error.pointer)
