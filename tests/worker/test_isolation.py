"""Which edits a worker runs together."""

import threading
from collections.abc import Callable, Iterator

import pytest

from core.store.claims import Claim
from tests.support.waiting import PATIENCE, until
from worker.isolation import SuspectIsolation, WaitUntilAlone


class Scene:
    """Edits that run until a test ends them."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.running: list[str] = []
        self.done: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def add(self, name: str, token: int) -> None:
        self.claims.append(Claim(name, token))
        self.done[name] = threading.Event()

    def claim(self) -> Claim | None:
        return self.claims.pop(0) if self.claims else None

    def run(self, claim: Claim, wait: WaitUntilAlone) -> None:
        wait()
        self.running.append(claim.id)
        self.done[claim.id].wait(PATIENCE)
        self.running.remove(claim.id)

    def enter(self, isolation: SuspectIsolation, threads: int) -> None:
        for _ in range(threads):
            self._threads.append(
                threading.Thread(target=isolation.claim_and_run, args=(self.claim, self.run))
            )
            self._threads[-1].start()

    def close(self) -> None:
        for event in self.done.values():
            event.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def scene() -> Iterator[Scene]:
    scene = Scene()
    yield scene
    scene.close()


def test_first_attempts_are_in_together(scene: Scene) -> None:
    for name in "abc":
        scene.add(name, 1)
    scene.enter(SuspectIsolation(), 3)
    until(lambda: sorted(scene.running) == ["a", "b", "c"], "all to run")


def test_an_edit_that_has_lost_a_worker_waits_until_it_is_alone(scene: Scene) -> None:
    scene.add("a", 1)
    scene.add("suspect", 2)
    scene.add("b", 1)
    scene.enter(isolation := SuspectIsolation(), 1)
    until(lambda: scene.running == ["a"], "the first to run")
    scene.enter(isolation, 2)
    until(lambda: len(scene.claims) == 1, "the suspect to be claimed")
    assert scene.running == ["a"]
    scene.done["a"].set()
    until(lambda: scene.running == ["suspect"], "the suspect to run")
    assert [claim.id for claim in scene.claims] == ["b"]  # nothing waits behind it
    scene.done["suspect"].set()
    until(lambda: scene.running == ["b"], "the next to run")


def test_nothing_to_claim_leaves_the_door_open(scene: Scene) -> None:
    isolation = SuspectIsolation()
    nothing: Callable[[], Claim | None] = lambda: None  # noqa: E731
    assert isolation.claim_and_run(nothing, scene.run) is None
    scene.add("a", 1)
    scene.enter(isolation, 1)
    until(lambda: scene.running == ["a"], "it to run")
