"""Digests of another formula, restated in that of this release, so that nothing is done only since it is another.

A release may change how digests are made, and a store that was made anew has another key. What such a digest tells
cannot be compared any more. So it is taken to tell of what is there: a key that is still set, the arguments that
the command still ends with, a failure of the settings there are. What really changed shows in the container itself.
"""

from __future__ import annotations

import json
from dataclasses import replace

from confd.entries import LedgerEntry
from confd.model import Rendered, frozen
from confd.ports import Inspect
from confd.secret import Digest, DigestKey, is_known

__all__ = ["restated"]


def restated(
    entry: LedgerEntry, inspect: Inspect, rendered: Rendered, target: Digest, key: DigestKey
) -> LedgerEntry:
    """The entry without digests of another formula. `target` is the digest of what the container is due. Pure."""
    applied = entry.applied
    keys = {
        name: digest if is_known(digest) else rendered.key_digests.get(name, digest)
        for name, digest in applied.keys.items()
    }
    failed = target if applied.failed is not None and not is_known(applied.failed) else applied.failed
    arguments = entry.arguments
    if arguments is not None and not is_known(arguments):
        arguments = _arguments(entry, inspect, rendered, key)
    if (keys, failed, arguments) == (dict(applied.keys), applied.failed, entry.arguments):
        return entry
    return replace(entry, applied=replace(applied, keys=frozen(keys), failed=failed), arguments=arguments)


def _arguments(entry: LedgerEntry, inspect: Inspect, rendered: Rendered, key: DigestKey) -> Digest | None:
    """Of the arguments that the container's command has after those it was given itself."""
    command = tuple(inspect["Config"].get("Cmd") or ())
    if rendered.arguments and command[-len(rendered.arguments) :] == tuple(rendered.arguments):
        return rendered.arguments_digest
    own = tuple(json.loads(entry.base.options.get("command", "[]")))
    rest = command[len(own) :]
    return key.digest("arguments", *rest) if rest and command[: len(own)] == own else None
