"""Keys for tests of secrets, always the same."""

from __future__ import annotations

from confd.keyfile import KeyFile, MasterKey

__all__ = ["FIRST", "KEYS", "SECOND"]

FIRST, SECOND = MasterKey(b"1" * 32), MasterKey(b"2" * 32)
KEYS = KeyFile((FIRST,))
