"""The query of a request: which parameters a route takes, and their values.

A view declares what it takes with `takes`; whatever else is asked for is refused by name, so that a misspelt
`?evn=prod` is never passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import wraps
from typing import ParamSpec

from flask import Response, request

from confd.errors import Malformed
from confd.jsontext import pointer
from confd.keys import show

__all__ = ["READ", "check", "is_on", "number", "switch", "takes"]

READ = ("host", "min_revision")
"""What every read of a scope takes."""

P = ParamSpec("P")
View = Callable[P, Response]


def takes(*names: str) -> Callable[[View[P]], View[P]]:
    """Declare the query parameters of a view; it runs only when the request has no others."""

    def declared(view: View[P]) -> View[P]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Response:
            check([name for name, _ in request.args.items(multi=True)], names)
            return view(*args, **kwargs)

        return checked

    return declared


def check(given: Sequence[str], known: Collection[str]) -> None:
    """Raises `Malformed`, naming the first parameter that is not known or stands twice."""
    for index, name in enumerate(given):
        if name not in known:
            rest = f"known are: {', '.join(sorted(known))}" if known else "this route takes none"
            raise Malformed(f"the query parameter {show(name)} is unknown here; {rest}", pointer=pointer(name))
        if name in given[:index]:
            raise Malformed(f"the query parameter {name} stands twice; keep one of them", pointer=pointer(name))


def number(query: Mapping[str, str], name: str, default: int = 0) -> int:
    """A whole number of the query, as a revision or a page's length is. Raises `Malformed`."""
    text = query.get(name, str(default))
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Malformed(f"{name} is to be a whole number", pointer=f"/{name}")
    return int(text)


def switch(name: str) -> bool:
    """A yes or no of the request's query. Raises `Malformed`."""
    return is_on(request.args, name)


def is_on(query: Mapping[str, str], name: str) -> bool:
    """A yes or no of a query; no where it is not there. Raises `Malformed`."""
    text = query.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise Malformed(f"{name} is true or false", pointer=f"/{name}")
    return text in ("true", "1")
