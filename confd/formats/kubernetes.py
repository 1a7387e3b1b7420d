"""Manifests of Kubernetes: the data of one ConfigMap or one Secret, whose names are variables and values strings.

A Secret's `data` is base64 of UTF-8 text, and its `stringData` stands above it, as it does in a cluster.
`binaryData` is no text: a ConfigMap has it left out, and `warnings` tells of it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.formats.yamlfile import written
from confd.jsontext import Value

__all__ = [
    "NAME",
    "SECRET",
    "dump",
    "dump_secret",
    "load",
    "load_secret",
    "manifest",
    "warnings",
]

NAME = "k8s-configmap"
SECRET = "k8s-secret"  # noqa: S105 - a format's name
MAX_BYTES = 1024 * 1024
"""What a cluster takes in one of them."""

_KINDS = {NAME: "ConfigMap", SECRET: "Secret"}
_KEY = re.compile(r"[A-Za-z0-9._-]{1,253}")


def load(text: str) -> list[tuple[str, Value]]:
    """Names and values of a ConfigMap. Raises `Malformed`."""
    return list(_members(_document(text, NAME), "data", str).items())


def load_secret(text: str) -> list[tuple[str, Value]]:
    """Names and values of a Secret, decoded. Raises `Malformed`."""
    document = _document(text, SECRET)
    return list((_members(document, "data", _decoded) | _members(document, "stringData", str)).items())


def warnings(text: str) -> list[str]:
    """What whoever imports the file should know. Raises `Malformed` as `load` does."""
    left = _document(text, NAME).get("binaryData")
    names = ", ".join(map(str, left)) if isinstance(left, Mapping) else ""
    return [f"binaryData is no text, and is left out: {names}"] if names else []


def _document(text: str, format: str) -> Mapping[str, Value]:
    from confd.formats.yamlreader import document

    value, kind = document(text), _KINDS[format]
    if not isinstance(value, Mapping) or value.get("kind") not in _KINDS.values():
        raise Malformed(f"the file must hold one manifest of kind {kind}")
    if value["kind"] != kind:
        other = NAME if format == SECRET else SECRET
        raise Malformed(f"the manifest is of kind {value['kind']}; use the format {other}")
    return value


def _members(document: Mapping[str, Value], member: str, read: Callable[[str], str]) -> dict[str, Value]:
    values = document.get(member)
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise Malformed(f"{member} must be a mapping of names and strings")
    found: dict[str, Value] = {}
    for name, value in values.items():
        if not isinstance(value, str):
            raise Malformed(f"{member}/{name} is no string, which a cluster refuses; quote it")
        try:
            found[name] = read(value)
        except ValueError as error:
            raise Malformed(f"{member}/{name} is no base64 of UTF-8 text") from error
    return found


def _decoded(text: str) -> str:
    return base64.b64decode("".join(text.split()), validate=True).decode("utf-8")


def dump(values: Mapping[str, Value]) -> str:
    """A ConfigMap called `settings`. Raises `Invalid` for what a cluster would refuse."""
    return manifest(NAME, values, "settings")


def dump_secret(values: Mapping[str, Value]) -> str:
    """A Secret called `settings`. Raises `Invalid` for what a cluster would refuse."""
    return manifest(SECRET, values, "settings")


def manifest(format: str, values: Mapping[str, Value], name: str) -> str:
    """The manifest of that name, for either format. Raises `Invalid` for what a cluster would refuse."""
    texts = {key: _text(key, value) for key, value in values.items()}
    if sum(len(key) + len(text.encode()) for key, text in texts.items()) > MAX_BYTES:
        raise Invalid(f"a {_KINDS[format]} holds {MAX_BYTES} bytes at most; export fewer settings")
    secret = format == SECRET
    document: dict[str, Value] = {
        "apiVersion": "v1",
        "kind": _KINDS[format],
        "metadata": {"name": name},
        **({"type": "Opaque"} if secret else {}),
        "data": {key: base64.b64encode(text.encode()).decode() if secret else text for key, text in texts.items()},
    }
    return written(document) + "\n"


def _text(key: str, value: Value) -> str:
    if not _KEY.fullmatch(key) or key == "." or key.startswith(".."):
        raise Invalid(f"{key!r} cannot stand as a name in a ConfigMap or Secret")
    if value is None:
        raise Invalid(f"{key} is null, which a ConfigMap or Secret cannot carry; use the format json")
    return value if isinstance(value, str) else jsontext.dump(value)
