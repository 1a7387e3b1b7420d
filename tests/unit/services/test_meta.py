"""What the store says of itself, and which stores this release serves."""

from __future__ import annotations

import json

import pytest

from confd.errors import Configuration, Refused
from confd.keys import Keyspace
from confd.model import Snapshot
from confd.services.meta import FORMAT, SERVED, ensure_meta, fresh_meta, read_meta, require_format
from confd.stores.memory import MemoryStore


def _changed(**members: object) -> str:
    return json.dumps({**json.loads(fresh_meta()), **members})


def test_a_new_store_has_the_newest_format_and_the_one_before_is_served() -> None:
    store = MemoryStore()
    ensure_meta(store, Keyspace())
    text = store.read([Keyspace().meta]).entries[Keyspace().meta].text
    assert (read_meta(text).format, SERVED) == (FORMAT, (FORMAT - 1, FORMAT))
    assert read_meta(fresh_meta(FORMAT - 1)).format == FORMAT - 1


@pytest.mark.parametrize("version", [0, 3, "2", 2.0, True, None])
def test_a_store_of_a_format_that_is_not_served_is_told_which_are(version: object) -> None:
    with pytest.raises(Configuration, match="serves formats 1 and 2"):
        read_meta(_changed(format=version))


@pytest.mark.parametrize("members", [{"cluster": ""}, {"cluster": 7}, {"digest_key": "AAAA"}, {"digest_key": "?"}])
def test_a_damaged_meta_is_not_served(members: dict[str, object]) -> None:
    with pytest.raises(Configuration, match="damaged"):
        read_meta(_changed(**members))


def test_what_older_readers_do_not_heed_is_refused_with_what_to_do() -> None:
    with pytest.raises(Refused, match=r"a freeze needs format 2.*confctl upgrade"):
        require_format(Snapshot(meta=fresh_meta(1)), 2, "a freeze")
    require_format(Snapshot(meta=fresh_meta(2)), 2, "a freeze")
    require_format(Snapshot(), 2, "a freeze")
