"""Arrivals, workers with a cold start, and the scaling rule, as discrete events (simpy).

The rule is that of docs/deploy.md: every `polling` seconds it wants (waiting + running) / (places ·
target) workers. It starts what is missing at once, and stops what is too much when nothing more was
wanted for `cooldown` seconds. A worker that is stopped hands its edits back: they begin again.
"""

import math
import random
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

DAY = 86_400.0


@dataclass(frozen=True)
class Rule:
    """The scaling rule."""

    polling: float = 15.0  # seconds
    target: float = 1.0  # edits that a worker has, in shares of what it runs at once
    cooldown: float = 300.0  # seconds
    min_workers: int = 0
    max_workers: int = 50


@dataclass(frozen=True)
class Load:
    """What arrives, and what a worker can do."""

    edits_per_hour: float  # mean; the peak is 1 + swing of it
    swing: float = 0.8  # of the rate, as a sine over the simulated time
    places: int = 16  # edits that a worker runs at once
    edit_seconds: float = 12.3  # of an edit in a full worker
    cold_start: float = 120.0  # seconds from the decision until the worker takes edits
    seconds: float = DAY  # that arrivals go on


@dataclass(frozen=True)
class Outcome:
    """What callers waited, and what it cost."""

    waits: list[float]  # seconds of each edit beside its own time, sorted
    gpu_seconds: float  # of all workers, cold starts included
    starts: int
    handed_back: int

    def wait(self, share: float) -> float:
        """Return the wait that this share of the edits did not exceed."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]

    @property
    def gpu_seconds_an_edit(self) -> float:
        """Return the mean cost of an edit."""
        return self.gpu_seconds / len(self.waits)


@dataclass(eq=False)
class _Worker:
    started: float
    running: set[simpy.Process] = field(default_factory=set)


class Simulation:
    """One run; `random_seed` makes it repeatable."""

    def __init__(self, load: Load, rule: Rule, *, random_seed: int = 0):
        self._load, self._rule, self._random = load, rule, random.Random(random_seed)
        self._env = simpy.Environment()
        self._waiting: deque[tuple[float, float]] = deque()  # arrival and duration of each
        self._workers: list[_Worker] = []
        self._loading = 0
        self._wanted: deque[tuple[float, int]] = deque()
        self._waits: list[float] = []
        self._gpu_seconds, self._starts, self._handed_back, self._expected = 0.0, 0, 0, 0

    def run(self) -> Outcome:
        """Run until every edit that arrived has ended."""
        for _ in range(self._rule.min_workers):
            self._workers.append(_Worker(0.0))
        arrivals = self._env.process(self._arrive())
        self._env.process(self._scale())
        self._env.run(until=arrivals)
        while len(self._waits) < self._expected:
            self._env.step()
        for worker in self._workers:
            self._gpu_seconds += self._env.now - worker.started
        return Outcome(sorted(self._waits), self._gpu_seconds, self._starts, self._handed_back)

    def _arrive(self) -> Generator[Any, Any, None]:
        load = self._load
        peak = load.edits_per_hour * (1 + load.swing) / 3600
        while True:
            yield self._env.timeout(self._random.expovariate(peak))
            if self._env.now >= load.seconds:
                return
            rate = 1 - load.swing * math.cos(2 * math.pi * self._env.now / load.seconds)
            if self._random.random() * (1 + load.swing) < rate:
                self._expected += 1
                # Edits differ: more strengths, more steps (mean 1, standard deviation 0.53).
                own = self._random.lognormvariate(-0.125, 0.5) * load.edit_seconds
                self._waiting.append((self._env.now, own))
                self._dispatch()

    def _dispatch(self) -> None:
        while self._waiting and self._workers:
            worker = min(self._workers, key=lambda one: len(one.running))
            if len(worker.running) >= self._load.places:
                return
            process = self._env.process(self._run_edit(worker, *self._waiting.popleft()))
            worker.running.add(process)

    def _run_edit(
        self, worker: _Worker, arrived: float, seconds: float
    ) -> Generator[Any, Any, None]:
        process = self._env.active_process
        try:
            yield self._env.timeout(seconds)
            self._waits.append(max(0.0, self._env.now - arrived - seconds))
        except simpy.Interrupt:
            self._handed_back += 1
            self._waiting.appendleft((arrived, seconds))
        worker.running.discard(process)
        self._dispatch()

    def _scale(self) -> Generator[Any, Any, None]:
        while True:
            running = sum(len(worker.running) for worker in self._workers)
            wanted = self._want(len(self._waiting) + running)
            have = len(self._workers) + self._loading
            for _ in range(wanted - have):
                self._env.process(self._start())
            for _ in range(min(have - wanted, len(self._workers))):
                self._stop(self._random.choice(self._workers))
            yield self._env.timeout(self._rule.polling)

    def _want(self, edits: int) -> int:
        """Return how many workers the rule wants: the most of the last `cooldown` seconds."""
        rule = self._rule
        now = math.ceil(edits / (self._load.places * rule.target))
        self._wanted.append((self._env.now, min(rule.max_workers, max(rule.min_workers, now))))
        while self._wanted[0][0] < self._env.now - rule.cooldown:
            self._wanted.popleft()
        return max(count for _, count in self._wanted)

    def _start(self) -> Generator[Any, Any, None]:
        self._loading += 1
        self._starts += 1
        worker = _Worker(self._env.now)
        yield self._env.timeout(self._load.cold_start)
        self._loading -= 1
        self._workers.append(worker)
        self._dispatch()

    def _stop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        self._gpu_seconds += self._env.now - worker.started
        for process in tuple(worker.running):
            process.interrupt()
