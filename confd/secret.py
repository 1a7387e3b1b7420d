"""Values that mask themselves, and the keyed digests that may leave the process.

A digest is an HMAC with the cluster's key, so that a short value cannot be guessed from it. Each digest
carries its formula's version; a digest of an unknown version is never acted on, it is recomputed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NewType

__all__ = ["DIGEST_VERSION", "MASK", "Digest", "DigestKey", "is_known", "masked", "unknown", "without_passwords"]

Digest = NewType("Digest", str)
"""`v1:` and 32 hexadecimal digits."""

DIGEST_VERSION = "v1"
MASK = "********"
"""What stands for a secret in every output."""

_PASSWORD = re.compile(r"(://[^\s/:@'\"]*:)[^\s/'\"]+@")


@dataclass(frozen=True, slots=True, repr=False)
class DigestKey:
    """The cluster's key of all digests, 32 bytes, kept in `/confd/meta`. Never printed."""

    key: bytes

    def __repr__(self) -> str:
        return "DigestKey(...)"

    def digest(self, *parts: str) -> Digest:
        """The digest of a sequence of strings; `("a", "b")` and `("ab",)` differ."""
        return self.digest_of(parts)

    def digest_of(self, parts: Iterable[str]) -> Digest:
        code = hmac.new(self.key, digestmod=hashlib.sha256)
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            code.update(len(data).to_bytes(8, "big"))
            code.update(data)
        return Digest(f"{DIGEST_VERSION}:{code.hexdigest()[:32]}")


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without these texts, the longest first."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def without_passwords(text: str) -> str:
    """The text with the passwords of URLs in it masked, whether they are known to be secret or not."""
    return _PASSWORD.sub(rf"\1{MASK}@", text) if "://" in text else text


def is_known(digest: str) -> bool:
    """Whether the digest was made with the formula of this release."""
    return digest.startswith(f"{DIGEST_VERSION}:")


def unknown(digest: Digest) -> Digest:
    """The digest as one that says nothing any more, since another key has made it."""
    return Digest(f"v0:{digest.partition(':')[2]}")
