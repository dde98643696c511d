"""The thread that renews an attempt's lease, even while no UNet call reports progress."""

import threading
from types import TracebackType
from typing import Self

from core.errors import StaleAttempt, StoreUnavailable
from core.store.claims import LEASE_SECONDS, Claim
from core.store.edits import EditStore
from core.telemetry.logs import get_logger

log = get_logger(__name__)


class LeaseRenewer:
    """A context whose thread renews the lease four times as often as it must.

    It keeps trying while Redis does not answer. When the lease has gone to another attempt, it
    sets `lost` and stops.
    """

    def __init__(self, store: EditStore, claim: Claim):
        self._store, self._claim = store, claim
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {claim.id}", daemon=True)
        self.lost = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._stop.wait(LEASE_SECONDS / 4):
            try:
                self._store.renew(self._claim)
            except StaleAttempt:
                self.lost = True
                return
            except StoreUnavailable:
                log.warning("lease not renewed: Redis does not answer", edit=self._claim.id)
