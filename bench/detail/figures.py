"""How an edit looks at the photo's own size, against the exact answer.

H, W pixels of the photo. Distances are shares of its side, so that all sizes compare.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import max_pool2d

from baret.images import Pixels
from bench.edits.appearance import appearances
from bench.edits.cases import Task
from bench.edits.criteria import CRITERIA
from bench.edits.metrics import Classifier, capped_psnr, measure

RING = 0.06  # of the side: how wide the ring around the change is


@dataclass(frozen=True)
class Figures:
    """The figures of one edited image."""

    form: str
    factor: int  # of the photo's side and the model's
    index: int  # of the edit
    right: bool  # as frozen in docs/decisions/0017
    changed: bool  # as requested, by the judge
    drawn: float  # see `bench.edits.appearance`
    sharpness: float  # gradient energy inside the change, as a share of the exact answer's
    psnr_inside: float  # dB to the exact answer, inside the change
    seam: float  # mean error on a ring around the change, gray levels
    seconds: float  # of the edit without its inversion


@dataclass(frozen=True)
class Edited:
    """What one form made of a task."""

    form: str
    image: Pixels  # [H, W, 3]
    seconds: float  # without the inversion


def figures(
    task: Task, edited: Edited, through_vae: Pixels, judge: Classifier, factor: int
) -> Figures:
    """Measure one edit.

    Args:
        task: drawn at the photo's size.
        edited: by one form.
        through_vae: [H, W, 3], the exact answer as the working size can show it.
        judge: recognises the attributes.
        factor: of the photo's side and the model's.
    """
    image, inside = edited.image, task.may_change
    (quality,) = measure([task], image[None], [None], through_vae[None], judge)
    (appearance,) = appearances([task], image[None], through_vae[None])
    return Figures(
        form=edited.form,
        factor=factor,
        index=task.index,
        right=CRITERIA.right(quality, appearance),
        changed=quality.changed,
        drawn=appearance.drawn,
        sharpness=_energy(image, inside) / _energy(task.answer, inside),
        psnr_inside=capped_psnr(image, task.answer, inside),
        seam=_ring_error(image, task.answer, inside),
        seconds=edited.seconds,
    )


def _energy(image: Pixels, inside: NDArray[np.bool_]) -> float:
    """Return the mean squared gradient of an image inside a mask [H, W]."""
    down, across = np.gradient(image.astype(np.float32), axis=(0, 1))
    return float((down**2 + across**2).mean(-1)[inside].mean())


def _ring_error(image: Pixels, answer: Pixels, inside: NDArray[np.bool_]) -> float:
    """Return the mean absolute error on a ring around a mask [H, W]; 0 if it leaves none."""
    reach = max(1, round(RING * len(image)))
    field = torch.from_numpy(inside.astype(np.float32))[None]
    ring = (max_pool2d(field, 2 * reach + 1, 1, reach)[0].numpy() > 0) & ~inside
    error = np.abs(image.astype(np.float32) - answer).mean(-1)
    return float(error[ring].mean()) if ring.any() else 0.0
