"""The one error handler: every error is a problem document with a stable code."""

from __future__ import annotations

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from confd import jsontext
from confd.errors import ConfdError

__all__ = ["MEDIA_TYPE", "install", "problem_text"]

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1


def problem_text(status: int, code: str, detail: str, pointer: str | None = None) -> str:
    """A problem document (RFC 9457)."""
    document: dict[str, str | int] = {
        "type": f"urn:confd:{code}",
        "title": code.replace("-", " "),
        "status": status,
    }
    document |= {"code": code, "detail": detail} | ({} if pointer is None else {"pointer": pointer})
    return jsontext.dump(document) + "\n"


def _response(status: int, code: str, detail: str, pointer: str | None = None) -> Response:
    response = Response(problem_text(status, code, detail, pointer), status, content_type=MEDIA_TYPE)
    if status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="confd"'
    return response


def install(app: Flask) -> None:
    """Turn every error of a request into its problem document."""

    def of_ours(error: ConfdError) -> Response:
        return _response(error.status, error.code, error.detail, error.pointer)

    def of_http(error: HTTPException) -> Response:
        status = error.code or 500
        code = {404: "not-found", 405: "method-not-allowed", 413: "too-large"}.get(status, "malformed")
        detail = f"there is no {request.method} {request.path}" if status in (404, 405) else str(error.description)
        response = _response(status, code, detail)
        allow = dict(error.get_headers()).get("Allow")
        if allow:
            response.headers["Allow"] = allow
        return response

    def of_any(error: Exception) -> Response:
        log.exception("an error of our own on %s %s", request.method, request.path)
        return _response(500, "internal", "an error of the server's own; its log says more")

    app.register_error_handler(ConfdError, of_ours)
    app.register_error_handler(HTTPException, of_http)
    app.register_error_handler(Exception, of_any)
