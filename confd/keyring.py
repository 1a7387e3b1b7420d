"""Secrets at rest: sealed with AES-GCM under a data key of their env, and opened in the place they were sealed for.

The associated data is env, app, host and key, so that a ciphertext which is moved elsewhere does not open, while
one under another prefix of the store does. Data keys are wrapped by the key of their env (`confd.keyfile`). Pure:
what cannot be opened is told without a word of what is in it. What a secret refers to (`confd.references`) stands
beside its ciphertext, so that whoever has no key still knows whom a change of that reaches.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from confd import jsontext
from confd.errors import Invalid, Malformed
from confd.keyfile import KEY_BYTES, EnvKey, KeyFile
from confd.keys import Env, Layer
from confd.model import EMPTY, Entry, frozen

__all__ = [
    "SECRET",
    "Keyring",
    "WrappedKey",
    "is_sealed",
    "keyring",
    "opened_size",
    "rewrap",
    "unmarked",
    "wrapped",
    "written_at",
]

SECRET = "$secret"  # noqa: S105 - the member that marks a ciphertext
_NONCE_BYTES, _TAG_BYTES = 12, 16
_VERSION = 1
_REFERENCE = re.compile(r"\$\$\{|\$\{[A-Za-z0-9_.:/-]+\}")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as the store's meta has it: `text` is its ciphertext under the env's key of a master key.

    `kept`: it is an old one, and something is left that needs it.
    """

    id: str
    master: str
    text: str
    at: str = ""
    kept: bool = False


@dataclass(frozen=True, slots=True)
class _Envelope:
    key: str
    nonce: bytes
    text: bytes
    written: int


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """The data keys that can be used here. `shut`: those that cannot, and the master key that each needs."""

    current: Mapping[Env, str] = field(default_factory=lambda: EMPTY)
    ciphers: Mapping[tuple[Env, str], AESGCM] = field(default_factory=lambda: EMPTY)
    shut: Mapping[tuple[Env, str], str] = field(default_factory=lambda: EMPTY)

    def __repr__(self) -> str:
        return "Keyring(...)"

    def can_seal(self, env: Env) -> bool:
        return (env, self.current.get(env, "")) in self.ciphers

    def seal(self, text: str, layer: Layer, key: str) -> str:
        """The ciphertext of a value's JSON text, for one key of one layer. Raises `Invalid` without a data key."""
        return self._seal(text, (layer, key), secrets.token_bytes(_NONCE_BYTES), 0)

    def open(self, text: str, layer: Layer, key: str) -> str:
        """The JSON text that was sealed for this key of this layer. Raises `Invalid`: why it does not open."""
        return self._open(_parse(text, layer, key), layer, key)

    def renewed(self, text: str, layer: Layer, key: str, written: int = 0) -> str:
        """The same secret under the env's newest data key; what is so already, or does not open, as it is.

        The nonce stays, so that one ciphertext, wherever it stands, becomes one again. `written`: the revision that
        wrote it, for a text which is rewritten where it stands.
        """
        try:
            found = _parse(text, layer, key)
            if found.key == self.current.get(layer.env):
                return text
            return self._seal(self._open(found, layer, key), (layer, key), found.nonce, found.written or written)
        except Invalid:
            return text

    def needs(self, text: str, layer: Layer, key: str) -> str:
        """The master key that is needed to open it and is not here; empty where none is missing."""
        try:
            return self.shut.get((layer.env, _parse(text, layer, key).key), "")
        except Invalid:
            return ""

    def _seal(self, text: str, place: tuple[Layer, str], nonce: bytes, written: int) -> str:
        layer, key = place
        cipher = self.ciphers.get((layer.env, self.current.get(layer.env, "")))
        if cipher is None:
            raise Invalid(f"{key}: no key to seal it with is at hand for env {layer.env}")
        sealed = cipher.encrypt(nonce, text.encode(), _place(layer, key))
        members = {"v": _VERSION, "key": self.current[layer.env], "nonce": _base64(nonce), "text": _base64(sealed)}
        refers = sorted(set(_REFERENCE.findall(text)) - {"$${"})
        more = {"written": written, "refers": refers}
        told = {name: one for name, one in more.items() if one}
        return json.dumps({SECRET: {**members, **told}}, separators=(",", ":"))

    def _open(self, found: _Envelope, layer: Layer, key: str) -> str:
        where = f"{key} in layer {layer}"
        cipher = self.ciphers.get((layer.env, found.key))
        if cipher is None and (master := self.shut.get((layer.env, found.key))):
            raise Invalid(
                f"{where} is a secret that needs master key {master}, which is not among the keys here; add it to "
                f"the file of --key-file (of an agent: what `confd-server key export --env {layer.env}` prints)"
            )
        if cipher is None:
            raise Invalid(
                f"{where} is a secret under a data key that the store does not have for env {layer.env}; "
                "was it copied from elsewhere? Set it again with --secret"
            )
        try:
            return cipher.decrypt(found.nonce, found.text, _place(layer, key)).decode()
        except (InvalidTag, ValueError):
            raise Invalid(
                f"{where} does not open: it was sealed for another place, or is damaged; set it again with --secret"
            ) from None


def keyring(data_keys: Mapping[Env, Sequence[WrappedKey]], keys: KeyFile) -> Keyring:
    """The data keys of the store's meta, as far as the keys of this process unwrap them; the newest seals."""
    ciphers: dict[tuple[Env, str], AESGCM] = {}
    shut: dict[tuple[Env, str], str] = {}
    for env, those in data_keys.items():
        given = {one.id: one for one in reversed(keys.keys_of(env))}
        for one in those:
            key = _unwrapped(one, given.get(one.master))
            if key is None:
                shut[env, one.id] = one.master
            else:
                ciphers[env, one.id] = AESGCM(key)
    current = {env: those[-1].id for env, those in data_keys.items() if those}
    return Keyring(frozen(current), frozen(ciphers), frozen(shut))


def wrapped(by: EnvKey, at: str) -> WrappedKey:
    """A new data key of the env, wrapped."""
    return _wrap(secrets.token_bytes(KEY_BYTES), secrets.token_hex(4), by, at)


def rewrap(one: WrappedKey, keys: Sequence[EnvKey]) -> WrappedKey | None:
    """The same data key, wrapped by the first of the keys; None where none of them unwraps it."""
    key = _unwrapped(one, next((by for by in keys if by.id == one.master), None))
    if key is None or one.master == keys[0].id:
        return None if key is None else one
    return _wrap(key, one.id, keys[0], one.at)


def is_sealed(text: str | None) -> bool:
    """Whether a stored text is a secret's ciphertext."""
    return text is not None and f'"{SECRET}"' in text and _members(text) is not None


def opened_size(text: str) -> int:
    """How many bytes a stored text is in the clear, without opening it."""
    if not is_sealed(text):
        return len(text.encode())
    sealed = str(dict(_members(text) or {}).get("text", ""))
    return max(len(sealed) * 3 // 4 - sealed.count("=") - _TAG_BYTES, 0)


def written_at(entry: Entry) -> int:
    """The revision that wrote the entry's value; sealing it under another key does not count."""
    members = _members(entry.text) if f'"{SECRET}"' in entry.text else None
    written = jsontext.plain(members.get("written")) if isinstance(members, Mapping) else None
    return written if isinstance(written, int) and 0 < written < entry.mod_revision else entry.mod_revision


def unmarked(text: str) -> str:
    """A ciphertext without the revision that wrote it, as it is stored by a new write."""
    members = _members(text) if f'"{SECRET}"' in text else None
    if not isinstance(members, Mapping) or "written" not in members:
        return text
    return jsontext.dump({SECRET: {name: one for name, one in members.items() if name != "written"}})


def _wrap(key: bytes, name: str, by: EnvKey, at: str) -> WrappedKey:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    sealed = AESGCM(by.key).encrypt(nonce, key, _wrapping(by.env, name))
    return WrappedKey(name, by.id, _base64(nonce + sealed), at)


def _unwrapped(one: WrappedKey, by: EnvKey | None) -> bytes | None:
    if by is None:
        return None
    try:
        raw = base64.b64decode(one.text, validate=True)
        return AESGCM(by.key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _wrapping(by.env, one.id))
    except (InvalidTag, ValueError):
        return None


def _members(text: str) -> Any:
    """What stands in an envelope; None where the text is none."""
    try:
        value = jsontext.parse(text)
    except Malformed:
        return None
    return value[SECRET] if isinstance(value, Mapping) and set(value) == {SECRET} else None


def _parse(text: str, layer: Layer, key: str) -> _Envelope:
    members: Any = jsontext.plain(_members(text))
    try:
        if members["v"] != _VERSION:
            raise ValueError
        nonce, sealed = (base64.b64decode(members[name], validate=True) for name in ("nonce", "text"))
        if len(nonce) != _NONCE_BYTES:
            raise ValueError
        return _Envelope(str(members["key"]), nonce, sealed, int(members.get("written", 0)))
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise Invalid(
            f"{key} in layer {layer} is no secret that this release knows; set it again with --secret"
        ) from None


def _place(layer: Layer, key: str) -> bytes:
    return json.dumps(["confd secret", layer.env, layer.app, layer.host or "", key]).encode()


def _wrapping(env: Env, name: str) -> bytes:
    return json.dumps(["confd data key", env, name]).encode()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
