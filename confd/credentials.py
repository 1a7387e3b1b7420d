"""Files that nobody else may read: the token and the context that `confd-server up` leaves, and files of keys."""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from confd.errors import Configuration
from confd.keyfile import KeyFile, fresh_key_file, parse_key_file

__all__ = ["CONTEXT", "ensure_keys", "ensure_token", "read_keys", "write_context", "write_keys"]

CONTEXT = "local"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def ensure_token(path: Path) -> str:
    """The administrator's token, made at the first start; nobody else may read it. Raises `Configuration`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        token = secrets.token_urlsafe(32)
        try:
            with os.fdopen(os.open(path, _NEW, 0o600), "w") as file:
                file.write(token + "\n")
        except FileExistsError:
            token = path.read_text("utf-8").strip()
        mode = path.stat().st_mode & 0o077
    except (OSError, UnicodeDecodeError) as exc:
        raise Configuration(f"the token file {path} cannot be used: {exc}") from exc
    if mode:
        raise Configuration(f"the token file {path} can be read by others; `chmod 600` it, or remove it")
    if not re.fullmatch(r"[\x21-\x7e]{16,}", token):
        raise Configuration(f"the token file {path} holds no token of at least 16 characters; remove it to get one")
    return token


def read_keys(path: Path | None) -> KeyFile:
    """The keys of a file that nobody else may read; none without a file. Raises `Configuration`."""
    if path is None:
        return KeyFile()
    try:
        with path.open(encoding="utf-8") as file:
            mode, text = os.fstat(file.fileno()).st_mode & 0o077, file.read()
    except (OSError, UnicodeDecodeError) as exc:
        raise Configuration(f"the key file {path} cannot be read: {exc}") from exc
    if mode:
        raise Configuration(f"the key file {path} can be read by others; `chmod 600` it")
    try:
        return parse_key_file(text)
    except Configuration as error:
        raise Configuration(f"the key file {path}: {error.detail}") from error


def ensure_keys(path: Path) -> KeyFile:
    """The master keys of a server that has all for itself, made at the first start. Raises `Configuration`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError), os.fdopen(os.open(path, _NEW, 0o600), "w") as file:
            file.write(fresh_key_file())
    except OSError as exc:
        raise Configuration(f"the key file {path} cannot be made: {exc}") from exc
    return read_keys(path)


def write_keys(path: Path, text: str) -> None:
    """Put keys where nobody else may read them, in the place of those that are there. Raises `Configuration`."""
    draft = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, _NEW, 0o600), "w") as file:
            file.write(text)
        draft.replace(path)
    except OSError as exc:
        raise Configuration(f"the key file {path} cannot be written: {exc}") from exc


def write_context(path: Path, members: Mapping[str, str]) -> bool:
    """Put our context into confctl's file and leave the rest of it alone; it is the current one if none was.

    False when the file is there and is no TOML: then nothing is written.
    """
    try:
        old = path.read_text("utf-8")
        known = tomllib.loads(old)
    except FileNotFoundError:
        old, known = "", {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False
    lines = [f"{name} = {json.dumps(text, ensure_ascii=False)}" for name, text in members.items()]
    rest = re.sub(rf"(?ms)^\[contexts\.{CONTEXT}\][^\n]*\n.*?(?=^\[|\Z)", "", old).strip("\n")
    first = "" if "current" in known else f'current = "{CONTEXT}"\n'
    parts = [part for part in (first + rest, f"[contexts.{CONTEXT}]\n" + "\n".join(lines)) if part]
    text = "\n\n".join(part.strip("\n") for part in parts) + "\n"
    if text != old:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    return True
