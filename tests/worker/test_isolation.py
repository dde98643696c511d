"""Who may be in a worker together."""

import threading
from collections.abc import Callable, Iterator

import pytest

from core.store.claims import Claim
from tests.support.waiting import until
from worker.isolation import SuspectIsolation, Wait


class MemoryLimiter:
    """Edits that stay inside until they are let go."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.inside: list[str] = []
        self.done: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def add(self, name: str, token: int) -> None:
        self.claims.append(Claim(name, token))
        self.done[name] = threading.Event()

    def claim(self) -> Claim | None:
        return self.claims.pop(0) if self.claims else None

    def run(self, claim: Claim, wait: Wait) -> None:
        wait()
        self.inside.append(claim.id)
        self.done[claim.id].wait(60)
        self.inside.remove(claim.id)

    def enter(self, door: SuspectIsolation, threads: int) -> None:
        for _ in range(threads):
            self._threads.append(threading.Thread(target=door.enter, args=(self.claim, self.run)))
            self._threads[-1].start()

    def close(self) -> None:
        for event in self.done.values():
            event.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def room() -> Iterator[MemoryLimiter]:
    room = MemoryLimiter()
    yield room
    room.close()


def test_first_attempts_are_in_together(room: MemoryLimiter) -> None:
    for name in "abc":
        room.add(name, 1)
    room.enter(SuspectIsolation(), 3)
    until(lambda: sorted(room.inside) == ["a", "b", "c"], "all to be inside")


def test_an_edit_that_has_lost_a_worker_waits_until_it_is_alone(room: MemoryLimiter) -> None:
    room.add("a", 1)
    room.add("suspect", 2)
    room.add("b", 1)
    room.enter(door := SuspectIsolation(), 1)
    until(lambda: room.inside == ["a"], "the first to be inside")
    room.enter(door, 2)
    until(lambda: len(room.claims) == 1, "the suspect to be claimed")
    assert room.inside == ["a"]
    room.done["a"].set()
    until(lambda: room.inside == ["suspect"], "the suspect to be inside")
    assert [claim.id for claim in room.claims] == ["b"]  # nobody stands behind it
    room.done["suspect"].set()
    until(lambda: room.inside == ["b"], "the next to be inside")


def test_nothing_to_claim_leaves_the_door_open(room: MemoryLimiter) -> None:
    door = SuspectIsolation()
    nothing: Callable[[], Claim | None] = lambda: None  # noqa: E731
    assert door.enter(nothing, room.run) is None
    room.add("a", 1)
    room.enter(door, 1)
    until(lambda: room.inside == ["a"], "it to be inside")
