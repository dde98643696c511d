"""Edits of the small world, run by `bench.edits` and taken from its stored results."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from bench.common.device import choose_device
from bench.edits import tuned
from bench.edits.cases import tasks
from bench.edits.evaluation import Bench, Row, evaluate
from bench.edits.methods import METHODS, methods_with_steps
from bench.edits.model import BatchModel
from bench.study.errors import SourceError
from bench.study.source import Edit, Source
from zoo.judge import Judge


@dataclass(frozen=True)
class Run:
    """What `bench.edits` is to run."""

    split: str
    methods: tuple[str, ...]
    work: Path  # finished edits; those that are there are not run again
    steps: int = 20  # DDIM steps
    model: str = "zoo"  # bundled name, folder, file or hub id
    device: str = "auto"
    batch: int = 16  # images
    limit: int | None = None  # edits


def load_small_world(run: Run) -> Source:
    """Run every method with its best setting on the edits of a split.

    Raises:
        SourceError: a method is unknown, or has not been tuned and the split is not for tuning.
    """
    if unknown := set(run.methods) - set(METHODS):
        raise SourceError(
            f"No such method: {', '.join(sorted(unknown))}; known are {', '.join(METHODS)}."
        )
    methods = {name: methods_with_steps(run.steps)[name] for name in run.methods}
    model = BatchModel.from_pretrained(run.model, device=choose_device(run.device))
    try:
        settings = tuned.settings(methods, model, tuned.TUNED, run.split)
    except tuned.NotTunedError as error:
        raise SourceError(str(error)) from error
    cases = tasks(run.split, model.model.native_size, run.limit)
    bench = Bench.of(model, Judge.from_pretrained(), cases, run.work, run.batch)
    rows: dict[str, list[Row]] = {}
    for name, options in settings.items():
        with tqdm(total=len(cases), desc=name, unit="edit") as bar:
            rows[name] = evaluate(bench, name, methods[name], options, bar.update)
    return Source(
        tuple(_edit(index, rows) for index in range(len(cases))),
        {
            "source": "small world",
            "split": run.split,
            "model": model.model.identity,
            "steps": run.steps,
            "settings": {
                name: json.loads(json.dumps(asdict(options))) for name, options in settings.items()
            },
        },
    )


def _edit(index: int, rows: dict[str, list[Row]]) -> Edit:
    own: Sequence[tuple[str, Row]] = [(name, of_method[index]) for name, of_method in rows.items()]
    task = own[0][1].task
    return Edit(
        id=str(task.index),
        kind=task.kind,
        prompt=task.prompt,
        photo=partial(Image.fromarray, task.source),
        edited={name: partial(Image.fromarray, row.result.image) for name, row in own},
    )
