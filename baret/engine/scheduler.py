"""Whose turn it is: which of the edits that wait for the device are served next, and together.

The edit that has had least of the device is served first, so edits share it evenly however unlike
they are. Whoever waits for rows of the same kind shares the call, unless it is further ahead than
`MAX_LEAD_ROWS`: what it would take now is owed to those behind it. No threads and no device here.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from baret.engine.budget import Budget
from baret.unet.requests import DeviceTask, Request

MAX_LEAD_ROWS = (
    8.0  # rows that an edit may have had more than the one behind and still share its call
)


@dataclass(frozen=True)
class PendingRequest:
    """A request that waits or is being served."""

    request: Request | DeviceTask
    answer: Future[Any] = field(default_factory=Future)
    since: float = field(default_factory=time.perf_counter)


@dataclass(eq=False)
class Session:
    """An edit that is here."""

    served: float  # places it has had, counted on from the least of those who were here before
    asked: PendingRequest | None = None  # what it waits for


class FairScheduler:
    """The edits that are here."""

    def __init__(self) -> None:
        """Begin with none."""
        self._sessions: list[Session] = []

    def enter(self) -> Session:
        """One edit more."""
        session = Session(min((other.served for other in self._sessions), default=0.0))
        self._sessions.append(session)
        return session

    def leave(self, session: Session) -> None:
        """One less."""
        self._sessions.remove(session)

    def anyone_waits(self) -> bool:
        """Whether there is a turn to give."""
        return any(session.asked for session in self._sessions)

    def everyone_waits(self) -> bool:
        """Whether nobody who is here can still come to wait."""
        return all(session.asked for session in self._sessions)

    def take(self, budget: Budget) -> list[PendingRequest]:
        """What is served next and waits no longer: an aside, or requests of a kind that fit."""
        waiting = [(session, session.asked) for session in self._sessions if session.asked]
        waiting.sort(key=lambda pair: (pair[0].served, pair[1].since))
        taken: list[PendingRequest] = []
        for session, asked in waiting:
            if not taken:
                least = session.served
            elif not _together(taken, asked, ahead=session.served - least, budget=budget):
                continue
            taken.append(asked)
            session.asked = None
            session.served += asked.request.cost
        return taken


def _together(
    taken: Sequence[PendingRequest], asked: PendingRequest, *, ahead: float, budget: Budget
) -> bool:
    """Whether one who has had so much more than the first may share its call."""
    requests = [one.request for one in (*taken, asked) if isinstance(one.request, Request)]
    if len(requests) <= len(taken):
        return False  # asides go alone
    first, last = requests[0], requests[-1]
    return (
        ahead <= MAX_LEAD_ROWS * first.latent_pixels / len(first)
        and last.kind == first.kind
        and budget.holds(
            sum(one.latent_pixels for one in requests), gradient=first.goal is not None
        )
    )
