"""What the store says of itself: its format, its identity, the key of all digests, and wrapped data keys.

A release serves the newest format that it knows and the one before, so that API and agents can be replaced one by
one; `confctl upgrade` raises the format once all of them are of this release.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from confd.errors import Configuration, Conflict, Refused, Unavailable
from confd.keyfile import KeyFile
from confd.keyring import Keyring, WrappedKey, keyring
from confd.keys import Env, Keyspace
from confd.model import EMPTY, Snapshot, frozen
from confd.ports import Expect, Put, Store
from confd.secret import DigestKey

__all__ = [
    "FORMAT",
    "SERVED",
    "Meta",
    "ensure_meta",
    "fresh_meta",
    "keyring_of",
    "parse_meta",
    "read_meta",
    "require_format",
    "require_keys",
    "require_whole",
    "restoring_meta",
    "with_data_keys",
]

FORMAT = 2
"""What new stores are made with. 1: settings, bindings, hosts. 2: also freezes, adoptions, turns, stops."""
SERVED = (1, 2)
"""The formats that this release serves."""
RESTORING = "restoring"
"""In place of the format of a store that is not whole yet, so that no release serves it."""
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Meta:
    """A store's meta document. `cluster` is its identity: another id, another store.

    `data_keys` are those of each env's secrets, wrapped; the newest stands last.
    """

    format: int
    cluster: str
    digest_key: DigestKey
    data_keys: Mapping[Env, Sequence[WrappedKey]] = field(default_factory=lambda: EMPTY)


def ensure_meta(store: Store, keyspace: Keyspace) -> DigestKey:
    """The cluster's digest key; the first process that comes makes it. Raises `Unavailable`, `Configuration`."""
    for _ in range(2):
        entry = store.read([keyspace.meta]).entries.get(keyspace.meta)
        if entry is not None:
            return parse_meta(entry.text)
        text = fresh_meta()
        try:
            store.commit([Put(keyspace.meta, text)], [Expect(keyspace.meta, 0)])
        except Conflict:
            continue
        return parse_meta(text)
    raise Configuration(f"{keyspace.meta} comes and goes; does another program write below {keyspace.prefix}?")


def parse_meta(text: str) -> DigestKey:
    """The digest key of a meta document. Raises `Configuration` for a store that this release cannot serve."""
    return read_meta(text).digest_key


@functools.lru_cache(maxsize=8)
def read_meta(text: str) -> Meta:
    """A meta document. Raises `Configuration` for a store that this release cannot serve.

    Raises `Unavailable` for one into which a backup is being put.
    """
    damaged = Configuration("the store's meta is damaged; put it back from a backup")
    try:
        document: Any = json.loads(text)
        version = document["format"]
    except (ValueError, KeyError, TypeError) as exc:
        raise damaged from exc
    if version == RESTORING:
        raise Unavailable(
            f"a backup is being put into the store since {document.get('since')}, which is not whole until that is "
            "done; if it was cut off, run `confctl restore` again"
        )
    if type(version) is not int or version not in SERVED:
        served = " and ".join(map(str, SERVED))
        raise Configuration(
            f"the store has format {version!r}; this release serves formats {served}. "
            "Run the release that the store was made with, or one between the two"
        )
    try:
        cluster, key = document["cluster"], base64.b64decode(document["digest_key"], validate=True)
        data_keys = {
            Env(env): tuple(
                WrappedKey(one["id"], one["master"], one["wrapped"], one["at"], bool(one.get("kept")))
                for one in those
            )
            for env, those in document.get("data_keys", {}).items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as exc:
        raise damaged from exc
    if len(key) != KEY_BYTES or not isinstance(cluster, str) or not cluster:
        raise damaged
    return Meta(version, cluster, DigestKey(key), frozen(data_keys))


@functools.lru_cache(maxsize=8)
def keyring_of(meta: str | None, keys: KeyFile) -> Keyring:
    """The data keys of a meta document that these keys unwrap. Raises `Configuration` as `read_meta`."""
    return keyring(read_meta(meta).data_keys, keys) if meta is not None else Keyring()


def require_keys(meta: str, keys: KeyFile) -> None:
    """Raises `Configuration` naming the master keys without which some of the store's secrets stay shut."""
    shut = keyring_of(meta, keys).shut
    if shut:
        ids, envs = ", ".join(sorted(set(shut.values()))), ", ".join(sorted({env for env, _ in shut}))
        raise Configuration(
            f"secrets of env {envs} are under master key {ids}, which is not in the key file of this server: "
            "give the file that has it with --key-file (CONFD_KEY_FILE)"
        )


def with_data_keys(meta: str, data_keys: Mapping[Env, Sequence[WrappedKey]]) -> str:
    """The meta document with these data keys; what else is in it stays."""
    shown = {
        env: [
            {"id": one.id, "master": one.master, "wrapped": one.text, "at": one.at}
            | ({"kept": True} if one.kept else {})
            for one in those
        ]
        for env, those in sorted(data_keys.items())
    }
    return json.dumps({**json.loads(meta), "data_keys": shown})


def require_format(snapshot: Snapshot, wanted: int, what: str) -> None:
    """Refuse to write what readers of an older format would not heed; `what` as in "a freeze".

    Raises `Refused` with what to do, `Configuration` for a store that this release cannot serve.
    """
    if snapshot.meta is None:
        return  # the store is new: the write that follows makes it with the newest format
    found = read_meta(snapshot.meta).format
    if found < wanted:
        raise Refused(
            f"the store has format {found}, and {what} needs format {wanted}: agents and servers of the release "
            "before would not heed it. Bring all of them to this release, then run `confctl upgrade`"
        )


def require_whole(snapshot: Snapshot) -> Snapshot:
    """The snapshot. Raises `Unavailable` for that of a store into which a backup is being put."""
    if snapshot.meta is not None and RESTORING in snapshot.meta:
        read_meta(snapshot.meta)
    return snapshot


def restoring_meta(since: str) -> str:
    """What stands in place of the meta while a backup is put into the store."""
    return json.dumps({"format": RESTORING, "since": since})


def fresh_meta(version: int = FORMAT) -> str:
    """The meta of a new store."""
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return json.dumps({"format": version, "cluster": str(uuid.uuid4()), "digest_key": key})
