"""Files of keys: master keys, which servers hold, and the keys of single envs derived from them, which agents hold.

One key a line: `master ID BASE64` or `env NAME ID BASE64`, the ID being the master key's. The first master key
wraps new data keys, every one unwraps. Pure; `confd.credentials` reads such files.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from confd.errors import Configuration, Malformed
from confd.keys import Env, parse_env

__all__ = ["KEY_BYTES", "EnvKey", "KeyFile", "MasterKey", "exported", "fresh_key_file", "parse_key_file"]

KEY_BYTES = 32
_ID_BYTES = 4
_HEADER = (
    "# Master keys of confd: the first wraps, all unwrap. Whoever has this file reads every secret; without it\n"
    "# nobody does. Keep a copy away from the store's backups.\n"
)


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """32 bytes that nobody sees; its id is derived from them."""

    key: bytes

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"

    @property
    def id(self) -> str:
        return _derive(self.key, "id", _ID_BYTES).hex()

    def of_env(self, env: Env) -> EnvKey:
        """The key that wraps the env's data keys: it tells nothing of the master key, nor of another env's."""
        return EnvKey(env, self.id, _derive(self.key, f"env {env}", KEY_BYTES))


@dataclass(frozen=True, slots=True, repr=False)
class EnvKey:
    """What one env's data keys are wrapped with; `id` is that of the master key it comes from."""

    env: Env
    id: str
    key: bytes

    def __repr__(self) -> str:
        return f"EnvKey({self.env} {self.id})"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """All keys of a process; none where it was given no file."""

    masters: tuple[MasterKey, ...] = ()
    envs: tuple[EnvKey, ...] = ()

    def keys_of(self, env: Env) -> Sequence[EnvKey]:
        """The keys that unwrap the env's data keys; where there is a master key, the first one wraps."""
        return (*(one.of_env(env) for one in self.masters), *(one for one in self.envs if one.env == env))

    def ids_of(self, env: Env) -> list[str]:
        """The ids of the master keys from which those come."""
        return list(dict.fromkeys(one.id for one in self.keys_of(env)))


def fresh_key_file() -> str:
    """The text of a file with one new master key."""
    return _HEADER + _line(MasterKey(secrets.token_bytes(KEY_BYTES)))


def exported(keys: KeyFile, envs: Iterable[Env]) -> str:
    """The text of a file with the keys of these envs alone, of every master key."""
    names = list(dict.fromkeys(envs))
    header = f"# Keys of confd for the secrets of {', '.join(names)}, and of no other env.\n"
    return header + "".join(_line(one) for env in names for one in keys.keys_of(env))


def parse_key_file(text: str) -> KeyFile:
    """The keys of a file. Raises `Configuration` with the number of a wrong line, and never shows it."""
    masters: list[MasterKey] = []
    envs: list[EnvKey] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "master" and len(words) == 3:
            masters.append(_master(number, words))
        elif words[0] == "env" and len(words) == 4:
            envs.append(EnvKey(_env(number, words[1]), words[2], _bytes(number, words[3])))
        else:
            raise Configuration(f"line {number} is no key: `master ID BASE64` or `env NAME ID BASE64`")
    if not masters and not envs:
        raise Configuration("there is no key in it; `confd-server key new` makes one")
    return KeyFile(tuple(dict.fromkeys(masters)), tuple(dict.fromkeys(envs)))


def _master(number: int, words: Sequence[str]) -> MasterKey:
    master = MasterKey(_bytes(number, words[2]))
    if master.id != words[1]:
        raise Configuration(f"line {number}: the key does not belong to its id; was the line cut or changed?")
    return master


def _env(number: int, name: str) -> Env:
    try:
        return parse_env(name)
    except Malformed as exc:
        raise Configuration(f"line {number}: {exc.detail}") from exc


def _bytes(number: int, text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise Configuration(f"line {number}: a key is {KEY_BYTES} bytes in base64")
    return key


def _line(one: MasterKey | EnvKey) -> str:
    name = f"env {one.env}" if isinstance(one, EnvKey) else "master"
    return f"{name} {one.id} {base64.b64encode(one.key).decode()}\n"


def _derive(key: bytes, what: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=f"confd v1 {what}".encode()).derive(key)
