"""What the store says of itself: its format, its identity, and the key of all digests."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import secrets
import uuid

from confd.errors import Configuration, Conflict
from confd.keys import Keyspace
from confd.ports import Expect, Put, Store
from confd.secret import DigestKey

__all__ = ["FORMAT", "ensure_meta", "parse_meta"]

FORMAT = 1
KEY_BYTES = 32


def ensure_meta(store: Store, keyspace: Keyspace) -> DigestKey:
    """The cluster's digest key; the first process that comes makes it. Raises `Unavailable`, `Configuration`."""
    for _ in range(2):
        entry = store.read([keyspace.meta]).entries.get(keyspace.meta)
        if entry is not None:
            return parse_meta(entry.text)
        text = _fresh()
        try:
            store.commit([Put(keyspace.meta, text)], [Expect(keyspace.meta, 0)])
        except Conflict:
            continue
        return parse_meta(text)
    raise Configuration(f"{keyspace.meta} comes and goes; does another program write below {keyspace.prefix}?")


@functools.lru_cache(maxsize=8)
def parse_meta(text: str) -> DigestKey:
    """The digest key of a meta document. Raises `Configuration` for a store that this release cannot serve."""
    try:
        document = json.loads(text)
        version = document["format"]
        key = base64.b64decode(document["digest_key"], validate=True)
    except (ValueError, KeyError, TypeError, binascii.Error) as exc:
        raise Configuration("the store's meta is damaged; put it back from a backup") from exc
    if version != FORMAT:
        raise Configuration(f"the store has format {version!r}; this release serves format {FORMAT}")
    if len(key) != KEY_BYTES:
        raise Configuration("the store's digest key has a wrong length; put its meta back from a backup")
    return DigestKey(key)


def _fresh() -> str:
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return json.dumps({"format": FORMAT, "cluster": str(uuid.uuid4()), "digest_key": key})
