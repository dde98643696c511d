"""Run a method on all cases, batch by batch; stored results are reused."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.edits.appearance import Appearance, appearances
from bench.edits.batch import Batch, Method
from bench.edits.cases import Task
from bench.edits.criteria import CRITERIA, Criteria
from bench.edits.metrics import Classifier, Quality, measure
from bench.edits.model import BatchModel, Images
from bench.edits.realism.classifier import Realism
from bench.edits.results import CostPerImage, Result, ResultFolder, settings_digest


class MissingResultError(Exception):
    """A method has not been run on a case."""


@dataclass(frozen=True)
class Bench:
    """The model, judge and cases that all methods share."""

    model: BatchModel
    judge: Classifier
    tasks: tuple[Task, ...]
    through_vae: Images  # [tasks, H, W, 3], the exact answers encoded and decoded
    work: Path  # folder of the stored results
    batch: int = 16  # images at a time
    realism: Realism | None = None  # None if it has not been trained for the model

    @classmethod
    def of(
        cls,
        model: BatchModel,
        judge: Classifier,
        tasks: tuple[Task, ...],
        work: Path,
        batch: int,
        realism: Realism | None = None,
    ) -> "Bench":
        """Put the exact answers through the VAE."""
        answers = np.stack([task.answer for task in tasks])
        return cls(model, judge, tasks, model.decode(model.encode(answers)), work, batch, realism)


@dataclass(frozen=True)
class Row:
    """One case of one method: its result, and how good that is."""

    task: Task
    result: Result
    quality: Quality
    appearance: Appearance

    @property
    def right(self) -> bool:
        """Whether the edit keeps all limits of `CRITERIA`."""
        return self.is_right(CRITERIA)

    def is_right(self, criteria: Criteria) -> bool:
        """Return whether the edit keeps all limits."""
        return criteria.right(self.quality, self.appearance)


OnDone = Callable[[int], object]  # receives the number of images just done


def evaluate(
    bench: Bench, name: str, method: Method[Any], options: Any, on_done: OnDone = lambda _: None
) -> list[Row]:
    """Run a method with one setting on every case and measure the results.

    Args:
        bench: model, judge, cases.
        name: of the method; results are stored under it.
        method: what to run.
        options: one of its settings.
        on_done: called with the number of images done, for a progress bar.
    """
    folder = ResultFolder(bench.work, bench.model, name, settings_digest(method.run, options))
    return _measured(bench, _results(bench, folder, method, options, on_done))


def evaluate_stored(bench: Bench, name: str, method: Method[Any], options: Any) -> list[Row]:
    """Measure the stored results of a method; run nothing.

    Raises:
        MissingResultError: a case has no stored result.
    """
    folder = ResultFolder(bench.work, bench.model, name, settings_digest(method.run, options))
    results = [folder.load(task.key) for task in bench.tasks]
    for task, result in zip(bench.tasks, results, strict=True):
        if result is None:
            raise MissingResultError(f"{folder.folder} has no result of edit {task.index}.")
    return _measured(bench, [result for result in results if result is not None])


def _measured(bench: Bench, results: Sequence[Result]) -> list[Row]:
    images = np.stack([result.image for result in results])
    rebuilt = [result.reconstruction for result in results]
    qualities = measure(bench.tasks, images, rebuilt, bench.through_vae, bench.judge)
    looks = appearances(bench.tasks, images, bench.through_vae, bench.realism)
    return [Row(*row) for row in zip(bench.tasks, results, qualities, looks, strict=True)]


def _results(
    bench: Bench, folder: ResultFolder, method: Method[Any], options: Any, on_done: OnDone
) -> list[Result]:
    results = {task.key: folder.load(task.key) for task in bench.tasks}
    missing = [task for task in bench.tasks if results[task.key] is None]
    on_done(len(bench.tasks) - len(missing))
    for start in range(0, len(missing), bench.batch):
        tasks = missing[start : start + bench.batch]
        for task, new in zip(tasks, _run(bench.model, method, options, tasks), strict=True):
            folder.save(task.key, new)
            results[task.key] = new
        on_done(len(tasks))
    return [result for task in bench.tasks if (result := results[task.key]) is not None]


def _run(
    model: BatchModel, method: Method[Any], options: Any, tasks: Sequence[Task]
) -> list[Result]:
    with model.measured() as cost:
        edited = method.run(model, Batch.of(tasks), options)
    count = len(tasks)
    spent = CostPerImage(cost.seconds / count, cost.rows / count, cost.backward_rows / count)
    rebuilt = edited.reconstruct() if edited.reconstruct else [None] * count
    return [
        Result(image, reconstruction, None if cost.recalled else spent)
        for image, reconstruction in zip(edited.images, rebuilt, strict=True)
    ]
