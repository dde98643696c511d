"""How edits get into a worker: many at once, but one that has lost a worker before gets in alone.

An edit that kills its process would otherwise take everyone beside it along, three times over.
"""

import threading
from collections.abc import Callable

from core.store.claims import Claim

Wait = Callable[[], None]


class SuspectIsolation:
    """One for all threads of a worker."""

    def __init__(self) -> None:
        self._claiming = threading.Lock()
        self._changed = threading.Condition()
        self._inside = 0

    def enter(
        self, claim: Callable[[], Claim | None], run: Callable[[Claim, Wait], None]
    ) -> Claim | None:
        """Claim an edit and run it.

        While one is in here alone, or waits until it is, this worker claims no other: who stood
        in line behind it would be lost with it.

        Args:
            claim: gives the next edit, or None.
            run: runs it; it must call what it is given before it does any work.

        Returns:
            What was claimed.
        """
        with self._claiming:
            claimed = claim()
            if claimed is None:
                return None
            if claimed.token > 1:
                run(claimed, self._wait_until_empty)
                return claimed
            self._count(1)
        try:
            run(claimed, lambda: None)
        finally:
            self._count(-1)
        return claimed

    def _wait_until_empty(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._inside)

    def _count(self, change: int) -> None:
        with self._changed:
            self._inside += change
            self._changed.notify_all()
