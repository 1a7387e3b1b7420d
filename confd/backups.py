"""The file of a backup: what it holds and leaves out, its lines, and in which transactions it is put back.

JSON Lines. The first line tells of the whole, each further one of an entry below the prefix in the order in which
the store got them, and the last the SHA-256 of all before it, so that a file that is cut or edited is known:

    {"confd-backup": 1, "prefix": "/confd", "revision": 812, "at": "...", "release": "...", "entries": 2}
    {"key": "meta", "revision": 5, "text": "{...}"}
    {"key": "envs/dev/settings/web/LOG_LEVEL", "revision": 7, "text": "\\"debug\\""}
    {"sha256": "..."}

What was written at one revision stays in one transaction, since a setting is of the change whose record has its
revision. Sealing it anew is no writing: a record has the revision that created it, a setting the one at which its
value was written. Pure.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from confd.errors import Malformed, Refused, TooLarge
from confd.keyring import unmarked, written_at
from confd.keys import Keyspace, matches
from confd.model import Entry
from confd.ports import Listing

__all__ = [
    "HEAD",
    "LEFT_OUT",
    "RECORD",
    "Backup",
    "Head",
    "Reader",
    "Record",
    "batches",
    "is_kept",
    "lines_of",
    "listing_of",
    "origin_of",
    "parse",
    "records_of",
    "restored_cluster",
]

MARK = "confd-backup"
VERSION = 1
LEFT_OUT = (
    "meta-probe",
    "meta/resumed",
    "locks/**",
    "envs/*/turns/**",
    "hosts/*/alive",
    "hosts/*/status/**",
)
"""What is of the moment or of the store itself; agents write theirs again. All else below the prefix is kept."""

MAX_BATCH_BYTES = 1_000_000
MAX_REQUEST_BYTES = 1_450_000
MAX_BATCH_ENTRIES = 1_000
ENTRY_BYTES = 24

RECORD = re.compile("envs/[^/]+/changes/.*", re.S)
"""The keys of records of changes."""
HEAD = re.compile("envs/[^/]+/heads/.*", re.S)
"""The keys of layers' heads."""
_SETTING = re.compile("envs/[^/]+/(?:settings|overrides)/.*", re.S)
_CUT = "the backup is cut: it ends after {} of {} entries, without its checksum; nothing of it is used"
_EDITED = "the backup was edited or damaged: its checksum is of another text; nothing of it is used"
_FOREIGN = "this is no backup of confd: its first line does not say so (a file that ends in .gz is unpacked first)"


@dataclass(frozen=True, slots=True)
class Record:
    """One entry: its key below the prefix, and the revision at which what it says was written."""

    key: str
    revision: int
    text: str


@dataclass(frozen=True, slots=True)
class Head:
    """What the first line tells. `left_out`: keys that are no text, so that nobody can have meant them for us."""

    prefix: str
    revision: int
    at: str
    release: str
    entries: int
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole one, oldest entry first."""

    head: Head
    records: Sequence[Record]


def is_kept(key: str) -> bool:
    """Whether a backup holds what stands at a key below the prefix."""
    return not any(matches(pattern, key) for pattern in LEFT_OUT)


def records_of(keyspace: Keyspace, listing: Listing) -> list[Record]:
    """What a backup holds of a listing of everything below the prefix, oldest first."""
    start = len(keyspace.prefix) + 1
    found = (_record(key[start:], entry) for key, entry in listing.entries.items())
    return sorted((one for one in found if is_kept(one.key)), key=lambda one: (one.revision, one.key))


def _record(key: str, entry: Entry) -> Record:
    if RECORD.fullmatch(key):
        return Record(key, entry.create_revision, entry.text)
    if _SETTING.fullmatch(key):
        return Record(key, written_at(entry), unmarked(entry.text))
    return Record(key, entry.mod_revision, entry.text)


def lines_of(backup: Backup) -> Iterator[str]:
    """The lines of the file, each with its end. Keys that are no text are left out, and counted."""
    kept = [one for one in backup.records if _is_text(one.key)]
    told = asdict(backup.head) | {"entries": len(kept), "left_out": len(backup.records) - len(kept)}
    digest = hashlib.sha256()
    for document in ({MARK: VERSION, **told}, *map(asdict, kept)):
        line = json.dumps(document) + "\n"
        digest.update(line.encode())
        yield line
    yield json.dumps({"sha256": digest.hexdigest()}) + "\n"


class Reader:
    """Reads a file line by line. `take` and `end` raise `Malformed` for one that is cut, edited or none of ours."""

    def __init__(self) -> None:
        self.head: Head | None = None
        self._read = 0
        self._digest = hashlib.sha256()
        self._keys: set[str] = set()
        self._over = False

    def take(self, line: bytes) -> Record | None:
        """The entry of a line; None for the first and the last."""
        if self.head is None:
            self.head = _head_of(line)
        elif self._over:
            raise Malformed(_EDITED)
        elif self._read == self.head.entries:
            told = _document_of(line, _EDITED if line.endswith(b"\n") else self._cut())
            self._over = told.get("sha256") == self._digest.hexdigest()
            if not self._over:
                raise Malformed(_EDITED)
        else:
            return self._entry(line)
        self._digest.update(line)
        return None

    def end(self) -> Head:
        """There are no more lines: what the first told."""
        if self.head is None:
            raise Malformed(_FOREIGN)
        if not self._over:
            raise Malformed(self._cut())
        return self.head

    def _entry(self, line: bytes) -> Record:
        if not line.endswith(b"\n"):
            raise Malformed(self._cut())
        try:
            record = Record(**_document_of(line))
            right = is_kept(record.key) and _is_text(record.key + record.text) and record.revision > 0
        except (TypeError, AttributeError) as exc:
            raise Malformed(_EDITED) from exc
        if not right or record.key in self._keys:
            raise Malformed(_EDITED)
        self._keys.add(record.key)
        self._digest.update(line)
        self._read += 1
        return record

    def _cut(self) -> str:
        return _CUT.format(self._read, self.head.entries if self.head else 0)


def parse(lines: Iterable[bytes]) -> Backup:
    """A whole backup. Raises `Malformed`, and `Refused` for one of a newer release."""
    reader = Reader()
    records = [record for line in lines if (record := reader.take(line)) is not None]
    return Backup(reader.end(), sorted(records, key=lambda one: one.revision))


def _head_of(line: bytes) -> Head:
    document = _document_of(line, _FOREIGN)
    version = document.pop(MARK, None)
    if type(version) is not int:
        raise Malformed(_FOREIGN)
    if version > VERSION:
        raise Refused(
            f"the backup has format {version}, which a newer release has made; this one reads format {VERSION}: "
            "restore it with that release"
        )
    try:
        head = Head(**document)
    except TypeError as exc:
        raise Malformed(_EDITED) from exc
    if type(head.entries) is not int:
        raise Malformed(_EDITED)
    return head


def _document_of(line: bytes, otherwise: str = _EDITED) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError as exc:
        raise Malformed(otherwise) from exc
    if not isinstance(document, dict):
        raise Malformed(otherwise)
    return document


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- putting it back ----------------------------------------------------------------------------------------


def batches(keyspace: Keyspace, records: Sequence[Record]) -> list[list[Record]]:
    """What is written in one transaction each, in this order. Raises `TooLarge` where one takes no such prefix.

    What was written at one revision in layers and their history stays apart, so that it keeps its order and each
    setting its change; what hosts wrote comes last.
    """
    found: list[list[Record]] = []
    room, open_for_more = 0, False
    for _, group in groupby(sorted(records, key=_place), key=_place):
        some = list(group)
        size = sum(_weight(keyspace, one) for one in some)
        numbered = any(kind.fullmatch(one.key) for one in some for kind in (RECORD, HEAD, _SETTING))
        if size > MAX_REQUEST_BYTES:
            raise TooLarge(
                f"what was written at revision {some[0].revision} makes {size} bytes below {keyspace.prefix}, and "
                f"one write takes {MAX_REQUEST_BYTES}; restore it below a shorter prefix"
            )
        fits = size <= room and open_for_more and len(found[-1]) + len(some) <= MAX_BATCH_ENTRIES
        if fits and not numbered:
            found[-1] += some
            room -= size
        else:
            found.append(some)
            room = MAX_BATCH_BYTES - size
        open_for_more = not numbered
    return found


def _place(record: Record) -> tuple[bool, int]:
    return record.key.startswith("hosts/"), record.revision


def _weight(keyspace: Keyspace, record: Record) -> int:
    return len(keyspace.prefix) + len(record.key) + len(record.text.encode()) + ENTRY_BYTES


def listing_of(keyspace: Keyspace, backup: Backup) -> Listing:
    """The store as the backup has it, below another prefix maybe, at its own revisions."""
    found = {
        (key := f"{keyspace.prefix}/{one.key}"): Entry(key, one.text, one.revision, one.revision)
        for one in sorted(backup.records, key=lambda one: one.key)
    }
    return Listing(backup.head.revision, found)


# --- a store's identity -------------------------------------------------------------------------------------


def restored_cluster(cluster: str, restore: str) -> str:
    """The identity of a restored store: another one for every agent, which has the digest key of the first."""
    return f"{origin_of(cluster)}+{restore}"


def origin_of(cluster: str) -> str:
    """The identity of the store whose digest key it has."""
    return cluster.partition("+")[0]
