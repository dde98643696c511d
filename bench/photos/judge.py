"""All scores of one edit."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from bench.photos.clip import Clip, directional, similarity
from bench.photos.datasets import Task
from bench.photos.lpips import Lpips
from bench.photos.pixel_metrics import pie_bench_mse, pie_bench_psnr, pie_bench_ssim, to_tensor
from bench.photos.structure import Structure


@dataclass(frozen=True)
class JudgeOptions:
    """The networks of the metrics; the defaults are those of PIE-Bench's published tables."""

    clip: str = "openai/clip-vit-large-patch14"  # hub id or folder
    dino: str = "facebook/dino-vitb8"  # hub id or folder
    lpips: str = "squeeze"  # "alex", "vgg" or "squeeze"
    lpips_weights: Path | None = None  # torchvision's file; None downloads it


@dataclass(frozen=True)
class Scores:
    """The scores of one edit; None if undefined, or if the dataset has no masks or captions."""

    clip_whole: float  # 0–100, the edit against the target text
    clip_edited: float | None  # 0–100, likewise, black outside the mask
    clip_directional: float | None  # −1…1
    structure: float  # ≥ 0, DINO's self-similarity against the photo's
    lpips: float  # ≥ 0, against the photo
    background_psnr: float | None  # dB, mask blackened in both; None if it is exact
    background_lpips: float | None
    background_mse: float | None
    background_ssim: float | None


class Judge:
    """The loaded metrics."""

    def __init__(self, options: JudgeOptions, device: torch.device):
        """Load the metrics.

        Raises:
            WeightsError: one of them cannot be loaded; the message says what to give.
        """
        self._device = device
        self._clip = Clip(options.clip, device)
        self._structure = Structure(options.dino, device)
        self._lpips = Lpips(options.lpips, options.lpips_weights, device)

    def score(self, task: Task, photo: Image.Image, edited: Image.Image) -> Scores:
        """Compute all scores; both images have the size of the task's mask."""
        before, after = (to_tensor(image, self._device) for image in (photo, edited))
        mask = task.mask()
        background = None if mask is None or mask.all() else blacken(photo, edited, mask)
        whole, prompt = self._clip.image(edited), self._clip.text(task.prompt)
        inside = None if mask is None else self._clip.image(_masked(edited, mask))
        psnr = lpips = mse = ssim = None
        if background is not None:
            expected, actual = (to_tensor(image, self._device) for image in background)
            psnr = pie_bench_psnr(actual, expected)
            mse, ssim = pie_bench_mse(actual, expected), pie_bench_ssim(actual, expected)
            lpips = self._lpips.distance(actual, expected)
        return Scores(
            clip_whole=similarity(whole, prompt),
            clip_edited=None if inside is None else similarity(inside, prompt),
            clip_directional=None
            if task.caption is None
            else directional(self._clip.image(photo), whole, self._clip.text(task.caption), prompt),
            structure=self._structure.distance(after, before),
            lpips=self._lpips.distance(after, before),
            background_psnr=psnr,
            background_lpips=lpips,
            background_mse=mse,
            background_ssim=ssim,
        )


def blacken(
    photo: Image.Image, edited: Image.Image, mask: NDArray[np.bool_]
) -> tuple[Image.Image, Image.Image]:
    """Return both images black inside the mask, which leaves the background."""
    return _masked(photo, ~mask), _masked(edited, ~mask)


def _masked(image: Image.Image, mask: NDArray[np.bool_]) -> Image.Image:
    """Return the image inside the mask, black elsewhere."""
    return Image.fromarray(np.array(image.convert("RGB")) * mask[:, :, None])
