"""A lock in the store: a key that exists only while its holder's lease lives."""

from __future__ import annotations

from confd.errors import ConfdError, Conflict
from confd.ports import Expect, Lease, Put, Store

__all__ = ["acquire"]


def acquire(store: Store, key: str, text: str, ttl_s: float) -> Lease | None:
    """Take the lock, or None when another holds it. Closing the lease gives it back. Raises `Unavailable`."""
    lease = store.lease(ttl_s)
    try:
        store.commit([Put(key, text, lease.id)], [Expect(key, 0)])
    except Conflict:
        lease.close()
        return None
    except ConfdError:
        lease.close()
        raise
    return lease
