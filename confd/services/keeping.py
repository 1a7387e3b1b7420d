"""What an API process keeps in order by itself: edits past the API are recorded, and old records pruned.

Every process does it; whoever is first has done it. The store's meta has to be there: what is emptied or half
restored is left alone.
"""

from __future__ import annotations

import logging
import threading

from confd.errors import ConfdError
from confd.keys import Layer
from confd.model import Snapshot
from confd.services.context import Context
from confd.services.outofband import record, waits
from confd.services.pruning import MOST, prune_in_turn
from confd.snapshot import Touched

__all__ = ["Keeping"]

log = logging.getLogger(__name__)

SETTLE_S = 0.5
"""So long no more is written to any layer before edits are recorded: those of one go are one change then."""

LONGEST_S = 5.0
PRUNE_S = 3600.0
AGAIN_S = 5.0


class Keeping:
    """See the module. `start` once, then `stop`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._news = threading.Condition()
        self._over = False
        self._everything = True
        self._layers: set[Layer] = set()
        self._now = context.clock.now
        self._prune_at = self._now() + AGAIN_S
        self._thread = threading.Thread(target=self._run, name="keeping", daemon=True)

    def start(self) -> None:
        self._context.mirror.subscribe(self._see)
        self._thread.start()

    def stop(self) -> None:
        """Nothing is begun any more; a store that does not answer holds nobody up."""
        with self._news:
            self._over = True
            self._news.notify_all()

    def _see(self, snapshot: Snapshot, touched: Touched | None) -> None:
        with self._news:
            if touched is None:
                self._everything = True
            elif touched.freezes:  # an env may have other rules
                self._everything, self._prune_at = True, min(self._prune_at, self._now() + SETTLE_S)
            elif touched.layers:
                self._layers |= touched.layers
            else:
                return
            self._news.notify_all()

    def _run(self) -> None:
        while True:
            layers = self._wait()
            if self._over:
                return
            left = self._keep(layers)
            if left:
                with self._news:
                    self._layers |= left
                    self._news.wait_for(lambda: self._over, AGAIN_S)

    def _keep(self, layers: set[Layer]) -> set[Layer]:
        """Do what is to be done; the layers to look at again."""
        if not self._context.mirror.current:
            self._prune_at = max(self._prune_at, self._now() + AGAIN_S)
            return layers
        try:
            left = self._record(layers)
            if self._is_time():
                self._prune()
        except Exception:  # the edge: what is wrong with one layer must not end the keeping of all
            if not self._over:
                log.exception("this is a fault of the server; it is tried again")
            return layers
        return left

    def _wait(self) -> set[Layer]:
        """The layers to look at, once it is quiet; none where it is time to prune."""
        with self._news:
            while not self._over and not self._layers and not self._everything and not self._is_time():
                self._news.wait(max(self._prune_at - self._now(), 0.01))
            until = self._now() + LONGEST_S
            while not self._over and self._now() < until and self._news.wait(SETTLE_S):
                continue
            layers, self._layers = self._layers, set()
            if self._everything:
                snapshot = self._context.mirror.snapshot
                layers |= snapshot.layers.keys() | snapshot.heads.keys()
            self._everything = False
            return layers

    def _is_time(self) -> bool:
        return self._now() >= self._prune_at

    def _record(self, layers: set[Layer]) -> set[Layer]:
        """Record what stands in these layers past the API; those that are to be looked at again."""
        left = set[Layer]()
        for layer in sorted(layers, key=str):
            mirror = self._context.mirror
            if self._over or mirror.snapshot.meta is None or not waits(mirror.snapshot, layer):
                continue
            try:
                count = record(self._context, layer)
            except ConfdError as error:
                log.log(logging.DEBUG if error.retryable else logging.WARNING, "%s: %s", layer, error.detail)
                left |= {layer} if error.retryable else set()
                continue
            if count:
                log.info("%s: what was put straight into the store is recorded", layer)
        return left

    def _prune(self) -> None:
        self._prune_at = self._now() + PRUNE_S
        try:
            gone = prune_in_turn(self._context)
        except ConfdError as error:
            log.warning("old records are not pruned yet: %s", error.detail)
            self._prune_at = self._now() + AGAIN_S * 12
            return
        if gone:
            log.info("%d old records are pruned", gone)
        if gone >= MOST:
            self._prune_at = self._now() + AGAIN_S
