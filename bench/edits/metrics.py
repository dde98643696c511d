"""The quality of an edited image, measured against the exact answer.

b images · H, W pixels · A attributes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import conv2d, pad

from baret.images import Pixels, psnr
from bench.edits.cases import Task
from bench.edits.model import Images

MAX_LOSS = 7.0  # dB of PSNR that unchanged pixels may lose compared with the VAE alone
MIN_UNCHANGED = 0.02  # share of pixels; if fewer must stay, their PSNR means nothing
PSNR_CAP = 60.0  # dB; stands for equal images, so that means stay finite
_REACH, _SIGMA = 5, 1.5  # of the window of SSIM, in pixels


class Classifier(Protocol):
    """Recognises the attributes that images show."""

    def classify(self, images: Images) -> NDArray[np.int64]:
        """Return the attributes [b, A] of images [b, H, W, 3]."""


@dataclass(frozen=True)
class Quality:
    """The measurements of one edited image."""

    changed: bool  # the attributes to be changed are as requested
    kept: bool  # all other attributes are as before
    joint: bool  # both, and the pixels that must not change have not
    psnr: float  # dB to the exact answer
    ssim: float  # to the exact answer
    psnr_inside: float | None  # dB where the answer differs from the source; None if nowhere
    psnr_outside: float | None  # dB elsewhere; None if too few pixels must stay
    loss_outside: float | None  # dB there, compared with the exact answer through the VAE
    reconstruction_psnr: float | None  # dB to the source; None if the method has none


def measure(
    tasks: Sequence[Task],
    images: Images,
    reconstructions: Sequence[Pixels | None],
    through_vae: Images,
    judge: Classifier,
) -> list[Quality]:
    """Measure the images of a method.

    Args:
        tasks: b edits.
        images: edited by the method.
        reconstructions: of the sources, by the method.
        through_vae: the exact answers, encoded and decoded.
        judge: recognises the attributes.
    """
    attributes = judge.classify(images)
    return [
        _quality(task, images[i], reconstructions[i], through_vae[i], attributes[i])
        for i, task in enumerate(tasks)
    ]


def _quality(
    task: Task,
    image: Pixels,
    reconstruction: Pixels | None,
    through_vae: Pixels,
    attributes: NDArray[np.int64],
) -> Quality:
    right = attributes == np.array(task.labels)
    changed, kept = bool(right[task.changed].all()), bool(right[~task.changed].all())
    outside = ~task.may_change
    psnr_outside, loss = None, None
    if outside.mean() >= MIN_UNCHANGED:
        psnr_outside = capped_psnr(image, task.answer, outside)
        loss = capped_psnr(through_vae, task.answer, outside) - psnr_outside
    return Quality(
        changed=changed,
        kept=kept,
        joint=changed and kept and (loss is None or loss <= MAX_LOSS),
        psnr=capped_psnr(image, task.answer),
        ssim=ssim(image, task.answer),
        psnr_inside=capped_psnr(image, task.answer, task.may_change)
        if task.may_change.any()
        else None,
        psnr_outside=psnr_outside,
        loss_outside=loss,
        reconstruction_psnr=None
        if reconstruction is None
        else capped_psnr(reconstruction, task.source),
    )


def capped_psnr(a: Pixels, b: Pixels, mask: NDArray[np.bool_] | None = None) -> float:
    """Return `baret.images.psnr` in dB, of the pixels in the mask [H, W]; at most PSNR_CAP."""
    return min(PSNR_CAP, psnr(a, b) if mask is None else psnr(a[mask], b[mask]))


def ssim(a: Pixels, b: Pixels) -> float:
    """Return the structural similarity (Wang et al. 2004), mean over channels and whole windows.

    An 11×11 Gaussian window of σ 1.5, K1 = 0.01, K2 = 0.03, as published.
    """
    return float(_similarity(_planes(a), _planes(b), _window(_REACH, _SIGMA)).mean())


def ssim_map(a: Pixels, b: Pixels, sigma: float = _SIGMA) -> NDArray[np.float64]:
    """Return the structural similarity around every pixel, [H, W], mean over channels.

    Beyond the border the images are mirrored.

    Args:
        a: [H, W, 3].
        b: [H, W, 3].
        sigma: of the window, in pixels; its side is in proportion.
    """
    reach = max(1, round(_REACH / _SIGMA * sigma))
    x, y = (pad(_planes(p), (reach,) * 4, mode="reflect") for p in (a, b))
    similarity = _similarity(x, y, _window(reach, sigma))
    around: NDArray[np.float64] = similarity[:, 0].mean(0).numpy()
    return around


def _planes(image: Pixels) -> Tensor:
    return torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1)[:, None]


def _window(reach: int, sigma: float) -> Tensor:
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    window = torch.exp(-offsets.square() / (2 * sigma**2))
    return window / window.sum()


def _similarity(x: Tensor, y: Tensor, window: Tensor) -> Tensor:
    """Return the similarity in every whole window, [3, 1, h, w], of x and y [3, 1, H, W]."""

    def mean(field: Tensor) -> Tensor:
        return conv2d(conv2d(field, window[None, None, :, None]), window[None, None, None])

    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = mean(x * x) - mean_x**2, mean(y * y) - mean_y**2
    covariance = mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    numerator = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return numerator / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
