"""What an agent makes of a store that was restored from a backup: it waits, and loses nothing that it knows."""

from __future__ import annotations

from pathlib import Path

from confd.agent.trust import Memory, Sighting, judge
from confd.durable import Folder
from confd.keys import App, Container, Env, Host, Key, Keyspace
from confd.ledger import Base, Ledger, LedgerEntry
from confd.model import Applied, Entry, frozen
from confd.ports import Put
from confd.secret import Digest
from confd.stores.memory import MemoryStore

HERE = Container("c1")
ENTRY = LedgerEntry(
    "web-1", App("web"), Env("dev"), Base(), Applied(3, Digest("v1:s"), frozen({Key("A"): Digest("v1:a")}))
)


def test_a_restored_store_is_in_doubt_at_any_revision_until_it_is_resumed_itself() -> None:
    memory = Memory("a", 5)
    for revision in (3, 5, 50):
        after = judge(memory, Sighting(revision, "a+1"), "now")
        assert after.doubt is not None
        assert after.doubt.why == "the store was restored from a backup"
    for cluster, trusted in (("a", False), ("a+0", False), ("a+1", True)):
        word = Entry("resumed", f'{{"cluster": "{cluster}"}}', 60)
        assert (judge(after, Sighting(61, "a+1", word), "now").doubt is None) == trusted
    other = judge(memory, Sighting(5, "b"), "now").doubt
    assert other is not None
    assert "another store" in other.why


def test_what_the_host_knows_of_its_containers_holds_and_is_told_to_the_restored_store(tmp_path: Path) -> None:
    """Its digests are of the same key, and an entry that the backup has as it is here is written too."""
    old, fresh, space = MemoryStore(), MemoryStore(), Keyspace()
    for number in range(5):
        old.commit([Put("/x", str(number))])
    ledger = Ledger(old, space, Host("h1"), copies=Folder(tmp_path))
    ledger.settle(ledger.compare(), {HERE}, "a", doubtful=False)
    ledger.record_base(HERE, ENTRY)
    key = space.ledger(Host("h1"), HERE)
    fresh.commit([Put(key, old.read([key]).entries[key].text)])

    again = Ledger(fresh, space, Host("h1"), copies=Folder(tmp_path))
    again.settle(again.compare(), {HERE}, "a+1", doubtful=True)
    assert again.entry(HERE) == ENTRY
    again.write_back(again.compare(), "a+1", 30)
    assert again.entry(HERE) == ENTRY
    assert again.compare().lost == {}, "or it would be in doubt again at its next look"


def test_what_another_stores_key_has_made_says_nothing(tmp_path: Path) -> None:
    store, space = MemoryStore(), Keyspace()
    ledger = Ledger(store, space, Host("h1"), copies=Folder(tmp_path))
    ledger.settle(ledger.compare(), {HERE}, "a", doubtful=False)
    ledger.record_base(HERE, ENTRY)
    ledger.settle(ledger.compare(), {HERE}, "b+a", doubtful=True)
    entry = ledger.entry(HERE)
    assert entry is not None
    assert entry.applied.keys == {"A": "v0:a"}
