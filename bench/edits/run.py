"""Run a method on cases, batch by batch; what was made before is taken as it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.edits.batch import Batch, Method
from bench.edits.cases import Task
from bench.edits.metrics import Classifier, Quality, measure
from bench.edits.model import BatchModel, Pictures
from bench.edits.store import Result, Spent, Store, settings_digest


@dataclass(frozen=True)
class Bench:
    """What all methods are run on."""

    model: BatchModel
    judge: Classifier
    tasks: tuple[Task, ...]
    through_vae: Pictures  # [tasks, H, W, 3], the exact answers encoded and decoded
    work: Path  # results are kept here
    batch: int = 16  # pictures at a time

    @classmethod
    def of(
        cls, model: BatchModel, judge: Classifier, tasks: tuple[Task, ...], work: Path, batch: int
    ) -> "Bench":
        """With the answers put through the VAE."""
        answers = np.stack([task.answer for task in tasks])
        return cls(model, judge, tasks, model.decode(model.encode(answers)), work, batch)


@dataclass(frozen=True)
class Row:
    """One case of one method: what it made, how good it is, what it cost."""

    task: Task
    result: Result
    quality: Quality


OnDone = Callable[[int], object]  # pictures done


def evaluate(
    bench: Bench, name: str, method: Method[Any], options: Any, on_done: OnDone = lambda _: None
) -> list[Row]:
    """Run a method with a setting on every case, and measure.

    Args:
        bench: model, judge, cases.
        name: of the method; results are kept under it.
        method: what to run.
        options: one of its settings.
        on_done: told how many pictures were done, for a progress bar.
    """
    store = Store(bench.work, bench.model, name, settings_digest(method.run, options))
    results = _results(bench, store, method, options, on_done)
    qualities = measure(
        bench.tasks,
        np.stack([result.picture for result in results]),
        [result.reconstruction for result in results],
        bench.through_vae,
        bench.judge,
    )
    return [Row(*row) for row in zip(bench.tasks, results, qualities, strict=True)]


def _results(
    bench: Bench, store: Store, method: Method[Any], options: Any, on_done: OnDone
) -> list[Result]:
    found = {task.key: store.load(task.key) for task in bench.tasks}
    missing = [task for task in bench.tasks if found[task.key] is None]
    on_done(len(bench.tasks) - len(missing))
    for start in range(0, len(missing), bench.batch):
        tasks = missing[start : start + bench.batch]
        for task, made in zip(tasks, _run(bench.model, method, options, tasks), strict=True):
            store.save(task.key, made)
            found[task.key] = made
        on_done(len(tasks))
    return [result for task in bench.tasks if (result := found[task.key]) is not None]


def _run(
    model: BatchModel, method: Method[Any], options: Any, tasks: Sequence[Task]
) -> list[Result]:
    with model.measured() as cost:
        edited = method.run(model, Batch.of(tasks), options)
    share = len(tasks)
    spent = Spent(cost.seconds / share, cost.rows / share, cost.backward_rows / share)
    rebuilt = edited.reconstruct() if edited.reconstruct else [None] * share
    return [
        Result(picture, back, None if cost.recalled else spent)
        for picture, back in zip(edited.pictures, rebuilt, strict=True)
    ]
