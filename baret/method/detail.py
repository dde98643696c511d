"""Detail: the edit drawn again where it changes the photo, at the photo's own resolution.

h, w latent height and width of the region · H, W working height and width · T steps.

Beyond the paper. A photo is edited at the model's native area, so what is new in a larger photo has
fewer details than what is around it. The changed region is therefore cut out of the photo at full
size. The edit, enlarged, is put under as much noise as leaves its layout (SDEdit, arXiv 2108.01073)
and denoised again in overlapping tiles, held to the photo under the same noise wherever the photo
is kept. docs/decisions/0026 has what it gains.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from baret.images import Alpha
from baret.method.ddim import Schedule, add_noise, draw_noise, guide
from baret.method.denoising import DenoisingOptions
from baret.method.tiles import Tiles, reach
from baret.options import DetailSetting
from baret.unet.requests import Conditioning, Prediction, Request, Routine, StageProgress

MAX_TILES: dict[DetailSetting, int] = {"off": 0, "auto": 4, "full": 16}
MIN_GAIN = 1.25  # in resolution along a side; for less, nothing is drawn again
MARGIN = 0.15  # of the region's sides, around it: what the model sees around the change
NOISE_SHARE = 0.3  # of the steps


@dataclass(frozen=True)
class Region:
    """The part of a photo that is drawn again, and the size at which it is."""

    box: tuple[int, int, int, int]  # left, top, right, bottom in the photo's pixels
    size: tuple[int, int]  # (width, height) in pixels


def plan(
    alpha: Alpha, photo: tuple[int, int], *, native: int, multiple: int, max_tiles: int
) -> Region | None:
    """Choose the region, and the finest resolution that the tiles allow; None if nothing is gained.

    Args:
        alpha: [H, W], above 0 where the edit is shown.
        photo: its (width, height).
        native: side of the model's native area, and of a tile, in pixels.
        multiple: what both sides of the size must be divisible by.
        max_tiles: how many may be used.
    """
    shown = np.argwhere(alpha > 0)
    if max_tiles == 0 or not len(shown):
        return None
    (top, left), (bottom, right) = shown.min(0), shown.max(0) + 1
    y, x = photo[1] / alpha.shape[0], photo[0] / alpha.shape[1]
    across, down = MARGIN * (right - left), MARGIN * (bottom - top)
    box = (
        max(0, math.floor(x * (left - across))),
        max(0, math.floor(y * (top - down))),
        min(photo[0], math.ceil(x * (right + across))),
        min(photo[1], math.ceil(y * (bottom + down))),
    )
    width, height = box[2] - box[0], box[3] - box[1]
    scale = _scale(width, height, native, max_tiles)
    if scale * min(x, y) < MIN_GAIN:
        return None
    # Rounded down, so that a region of one tile stays one; but not for an error of floats.
    sides = (multiple * max(1, int(scale * side / multiple + 1e-6)) for side in (width, height))
    return Region(box, (next(sides), next(sides)))


def _scale(width: int, height: int, native: int, max_tiles: int) -> float:
    """Return the finest scale, at most 1, at which tiles cover a region."""
    scales = [native / math.sqrt(width * height)]  # one tile of the region's own shape
    for columns in range(1, max_tiles + 1):
        rows = max_tiles // columns
        scales.append(min(reach(native, columns) / width, reach(native, rows) / height))
    return min(1.0, max(scales))


def tiles_of(size: tuple[int, int], native: int) -> Tiles:
    """Return the tiles of a region; a region within the native area is a single tile.

    Args:
        size: (h, w).
        native: side of the model's native area, in latent pixels.
    """
    return Tiles.over(size, size if math.prod(size) <= native**2 else (native, native))


@dataclass(frozen=True)
class Start:
    """What the second pass starts from."""

    photo: Tensor  # z_0 of the photo's region, [4, h, w]
    edit: Tensor  # z_0 of the enlarged edit, [4, h, w]
    mask: Tensor  # [h, w], 0 holds the photo, 1 is free
    toward: Conditioning  # c̃
    away: Conditioning  # c_src
    seed: int  # of the noise


def redraw(
    start: Start, tiles: Tiles, schedule: Schedule, options: DenoisingOptions
) -> Routine[Tensor]:
    """Denoise the enlarged edit from a part of the noise: z_0, [4, h, w].

    Args:
        start: latents, mask and texts.
        tiles: over the latents.
        schedule: T levels, of which the last share is run.
        options: the guidance of the edit, which goes on as it would at these levels.
    """
    top = max(1, round(NOISE_SHARE * len(schedule)))
    generator = torch.Generator().manual_seed(start.seed)
    noise = draw_noise(start.photo, 1, generator)

    def held(level: int) -> Tensor:
        if level == 0:
            return start.photo
        return add_noise(start.photo, noise, schedule, [level])[0]

    free = add_noise(start.edit, noise, schedule, [top])[0]
    latents = torch.lerp(held(top), free, start.mask)
    for level in range(top, 0, -1):
        progress = StageProgress("detailing", top - level, (top - level) / top)
        scale = options.guidance_at(level, len(schedule))
        rows, timestep = list(tiles.cut(latents)), schedule.timestep(level)
        predicted = yield from _predict(start, rows, timestep, scale, progress)
        latents = schedule.step(latents, tiles.blend(predicted), level=level)
        latents = torch.lerp(held(level - 1), latents, start.mask)
    return latents


def _predict(
    start: Start, rows: list[Tensor], timestep: int, scale: float, progress: StageProgress
) -> Routine[list[Tensor]]:
    """Predict the guided ε of every tile."""
    texts, is_guided = [start.toward] * len(rows), scale != 1
    if is_guided:
        rows, texts = rows * 2, texts + [start.away] * len(rows)
    prediction: Prediction = yield Request.of(
        progress, torch.stack(rows), (timestep,) * len(rows), texts
    )
    if not is_guided:
        return list(prediction.noise)
    toward, away = prediction.noise.chunk(2)
    return list(guide(away, toward, scale))
