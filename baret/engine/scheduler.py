"""Whose turn it is: which of the edits that wait for the device are served next, and together.

The edit that has had least of the device is served first, so edits share it evenly however unlike
they are. Whoever waits for rows of the same kind shares the call, unless it is further ahead than
`AHEAD`: what it would take now is owed to those behind it. No threads and no device here.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from baret.engine.budget import Budget
from baret.unet.requests import Aside, Request

AHEAD = 8.0  # rows that an edit may have had more than the one behind and still share its call


@dataclass(frozen=True)
class Asked:
    """A request that waits or is being served."""

    request: Request | Aside
    answer: Future[Any] = field(default_factory=Future)
    since: float = field(default_factory=time.perf_counter)


@dataclass(eq=False)
class Guest:
    """An edit that is here."""

    served: float  # places it has had, counted on from the least of those who were here before
    asked: Asked | None = None  # what it waits for


class Turns:
    """The edits that are here."""

    def __init__(self) -> None:
        """Begin with none."""
        self._guests: list[Guest] = []

    def enter(self) -> Guest:
        """One edit more."""
        guest = Guest(min((other.served for other in self._guests), default=0.0))
        self._guests.append(guest)
        return guest

    def leave(self, guest: Guest) -> None:
        """One less."""
        self._guests.remove(guest)

    def anyone_waits(self) -> bool:
        """Whether there is a turn to give."""
        return any(guest.asked for guest in self._guests)

    def everyone_waits(self) -> bool:
        """Whether nobody who is here can still come to wait."""
        return all(guest.asked for guest in self._guests)

    def take(self, budget: Budget) -> list[Asked]:
        """What is served next and waits no longer: an aside, or requests of a kind that fit."""
        waiting = [(guest, guest.asked) for guest in self._guests if guest.asked]
        waiting.sort(key=lambda pair: (pair[0].served, pair[1].since))
        taken: list[Asked] = []
        for guest, asked in waiting:
            if not taken:
                least = guest.served
            elif not _together(taken, asked, ahead=guest.served - least, budget=budget):
                continue
            taken.append(asked)
            guest.asked = None
            guest.served += asked.request.cost
        return taken


def _together(taken: Sequence[Asked], asked: Asked, *, ahead: float, budget: Budget) -> bool:
    """Whether one who has had so much more than the first may share its call."""
    requests = [one.request for one in (*taken, asked) if isinstance(one.request, Request)]
    if len(requests) <= len(taken):
        return False  # asides go alone
    first, last = requests[0], requests[-1]
    return (
        ahead <= AHEAD * first.places / len(first)
        and last.kind == first.kind
        and budget.holds(sum(one.places for one in requests), gradient=first.goal is not None)
    )
