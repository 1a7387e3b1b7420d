"""What is done to a store before it is served: its meta is there, its secrets open, nothing half staged is left.

A store that is out of reach holds nobody up: it is tried again with growing pauses, while the API answers that it
is not ready.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from confd.errors import ConfdError
from confd.services.context import Context
from confd.services.meta import ensure_meta, require_keys
from confd.services.staging import collect_parts

__all__ = ["Preparing"]

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0


class Preparing:
    """See the module. `start` once, then `stop`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._over = threading.Event()
        self._tried = threading.Event()
        self._refused: ConfdError | None = None
        self._thread = threading.Thread(target=self._run, name="preparing", daemon=True)

    def start(self, stop: threading.Event) -> None:
        """Returns after the first try, or when stopped.

        Raises `Configuration` for a store of another format, and for one whose secrets do not open.
        """
        self._thread.start()
        while not self._tried.wait(0.02) and not stop.is_set():
            continue
        if self._refused is not None:
            raise self._refused

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        pause_s, told = FIRST_PAUSE_S, False
        while not self._over.is_set():
            try:
                self._prepare()
            except ConfdError as error:
                if not error.retryable:
                    self._refused = error
                    self._tried.set()
                    log.error("the store cannot be served: %s", error.detail)
                    return
                log.log(logging.DEBUG if told else logging.WARNING, "not ready: %s", error.detail)
                told = True
                self._tried.set()
                self._over.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            self._collect()
            self._tried.set()
            return

    def _prepare(self) -> None:
        """Raises what keeps the store from being served."""
        store, keyspace = self._context.store, self._context.keyspace
        ensure_meta(store, keyspace)
        entry = store.read([keyspace.meta]).entries.get(keyspace.meta)
        if entry is not None:
            require_keys(entry.text, self._context.keys)

    def _collect(self) -> None:
        with suppress(ConfdError):  # what stays is harmless
            revision = self._context.store.read([self._context.keyspace.meta]).revision
            collect_parts(self._context, revision + 1)
