"""Showing secrets to whoever may see them: opened, and noted down before the answer goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confd import jsontext
from confd.discovery import discovered
from confd.errors import Invalid, Refused
from confd.keyring import is_sealed
from confd.keys import Key, Layer, parse_app, parse_env, parse_host
from confd.model import EMPTY, Snapshot
from confd.resolve import normal_text
from confd.services import audit
from confd.services.context import Context
from confd.services.meta import keyring_of
from confd.services.places import due_at
from confd.services.scope import Scope

__all__ = ["Asker", "check_right", "revealed"]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: the name of the token, what the client calls itself, and whether the token may see secrets."""

    who: str
    said: str = ""
    may_reveal: bool = False


def revealed(
    context: Context, snapshot: Snapshot, at: tuple[Scope, bool], shown: Mapping[Key, dict[str, Any]], asker: Asker
) -> dict[Key, dict[str, Any]]:
    """Settings as they are shown, with the secrets among them in the clear. `at`: whose, and whether its own alone.

    Raises `Refused` for a token without the right, and for a secret that does not open here: nobody gets a mask for
    a value.
    """
    scope, own = at
    hidden = [key for key, one in shown.items() if one["secret"]]
    if not hidden:
        return dict(shown)
    check_right(asker)
    found = dict(shown)
    due = (
        {}
        if own
        else discovered(due_at(snapshot, scope.place, context.sight(snapshot)), EMPTY, here=False).settings
    )
    for key in hidden:
        layer = str(shown[key]["layer"])
        by_default = layer == str(Layer.of_schema(scope.app))
        written = due[key].text if by_default else _written(context, snapshot, key, layer)
        text = due[key].text if key in due else written
        told = {} if text == written else {"written": jsontext.parse(written)}
        found[key] = {**shown[key], **told, "value": jsontext.parse(text)}
    act = {"what": "reveal", "env": scope.env, "app": scope.app, "host": scope.host, "keys": hidden}
    audit.note(context, asker.who, asker.said, act)
    return found


def check_right(asker: Asker) -> None:
    """Raises `Refused` for a token without the right."""
    if not asker.may_reveal:
        raise Refused(
            "this token may not see secrets; leave reveal out, or use one that may (the administrator's)",
            pointer="/reveal",
        )


def _written(context: Context, snapshot: Snapshot, key: Key, layer_name: str) -> str:
    """What was written under the key: what is sealed, or refers to what is. Raises `Refused`."""
    layer = _layer(layer_name)
    text = snapshot.layers[layer][key].text
    if not is_sealed(text):
        return normal_text(text)[0]
    try:
        return keyring_of(snapshot.meta, context.keys).open(text, layer, key)
    except Invalid as error:
        raise Refused(error.detail, pointer="/reveal") from None


def _layer(text: str) -> Layer:
    """A layer by its name in documents: `dev/web`, `dev/web@h1`."""
    env, _, rest = text.partition("/")
    app, _, host = rest.partition("@")
    return Layer(parse_env(env), parse_app(app), parse_host(host) if host else None)
