"""Who asks: a bearer token, always, but for the health and the figures of the process."""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping

from flask import Flask, g, request

from confd.errors import Unauthenticated

__all__ = ["OPEN", "install", "name_of"]

OPEN = ("/livez", "/readyz", "/metrics")


def name_of(tokens: Mapping[str, str], header: str) -> str:
    """The name of the token in an Authorization header. Raises `Unauthenticated`; every token is compared."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        raise Unauthenticated("a token is needed: `Authorization: Bearer TOKEN` (confctl: --token, CONFD_TOKEN)")
    asked, found = given.strip().encode("utf-8", "replace"), ""
    for token, name in tokens.items():
        if hmac.compare_digest(token.encode(), asked):
            found = name
    if not found:
        raise Unauthenticated("the token is not known here; the server's token file has the right one")
    return found


def install(app: Flask, tokens: Mapping[str, str], revealers: Collection[str]) -> None:
    """`revealers`: the names of those tokens that may see secrets."""

    def authenticate() -> None:
        if request.path not in OPEN:
            g.token_name = name_of(tokens, request.headers.get("Authorization", ""))
            g.may_reveal = g.token_name in revealers

    app.before_request(authenticate)
