"""Edit in every form, at several sizes, and measure."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import starmap

import numpy as np
from PIL import Image

from baret import Editor
from baret.images import Pixels, to_image, to_pixels
from bench.detail.figures import Edited, Figures, figures
from bench.detail.forms import FORMS, edit
from bench.edits.cases import Task, tasks
from zoo.judge import Judge


@dataclass(frozen=True)
class Case:
    """A task at one size, and what every form made of it."""

    task: Task
    factor: int  # of the photo's side and the model's
    through_vae: Pixels  # [H, W, 3], the exact answer as the working size can show it
    edits: tuple[Edited, ...]


def make_cases(editor: Editor, split: str, factors: Sequence[int], limit: int) -> Iterator[Case]:
    """Edit tasks of a split in every form, at every factor of the model's own size."""
    for factor in factors:
        for task in tasks(split, factor * editor.model.native_size, limit):
            inversion = editor.invert(Image.fromarray(task.source), task.prompt)
            edits = []
            for form in FORMS:
                started = time.perf_counter()
                image = edit(editor, inversion, task.prompt, form)
                edits.append(Edited(form, np.asarray(image), time.perf_counter() - started))
            yield Case(task, factor, _through_vae(editor, task.answer), tuple(edits))


def _through_vae(editor: Editor, answer: Pixels) -> Pixels:
    """Return a picture [H, W, 3] through the VAE at the working size, enlarged again."""
    model, photo = editor.model, Image.fromarray(answer)
    small = model.decode(model.encode(to_pixels(photo, (model.native_size,) * 2)))
    return np.asarray(to_image(small, photo.size))


def measure(cases: Sequence[Case], processes: int) -> list[Figures]:
    """Measure every edit; the search for valid answers takes most of the time."""
    rows = [
        (case.task, edited, case.through_vae, case.factor)
        for case in cases
        for edited in case.edits
    ]
    if processes == 1:
        return list(starmap(_measure, rows))
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(_measure, *zip(*rows, strict=True)))


def _measure(task: Task, edited: Edited, through_vae: Pixels, factor: int) -> Figures:
    return figures(task, edited, through_vae, Judge.from_pretrained(), factor)
