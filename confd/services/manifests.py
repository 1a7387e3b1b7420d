"""Manifests: what `apply` takes, a document a thing. To add a kind: its reader, and one entry in `KINDS`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial

from confd import jsontext
from confd.errors import Malformed, Owned
from confd.jsontext import Value
from confd.keys import DEFAULT, Env, Layer, parse_app, parse_env, parse_host, parse_policy_name, show
from confd.model import EMPTY, Snapshot
from confd.owned import Claim, owners_of
from confd.services import bindings, policies, schemas, settings
from confd.services.context import Context
from confd.services.scope import Scope
from confd.services.settings import Edit, Written

__all__ = ["KINDS", "Kind", "Manifest", "parse_manifest"]

MAX_NAMED = 10
"""So many keys are named in one message."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@-]{0,199}")
Decide = Callable[[Context, Snapshot, Edit], Written]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document, read. Two of one apply are not to have the same `target`, nor name one key of a layer.

    `decide` writes it on a snapshot, or tells in a dry run what that would do. `below`: where in the document
    stands what a write's pointer leads to, by the pointer's first member.
    """

    kind: str
    name: str
    layer: Layer
    decide: Decide
    keys: Set[str] = frozenset()
    below: Mapping[str, str] = field(default_factory=lambda: EMPTY)

    @property
    def target(self) -> tuple[str, str, Layer]:
        return (self.kind, self.name, self.layer)

    def pointer(self, pointer: str) -> str:
        """Where in the document a pointer of the write leads to."""
        _, _, rest = pointer.partition("/")
        first, slash, rest = rest.partition("/")
        place = self.below.get(first, self.below.get("*", "") + (f"/{first}" if first else ""))
        return place + slash + rest


@dataclass(frozen=True, slots=True)
class Kind:
    """A registered kind. `read` makes a manifest of a document's members, of which `known` are all there may be.

    `known` empty: the reader looks at them itself. Raises `Malformed`, `Invalid` with a pointer into the document.
    """

    name: str
    doc: str
    read: Callable[[Mapping[str, Value]], Manifest]
    known: Sequence[str] = ()


def parse_manifest(document: Value) -> Manifest:
    """One document of an apply. Raises `Malformed`, `Invalid`, each with a pointer into it."""
    if not isinstance(document, Mapping):
        raise Malformed(f"a manifest is an object with the member kind: one of {', '.join(KINDS)}", pointer="")
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        said = f"kind {show(kind)} is unknown" if isinstance(kind, str) else "it has no kind"
        raise Malformed(f"{said}; known are: {', '.join(KINDS)}", pointer="/kind" if "kind" in document else "")
    known = KINDS[kind].known
    for name in document:
        if known and name not in ("kind", *known):
            listed = ", ".join(("kind", *known))
            raise Malformed(
                f"the member {show(name)} is unknown; {kind} takes: {listed}", pointer=jsontext.pointer(name)
            )
    return KINDS[kind].read(document)


def _text(document: Mapping[str, Value], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        said = "it is to be a text" if name in document else "the member is needed"
        raise Malformed(f"{name}: {said}", pointer=jsontext.pointer(name) if name in document else "")
    return value


def _parsed(document: Mapping[str, Value], name: str, parse: Callable[[str], str]) -> str:
    try:
        return parse(_text(document, name))
    except Malformed as error:
        raise Malformed(error.detail, pointer=error.pointer if error.pointer is not None else f"/{name}") from error


def _scope(document: Mapping[str, Value]) -> Scope:
    _parsed(document, "app", parse_app)
    _parsed(document, "env", parse_env)
    if "host" in document:
        _parsed(document, "host", parse_host)
    host = parse_host(_text(document, "host")) if "host" in document else None
    return Scope(parse_env(_text(document, "env")), parse_app(_text(document, "app")), host)


# --- settings ---------------------------------------------------------------------------------------------


def _settings(document: Mapping[str, Value]) -> Manifest:
    scope, values, secret = _scope(document), document.get("settings"), document.get("secret", [])
    if not isinstance(values, Mapping):
        raise Malformed("settings: it is to be an object of keys and values", pointer="/settings")
    if not isinstance(secret, Sequence) or not all(isinstance(key, str) and key in values for key in secret):
        raise Malformed("secret: it is to be a list of keys that settings names", pointer="/secret")
    name = _text(document, "name") if "name" in document else str(scope.layer)
    if not _NAME.fullmatch(name):
        detail = "name: use 1 to 200 of A-Z, a-z, 0-9, _, ., /, @ and -, beginning with a letter, digit or _"
        raise Malformed(detail, pointer="/name")
    keys = frozenset(values)
    edit = Edit(values, secret=[str(key) for key in secret], note=f"manifest {name}", claim=Claim(name, keys))
    below = {"set": "/settings", "secret": "/secret", "unset": ""}
    return Manifest("settings", name, scope.layer, partial(_set, scope, edit), keys, below)


def _set(scope: Scope, mine: Edit, context: Context, snapshot: Snapshot, wanted: Edit) -> Written:
    """Set what the manifest names, and unset what it owns and does not name any more."""
    assert mine.claim is not None  # noqa: S101 - made above
    name, owners = mine.claim.manifest, owners_of(snapshot, scope.layer)
    taken = {key: owners[key] for key in sorted(mine.set) if owners.get(key, name) != name}
    if taken and not wanted.force:
        raise Owned(f"{_named(taken)}; take it out of one of them, or take it over with force (confctl: --force)")
    now = snapshot.layers.get(scope.layer, EMPTY)
    gone = [key for key, owner in owners.items() if owner == name and key not in mine.set and key in now]
    whole = replace(wanted, set=mine.set, unset=gone, secret=mine.secret, note=mine.note, claim=mine.claim)
    written = settings.edit_on(context, snapshot, scope, whole)
    told = [f"{_named(taken)} up to now: taken over"] if taken else []
    return replace(written, warnings=(*written.warnings, *told))


def _named(taken: Mapping[str, str]) -> str:
    words = [f"{key} belongs to the manifest {owner}" for key, owner in taken.items()]
    more = f" and {len(words) - MAX_NAMED} more" if len(words) > MAX_NAMED else ""
    return "; ".join(words[:MAX_NAMED]) + more


# --- schemas, bindings and policies -----------------------------------------------------------------------


def _schema(document: Mapping[str, Value]) -> Manifest:
    app = parse_app(_parsed(document, "app", parse_app))
    if "schema" not in document:
        raise Malformed("schema: the member is needed", pointer="")
    body = document["schema"]

    def decide(context: Context, snapshot: Snapshot, wanted: Edit) -> Written:
        return schemas.put_on(context, snapshot, app, body, wanted)

    return Manifest("schema", app, Layer(Env(DEFAULT), app), decide, below={"*": "/schema"})


def _binding(document: Mapping[str, Value]) -> Manifest:
    scope = _scope({name: value for name, value in document.items() if name != "host"})
    body = {name: value for name, value in document.items() if name != "kind"}

    def decide(context: Context, snapshot: Snapshot, wanted: Edit) -> Written:
        return bindings.put_on(context, snapshot, scope, body, wanted)

    return Manifest("binding", str(scope.layer), scope.layer, decide)


def _policy(document: Mapping[str, Value]) -> Manifest:
    env = parse_env(_parsed(document, "env", parse_env))
    at = policies.At(env, _parsed(document, "name", parse_policy_name))
    if "policy" not in document:
        raise Malformed("policy: the member is needed", pointer="")
    body = document["policy"]

    def decide(context: Context, snapshot: Snapshot, wanted: Edit) -> Written:
        return policies.put_on(context, snapshot, at, body, wanted)

    return Manifest("policy", f"{at.env}/{at.name}", at.layer, decide, below={"*": "/policy"})


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "settings",
            "settings of one layer: an app in an env, on one host where it is named",
            _settings,
            ("name", "app", "env", "host", "settings", "secret"),
        ),
        Kind("schema", "the schema of an app, in every env", _schema, ("app", "schema")),
        Kind("binding", "the binding of an app in an env, with its members beside kind", _binding),
        Kind("policy", "a policy of an env, by its name", _policy, ("name", "env", "policy")),
    )
}
