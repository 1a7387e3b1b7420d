"""The file of a backup: read back it is the same, and one that is cut, edited or foreign is refused."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confd.backups import (
    MAX_BATCH_ENTRIES,
    Backup,
    Head,
    Record,
    batches,
    is_kept,
    lines_of,
    listing_of,
    origin_of,
    parse,
    records_of,
    restored_cluster,
)
from confd.errors import Malformed, Refused, TooLarge
from confd.keys import Keyspace
from confd.model import Entry
from confd.ports import Listing

SPACE = Keyspace()
CHANGE = "envs/dev/changes/web/"
RECORDS = [
    Record("meta", 2, "{}"),
    Record(f"{CHANGE}000000000001", 3, '{"number": 1}'),
    Record("envs/dev/settings/web/A", 3, '"ä\\n1"'),
]
BACKUP = Backup(Head("/confd", 9, "2026-11-28T10:00:00.000Z", "0.1.0", 3), RECORDS)


def written(backup: Backup = BACKUP) -> list[bytes]:
    return [line.encode() for line in lines_of(backup)]


def test_records_go_by_when_they_were_made_and_settings_by_when_their_value_was_written() -> None:
    sealed = '{"$secret":{"v":1,"key":"k","nonce":"n","text":"t","written":4}}'
    listing = {
        "/confd/meta": Entry("/confd/meta", "{}", 9, 1),
        f"/confd/{CHANGE}000000000001": Entry("", "{}", 8, 4),
        "/confd/envs/dev/settings/web/A": Entry("/confd/envs/dev/settings/web/A", sealed, 8, 4),
        "/confd/hosts/h1/alive": Entry("/confd/hosts/h1/alive", "{}", 8, 4),
    }
    found = [(one.key, one.revision) for one in records_of(SPACE, Listing(9, listing))]
    assert found == [(f"{CHANGE}000000000001", 4), ("envs/dev/settings/web/A", 4), ("meta", 9)]


def test_a_backup_reads_back() -> None:
    assert parse(written()) == BACKUP


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.dictionaries(TEXT.filter(is_kept), st.tuples(st.integers(1, 2**60), TEXT)))
def test_any_backup_reads_back(entries: dict[str, tuple[int, str]]) -> None:
    records = sorted((Record(key, *rest) for key, rest in entries.items()), key=lambda one: one.revision)
    backup = Backup(replace(BACKUP.head, entries=len(records)), records)
    assert parse(b"".join(written(backup)).splitlines(keepends=True)) == backup


def test_the_file_ends_where_the_checksum_is_without_a_line_end_too() -> None:
    lines = written()
    assert parse([*lines[:-1], lines[-1].rstrip()]) == BACKUP


@pytest.mark.parametrize("at", range(1, len(b"".join(written())) - 1))
def test_a_file_that_is_cut_anywhere_is_refused(at: int) -> None:
    with pytest.raises(Malformed):
        parse(b"".join(written())[:at].splitlines(keepends=True))


@pytest.mark.parametrize(("lines", "entries"), [(2, 1), (3, 2), (4, 3)])
def test_a_file_that_is_cut_says_after_how_many(lines: int, entries: int) -> None:
    with pytest.raises(Malformed, match=f"after {entries} of 3 entries"):
        parse(written()[:lines])


def test_a_cut_in_a_line_is_a_cut() -> None:
    lines = written()
    for number in (1, 4):
        with pytest.raises(Malformed, match="is cut"):
            parse([*lines[:number], lines[number][:-9]])


def signed(*lines: str) -> list[bytes]:
    """A file with a right checksum, as somebody who edits it knowingly makes it."""
    text = [f"{line}\n".encode() for line in lines]
    return [*text, json.dumps({"sha256": hashlib.sha256(b"".join(text)).hexdigest()}).encode() + b"\n"]


HEAD = json.dumps(
    {"confd-backup": 1, "prefix": "/confd", "revision": 9, "at": "", "release": "", "entries": 1, "left_out": 0}
)


def entry(**members: object) -> str:
    return json.dumps({"key": "meta", "revision": 1, "text": "", **members})


@pytest.mark.parametrize(
    "lines",
    [
        signed(HEAD, entry(key="hosts/h1/alive")),
        signed(HEAD, entry(key=1)),
        signed(HEAD, entry(text=None)),
        signed(HEAD, entry(text="\ud800")),
        signed(HEAD, entry(revision=0)),
        signed(HEAD, entry(revision="1")),
        signed(HEAD, entry(more=1)),
        signed(HEAD, "[]"),
        signed(HEAD, "{"),
        signed(HEAD.replace('"entries": 1', '"entries": 2'), entry(), entry()),
        signed(HEAD.replace('"entries": 1', '"entries": "1"'), entry()),
        signed(HEAD.replace('"prefix"', '"profix"'), entry()),
        [*signed(HEAD, entry()), b"\n"],
        [*signed(HEAD, entry())[:-1], b"[]\n"],
        [*signed(HEAD, entry())[:-1], b'{"sha256": "0"}\n'],
        [line.replace(b"web", b"bew") for line in written()],
    ],
)
def test_a_file_that_was_edited_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(Malformed, match="edited or damaged"):
        parse(lines)


@pytest.mark.parametrize(
    "lines", [[], [b"\x1f\x8b\x08"], [b"A=1\n"], [b"[1]\n"], [b"{}\n"], [b'{"confd-backup": "1"}\n']]
)
def test_what_is_no_backup_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(Malformed, match="no backup of confd"):
        parse(lines)


def test_a_backup_of_a_newer_release_says_so() -> None:
    with pytest.raises(Refused, match="format 2, which a newer release"):
        parse([b'{"confd-backup": 2, "what": "is new"}\n'])


def test_keys_that_are_no_text_are_left_out_and_counted() -> None:
    odd = replace(BACKUP, records=[*RECORDS, Record("envs/\udcff", 4, "x")])
    found = parse(written(odd))
    assert (found.records, found.head.left_out) == (RECORDS, 1)


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("meta", True),
        ("meta/resumed", False),
        ("meta-probe", False),
        ("locks/collect", False),
        ("envs/dev/turns/web/h1", False),
        ("envs/dev/settings/turns/web", True),
        ("envs/dev/stops/web", True),
        ("hosts/h1/alive", False),
        ("hosts/h1/status/c1", False),
        ("hosts/h1/ledger/c1", True),
        ("hosts/h1/about", True),
        ("schemas/web/1", True),
        ("access/tokens/t", True),
        ("of-a-release/to/come", True),
    ],
)
def test_only_what_is_of_the_moment_is_left_out(key: str, kept: bool) -> None:
    assert is_kept(key) is kept


def test_records_are_told_oldest_first() -> None:
    entries = {f"/confd/{key}": Entry(f"/confd/{key}", "t", at) for key, at in [("b", 2), ("a", 9), ("c", 2)]}
    entries["/confd/hosts/h1/alive"] = Entry("/confd/hosts/h1/alive", "", 3)
    assert [one.key for one in records_of(SPACE, Listing(9, entries))] == ["b", "c", "a"]


def test_a_listing_is_below_the_new_prefix_at_the_old_revisions() -> None:
    listing = listing_of(Keyspace("/other"), BACKUP)
    assert list(listing.entries) == [f"/other/{key}" for key in sorted(one.key for one in RECORDS)]
    assert listing.entries["/other/meta"].mod_revision == 2


# --- batches ------------------------------------------------------------------------------------------------


def keys(found: list[list[Record]]) -> list[list[str]]:
    return [[one.key for one in batch] for batch in found]


def test_each_revision_with_a_change_stays_apart_and_hosts_come_last() -> None:
    records = [
        Record("hosts/h1/ledger/c", 1, ""),
        Record("envs/dev/settings/web/OUT", 2, ""),
        Record("envs/dev/settings/web/OF", 3, ""),
        Record(f"{CHANGE}1", 4, ""),
        Record("envs/dev/settings/web/A", 4, ""),
        Record(f"{CHANGE}2", 5, ""),
        Record("hosts/h1/about", 6, ""),
        Record("envs/dev/freeze", 7, ""),
    ]
    assert keys(batches(SPACE, records)) == [
        ["envs/dev/settings/web/OUT"],
        ["envs/dev/settings/web/OF"],
        [f"{CHANGE}1", "envs/dev/settings/web/A"],
        [f"{CHANGE}2"],
        ["envs/dev/freeze", "hosts/h1/ledger/c", "hosts/h1/about"],
    ]


def test_a_batch_has_bounds() -> None:
    many = [Record(f"hosts/h1/ledger/{number}", number, "") for number in range(1, MAX_BATCH_ENTRIES + 2)]
    assert list(map(len, batches(SPACE, many))) == [MAX_BATCH_ENTRIES, 1]
    large = [Record(f"hosts/h1/ledger/{number}", number, "x" * 600_000) for number in (1, 2, 3)]
    assert list(map(len, batches(SPACE, large))) == [1, 1, 1]


def test_what_does_not_fit_below_a_longer_prefix_is_said_before() -> None:
    wide = [Record(f"envs/dev/settings/web/k{number}", 5, "x" * 380) for number in range(3_000)]
    batches(SPACE, wide)
    with pytest.raises(TooLarge, match="shorter prefix"):
        batches(Keyspace("/" + "long" * 20), wide)


def test_a_restored_store_has_another_identity_and_the_same_origin() -> None:
    once = restored_cluster("a-b", "1")
    twice = restored_cluster(once, "2")
    assert len({"a-b", once, twice}) == 3
    assert {origin_of(one) for one in ("a-b", once, twice)} == {"a-b"}
