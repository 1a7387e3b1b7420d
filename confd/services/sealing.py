"""Sealing what a write has to store: which of its values are secret, under which data key, and what stays as it is.

A key that is secret stays secret until somebody says otherwise. The same secret again is no change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from confd import jsontext
from confd.errors import Configuration, Conflict, Invalid, Malformed, Refused
from confd.keyring import Keyring, is_sealed, unmarked, wrapped
from confd.keys import Env, Key, Layer, is_run_option
from confd.model import EMPTY, Change, ChangeKind, Snapshot
from confd.ports import Expect, Put
from confd.resolve import NULL
from confd.secret import MASK
from confd.services.context import Context
from confd.services.meta import keyring_of, read_meta, with_data_keys

__all__ = ["Ciphertext", "Marks", "Sealed", "current", "provide", "resealed", "sealed"]

NO_KEY = (
    "this server has no master key for them; make one with `confd-server key new FILE`, and start the server with "
    '--key-file FILE (or CONFD_KEY_FILE=FILE, or key-file = "FILE" in its file)'
)


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """A secret as it stands in a layer, to be stored without anybody seeing it."""

    text: str
    layer: Layer


@dataclass(frozen=True, slots=True)
class Marks:
    """Which keys of a write are to be secret, and which need not be any longer; `kept` come as ciphertext."""

    secret: Sequence[str] = ()
    plain: Sequence[str] = ()
    kept: Mapping[str, Ciphertext] = field(default_factory=lambda: EMPTY)

    def check(self, names: Iterable[str]) -> None:
        """Raises `Malformed` where they name what is not set, or the same key."""
        known = set(names)
        for member, those in (("secret", self.secret), ("plain", self.plain)):
            for index, name in enumerate(those):
                if name not in known:
                    detail = f"{member} names {name!r}, which is not set here; give its value, too"
                    raise Malformed(detail, pointer=f"/{member}/{index}")
        for name in set(self.secret) & set(self.plain):
            raise Malformed(f"{name} is both secret and plain; keep one", pointer="/plain")


@dataclass(frozen=True, slots=True)
class Sealed:
    """What is to be stored, on the snapshot whose meta has the data key for it, and words about it."""

    snapshot: Snapshot
    texts: Mapping[str, str | None]
    words: Sequence[str] = ()


def sealed(
    context: Context,
    snapshot: Snapshot,
    layer: Layer,
    asked: tuple[Mapping[str, str | None], Marks],
    *,
    dry_run: bool,
) -> Sealed:
    """The texts of a write as they are stored. Raises `Refused` without a key, `Malformed`, `Invalid`."""
    texts, marks = asked
    stored = {key: entry.text for key, entry in snapshot.layers.get(layer, EMPTY).items()}
    stays = [
        key
        for key, text in texts.items()
        if text not in (None, NULL)
        and key not in (*marks.secret, *marks.plain, *marks.kept)
        and is_sealed(stored.get(key))
    ]
    secret = [*marks.secret, *stays]
    if not secret and not marks.kept:
        return Sealed(snapshot, texts)
    _check(secret, texts)
    moved = any(one.layer != layer for one in marks.kept.values())
    if secret or moved:
        snapshot = _with_key(context, snapshot, layer.env, (*secret, *marks.kept), dry_run=dry_run)
    ring = keyring_of(snapshot.meta, context.keys)
    found = dict(texts)
    for key in (*secret, *marks.kept):
        found[key] = _text(ring, layer, (key, marks.kept.get(key) or str(texts[key])), stored.get(key))
    words = (
        [f"{', '.join(stays)}: kept secret, as before; if that is not meant, plain (confctl: --plain)"]
        if stays
        else []
    )
    return Sealed(snapshot, found, words)


def _check(secret: Iterable[str], texts: Mapping[str, str | None]) -> None:
    for key in secret:
        if texts[key] == jsontext.dump(MASK):
            detail = f"{key}: {MASK} stands for a secret and is no value; give its value, or leave the key out"
            raise Malformed(detail, pointer=jsontext.pointer("set", key))
        if texts[key] == NULL:
            raise Malformed(f"{key}: null takes a key away, and is no secret", pointer=jsontext.pointer("set", key))
        if is_run_option(Key(key)):
            detail = f"{key}: a run option stands in `docker inspect` for all to see, and cannot be secret"
            raise Invalid(detail, pointer=jsontext.pointer("set", key))


def _text(ring: Keyring, layer: Layer, asked: tuple[str, Ciphertext | str], stored: str | None) -> str:
    """What is stored for one secret; what is there already, where that is the same in the clear."""
    key, value = asked
    if isinstance(value, Ciphertext):
        if value.layer == layer and value.text == stored:
            return value.text
        try:
            text = ring.open(value.text, value.layer, key)
        except Invalid:
            if value.layer != layer:
                raise
            return value.text  # its place is here: the check of the write tells what is wrong with it
    else:
        text = value
    if stored is not None and is_sealed(stored) and _opens_to(ring, layer, key, stored) == text:
        return stored
    if isinstance(value, Ciphertext) and value.layer == layer:
        return ring.renewed(value.text, layer, key)
    return ring.seal(text, layer, key)


def _opens_to(ring: Keyring, layer: Layer, key: str, stored: str) -> str | None:
    try:
        return ring.open(stored, layer, key)
    except Invalid:
        return None


def resealed(context: Context, text: str, from_layer: Layer, to_layer: Layer, key: str) -> str:
    """A secret of one layer as ciphertext for the same key of another; nobody is shown it.

    Raises `Invalid` where it does not open, `Refused` without a key for the other's env.
    """
    snapshot = _with_key(context, context.snapshot(), to_layer.env, (key,), dry_run=False)
    ring = keyring_of(snapshot.meta, context.keys)
    return ring.seal(ring.open(text, from_layer, key), to_layer, key)


# --- data keys --------------------------------------------------------------------------------------------


def _with_key(context: Context, snapshot: Snapshot, env: Env, names: Iterable[str], *, dry_run: bool) -> Snapshot:
    """The snapshot with a data key for the env in its meta; a dry run stores none. Raises `Refused`."""
    context.digest_key(snapshot)  # a new store gets its meta first
    ring = keyring_of(snapshot.meta, context.keys)
    if ring.can_seal(env):
        return snapshot
    if env in ring.current:
        needed = ring.shut[env, ring.current[env]]
        why = f"secrets of env {env} need master key {needed}, which is not in this server's key file; add it"
        raise Refused(f"{', '.join(names)}: {why}", pointer="/secret")
    if not context.keys.keys_of(env):
        raise Refused(f"{', '.join(names)}: secrets are refused: {NO_KEY}", pointer="/secret")
    if dry_run and snapshot.meta is not None:
        return replace(snapshot, meta=_added(context, snapshot.meta, env))
    return replace(snapshot, meta=provide(context, env))


def _added(context: Context, meta: str, env: Env) -> str:
    key = wrapped(context.keys.keys_of(env)[0], context.clock.utc())
    return with_data_keys(meta, {**read_meta(meta).data_keys, env: (key,)})


def provide(context: Context, env: Env) -> str:
    """The store's meta with a data key for the env; the first that comes makes it. Raises `Conflict`."""
    at = context.keyspace.meta
    for _ in range(5):
        entry = context.store.read([at]).entries.get(at)
        if entry is None:
            raise Configuration(
                f"the store has no {at}; does another program write below {context.keyspace.prefix}?"
            )
        if read_meta(entry.text).data_keys.get(env):
            return entry.text
        meta = _added(context, entry.text, env)
        try:
            context.wrote(context.store.commit([Put(at, meta)], [Expect(at, entry.mod_revision)]))
        except Conflict:
            continue
        return meta
    raise Conflict("the store's meta was changed meanwhile; try again")


def current(context: Context, change: Change) -> tuple[Change, Sequence[Expect]]:
    """A change whose secrets are all under the newest data key, and what must still be so when it is stored.

    So nothing is written under a key that is about to be dropped. Raises `Refused` where a key for that is missing.
    """
    texts = [*change.before.items(), *change.after.items()]
    if change.kind is not ChangeKind.SETTINGS or not any(is_sealed(text) for _, text in texts):
        return change, ()
    at = context.keyspace.meta
    entry = context.store.read([at]).entries.get(at)
    if entry is None:
        return change, ()
    ring = keyring_of(entry.text, context.keys)

    def renewed(texts: Mapping[str, str | None]) -> dict[str, str | None]:
        return {key: _current(ring, change.layer, key, text) for key, text in texts.items()}

    newest = replace(change, before=renewed(change.before), after=renewed(change.after))
    return newest, [Expect(at, entry.mod_revision)]


def _current(ring: Keyring, layer: Layer, key: str, text: str | None) -> str | None:
    if text is None or not is_sealed(text):
        return text
    needed = ring.needs(text, layer, key)
    if needed and len([env for env, _ in (*ring.ciphers, *ring.shut) if env == layer.env]) > 1:
        raise Refused(
            f"{key}: the secrets of env {layer.env} are being sealed anew, and this server's key file lacks master "
            f"key {needed}; add it, or write through another server"
        )
    return unmarked(ring.renewed(text, layer, key))
