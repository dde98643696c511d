"""Fair scheduling: which waiting edits are served next, and which of them together.

The edit that has used the device least is served first, so edits share it evenly, however different
they are. Requests of the same kind share one call of the UNet, unless an edit has already used
`MAX_LEAD_ROWS` more rows of its batches than the first in that call. No threads, no device here.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from baret.engine.budget import Budget
from baret.unet.requests import DeviceTask, Request

# How many more rows than the least-served edit of a call another may have used and still join it.
MAX_LEAD_ROWS = 8.0


@dataclass(frozen=True)
class PendingRequest:
    """A request that waits or is being served."""

    request: Request | DeviceTask
    future: Future[Any] = field(default_factory=Future)
    since: float = field(default_factory=time.perf_counter)


@dataclass(eq=False)
class Session:
    """A running edit."""

    # What it has used, in latent pixels. It starts at the smallest count of those already running.
    served: float
    pending: PendingRequest | None = None  # None while the edit computes between two requests


class FairScheduler:
    """The running edits and their pending requests. The caller guards it with a lock."""

    def __init__(self) -> None:
        """Start without sessions."""
        self._sessions: list[Session] = []

    def enter(self) -> Session:
        """Add a session."""
        session = Session(min((other.served for other in self._sessions), default=0.0))
        self._sessions.append(session)
        return session

    def leave(self, session: Session) -> None:
        """Remove a session."""
        self._sessions.remove(session)

    def any_pending(self) -> bool:
        """Return whether there is something to serve."""
        return any(session.pending for session in self._sessions)

    def all_pending(self) -> bool:
        """Return whether every session waits, so that waiting longer would bring no company."""
        return all(session.pending for session in self._sessions)

    def take(self, budget: Budget) -> list[PendingRequest]:
        """Take what is served next: one device task, or requests that fit into one call."""
        waiting = [(session, session.pending) for session in self._sessions if session.pending]
        waiting.sort(key=lambda pair: (pair[0].served, pair[1].since))
        taken: list[PendingRequest] = []
        for session, pending in waiting:
            if not taken:
                least_served = session.served
            elif not _may_join(taken, pending, lead=session.served - least_served, budget=budget):
                continue
            taken.append(pending)
            session.pending = None
            session.served += pending.request.cost
        return taken


def _may_join(
    taken: Sequence[PendingRequest], pending: PendingRequest, *, lead: float, budget: Budget
) -> bool:
    """Return whether a request shares the call, its edit being ahead of the first by `lead`."""
    requests = [one.request for one in (*taken, pending) if isinstance(one.request, Request)]
    if len(requests) <= len(taken):
        return False  # device tasks go alone
    first, last = requests[0], requests[-1]
    return (
        lead <= MAX_LEAD_ROWS * first.latent_pixels / len(first)
        and last.kind == first.kind
        and budget.fits(
            sum(request.latent_pixels for request in requests), gradient=first.target is not None
        )
    )
