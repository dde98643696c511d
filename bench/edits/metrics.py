"""What is measured of an edited picture against the exact answer.

b pictures · H, W pixels · A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import conv2d

from baret.images import Pixels
from bench.edits.cases import Task
from bench.edits.model import Pictures

ALLOWED_LOSS = 7.0  # dB that unchanged pixels may lie under what the VAE alone makes of them
TELLING = 0.02  # share of pixels; where fewer than this must stay, they tell nothing
CEILING = 60.0  # dB that stand for equal pictures, so that means stay finite
_WINDOW, _SIGMA = 11, 1.5  # SSIM's


class Classifier(Protocol):
    """Says which attributes pictures show."""

    def classify(self, pictures: Pictures) -> NDArray[np.int64]:
        """[b, A] of pictures [b, H, W, 3]."""


@dataclass(frozen=True)
class Quality:
    """One edited picture, measured."""

    changed: bool  # the attributes that were to change are as asked
    kept: bool  # all others are as they were
    joint: bool  # both, and the pixels that must not change have not
    psnr: float  # dB to the exact answer
    ssim: float  # to the exact answer
    psnr_inside: float | None  # dB where the answer differs from the source; None: nowhere
    psnr_outside: float | None  # dB elsewhere; None: nowhere
    loss_outside: float | None  # dB under what the VAE alone gives there for the exact answer
    reconstruction_psnr: float | None  # dB of the source given back; None: the method has none


def measure(
    tasks: Sequence[Task],
    pictures: Pictures,
    reconstructions: Sequence[Pixels | None],
    through_vae: Pictures,
    judge: Classifier,
) -> list[Quality]:
    """Measure a method's pictures.

    Args:
        tasks: b edits.
        pictures: what the method made of them.
        reconstructions: the sources as it gives them back.
        through_vae: the exact answers, encoded and decoded.
        judge: says which attributes a picture shows.
    """
    seen = judge.classify(pictures)
    return [
        _quality(task, pictures[i], reconstructions[i], through_vae[i], seen[i])
        for i, task in enumerate(tasks)
    ]


def _quality(
    task: Task,
    picture: Pixels,
    reconstruction: Pixels | None,
    through_vae: Pixels,
    seen: NDArray[np.int64],
) -> Quality:
    right = seen == np.array(task.labels)
    changed, kept = bool(right[task.changed].all()), bool(right[~task.changed].all())
    outside = ~task.may_change
    psnr_outside, loss = None, None
    if outside.mean() >= TELLING:
        psnr_outside = psnr(picture, task.answer, outside)
        loss = psnr(through_vae, task.answer, outside) - psnr_outside
    return Quality(
        changed=changed,
        kept=kept,
        joint=changed and kept and (loss is None or loss <= ALLOWED_LOSS),
        psnr=psnr(picture, task.answer),
        ssim=ssim(picture, task.answer),
        psnr_inside=psnr(picture, task.answer, task.may_change) if task.may_change.any() else None,
        psnr_outside=psnr_outside,
        loss_outside=loss,
        reconstruction_psnr=None if reconstruction is None else psnr(reconstruction, task.source),
    )


def psnr(a: Pixels, b: Pixels, where: NDArray[np.bool_] | None = None) -> float:
    """Peak signal-to-noise ratio in dB of [H, W, 3], where [H, W] is True; at most CEILING."""
    error = np.square(a.astype(np.float64) - b).mean(-1)
    mean = float(error.mean() if where is None else error[where].mean())
    return CEILING if mean == 0 else min(CEILING, 10 * float(np.log10(255**2 / mean)))


def ssim(a: Pixels, b: Pixels) -> float:
    """Structural similarity (Wang et al. 2004), mean over channels and whole windows.

    An 11×11 Gaussian window of σ 1.5, K1 = 0.01, K2 = 0.03, as published.
    """
    x, y = (torch.from_numpy(p.astype(np.float64)).permute(2, 0, 1)[:, None] for p in (a, b))

    def mean(field: torch.Tensor) -> torch.Tensor:
        return conv2d(conv2d(field, line[None, None, :, None]), line[None, None, None])

    places = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    line = torch.exp(-places.square() / (2 * _SIGMA**2))
    line = line / line.sum()
    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())
