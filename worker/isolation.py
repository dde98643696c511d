"""Running edits together, except suspects: edits whose earlier attempt lost its worker run alone.

An edit that kills its process would otherwise take every edit in that process with it, once in
each of its three attempts.
"""

import threading
from collections.abc import Callable

from core.store.claims import Claim

WaitUntilAlone = Callable[[], None]


class SuspectIsolation:
    """Lets first attempts run together and later ones alone; shared by all threads of a worker."""

    def __init__(self) -> None:
        self._claiming = threading.Lock()
        self._changed = threading.Condition()
        self._running = 0

    def claim_and_run(
        self, claim: Callable[[], Claim | None], run: Callable[[Claim, WaitUntilAlone], None]
    ) -> Claim | None:
        """Claim an edit and run it.

        While a suspect edit runs alone, or waits to, the worker claims nothing else: anything it
        claimed could be lost with it.

        Args:
            claim: returns the next edit, or None.
            run: runs it; must call its second argument before it does any work.

        Returns:
            What was claimed.
        """
        with self._claiming:
            claimed = claim()
            if claimed is None:
                return None
            if claimed.token > 1:  # not its first attempt
                run(claimed, self._wait_until_alone)
                return claimed
            self._count(1)
        try:
            run(claimed, lambda: None)
        finally:
            self._count(-1)
        return claimed

    def _wait_until_alone(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._running)

    def _count(self, change: int) -> None:
        with self._changed:
            self._running += change
            self._changed.notify_all()
