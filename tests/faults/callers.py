"""Callers of a service on several machines: what they send, how long they wait, what is done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import mean, median
from typing import Any

from tests.faults.ledger import Ledger
from tests.faults.machines import Machines
from tests.support.receiver import Receiver
from tests.support.waiting import until


@dataclass(frozen=True)
class Course:
    """When an edit was accepted, its attempts began, and it ended; all in seconds."""

    model: str
    accepted: float
    starts: tuple[float, ...]
    ended: float

    @property
    def wait(self) -> float:
        return self.starts[0] - self.accepted

    def claims_ahead(self, courses: Iterable["Course"]) -> int:
        """Return how many attempts at edits of the same model began while this one waited."""
        begun = (start for one in courses if one.model == self.model for start in one.starts)
        return sum(self.accepted < start < self.starts[0] for start in begun)


class Caller:
    """Somebody with a key, who uses one of the APIs."""

    def __init__(self, name: str, machines: Machines, photo: bytes, receiver: Receiver, api: int):
        self.name, self._url = name, receiver.url
        self.service = machines.seen_by(name, api=api)
        self.ledger = Ledger(self.service, photo, receiver)

    def send(self, count: int, model: str, **fields: Any) -> None:
        """Send all edits at once."""
        self.ledger.submit_many(count, **self._fields(model), **fields)

    def send_one_by_one(self, count: int, model: str, **fields: Any) -> None:
        """Send each edit once the one before has ended."""
        for _ in range(count):
            self.service.ended(self.ledger.submit(**self._fields(model), **fields))

    def _fields(self, model: str) -> dict[str, Any]:
        return {"model": model, "webhook_url": f"{self._url}/{model}"}

    def get(self, path: str, **params: str) -> Any:
        """Return what the API answers to a GET."""
        return self.service.http.get(path, params=params).raise_for_status().json()

    def courses(self) -> list[Course]:
        """Return the course of each edit, all of which have ended."""
        return [self._course(edit_id) for edit_id in self.ledger.accepted]

    def _course(self, edit_id: str) -> Course:
        edit = self.service.edit(edit_id)
        accepted, ended = (
            datetime.fromisoformat(edit[name]).timestamp()
            for name in ("created_at", "completed_at")
        )
        return Course(edit["model"], accepted, tuple(self.ledger.starts(edit_id)), ended)


@dataclass(frozen=True)
class Stretch:
    """What so many workers of a model did for a while."""

    workers: int
    rate: float  # edits that ended a second
    seconds: float  # that an edit of those ran, on average
    busy: float  # share of the workers' time in which they ran edits


class Throughput:
    """What the workers of a model do while there are as many, with edits always waiting."""

    def __init__(self, model: str, receiver: Receiver):
        self._model, self._receiver = model, receiver
        self._windows: list[tuple[int, float, float]] = []  # workers, from, until

    def watch(self, workers: int, *, ends: int) -> None:
        """Wait until so many more edits have ended."""
        before, start = self._ended(), _now()
        until(lambda: self._ended() >= before + ends, f"{ends} more ends of {self._model}")
        self._windows.append((workers, start, _now()))

    def _ended(self) -> int:
        return len(self._receiver.at(f"/{self._model}"))

    def stretches(self, courses: Iterable[Course]) -> list[Stretch]:
        """Return each stretch, from the courses of all edits."""
        runs = [(one.starts[-1], one.ended) for one in courses if one.model == self._model]
        return [_stretch(*window, runs) for window in self._windows]


def _stretch(workers: int, start: float, end: float, runs: list[tuple[float, float]]) -> Stretch:
    ended = [there - began for began, there in runs if start <= there < end]
    worked = sum(max(0.0, min(there, end) - max(began, start)) for began, there in runs)
    length = end - start
    return Stretch(workers, len(ended) / length, mean(ended), worked / (workers * length))


def table(
    stretches: Sequence[Stretch], courses: dict[str, list[Course]], ahead: dict[str, int]
) -> str:
    """Return throughput and waits as Markdown."""
    lines = ["", "| workers | edits a second | seconds an edit | busy |", "|---|---|---|---|"]
    lines += [
        f"| {one.workers} | {one.rate:.2f} | {one.seconds:.1f} | {one.busy:.0%} |"
        for one in stretches
    ]
    lines += [
        "",
        "| caller | edits | wait: median, maximum, s | claims ahead |",
        "|---|---|---|---|",
    ]
    for name, own in courses.items():
        waits = [one.wait for one in own]
        most = ahead.get(name, "–")
        lines.append(f"| {name} | {len(own)} | {median(waits):.1f}, {max(waits):.1f} | {most} |")
    return "\n".join(lines)


def _now() -> float:
    return datetime.now(UTC).timestamp()
