"""How an edited image looks: faults that the eye sees, against exact knowledge of the small world.

The figures allow every valid answer (`valid_answer`), not only the exact one. They are made so that
the same picture has the same figures at any size: distances are shares of the side.

b images · H, W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from baret.images import Pixels
from bench.edits.cases import Task
from bench.edits.metrics import MIN_UNCHANGED, capped_psnr, ssim_map
from bench.edits.model import Images
from bench.edits.realism.classifier import Realism
from bench.edits.valid_answer import ValidAnswer, nearest_valid_answer
from zoo.render import Mask, Renderer

BUNDLED_SIDE = 64  # pixels of the bundled model; one of them is the unit of distance
SIGMA = 1  # of the window of structural similarity; limbs are about 4 wide
EDGE = 1  # how far anti-aliasing and the VAE blur an outline
MARGIN = 3  # around objects, 5 % of the side: here the edit may change the background a little
BAND = 6  # around objects, 10 % of the side: here the seam is looked for
VISIBLE = 24  # grey levels; a ghost on a background that differs by less is hardly seen
MIN_UNCOVERED = 0.003  # share of the pixels; if an edit uncovers fewer, there can be no ghost
DETAIL = 20  # grey levels by which a detail of the background stands out
LOST = 0.6  # share of its contrast that a detail may change
MIN_DETAILS = 4  # with fewer, nothing can be said of them
FAINT = 8  # grey levels of an edge that the VAE adds to a flat background
INVISIBLE = 36.0  # dB, 4 grey levels: what the eye does not see counts as no loss


@dataclass(frozen=True)
class Appearance:
    """How one edited image looks."""

    drawn: float  # structural similarity of the animal to that of the nearest valid answer
    ghost: float | None  # share of uncovered pixels that show the old animal; None if too few
    background: float | None  # dB that kept background loses; None if there is too little of it
    lost: float | None  # share of the background's details that are gone; None if the place is new
    seam: float | None  # false edges around the animal, grey levels; None if the place is new
    realism: float | None = None  # how probably it is a real picture; None without a classifier


def appearances(
    tasks: Sequence[Task], images: Images, through_vae: Images, realism: Realism | None = None
) -> list[Appearance]:
    """Measure the images of a method.

    Args:
        tasks: b edits.
        images: [b, H, W, 3], edited by the method.
        through_vae: [b, H, W, 3], the exact answers, encoded and decoded.
        realism: trained for the model that edited the images.
    """
    looks = [_appearance(*row) for row in zip(tasks, images, through_vae, strict=True)]
    if realism is None:
        return looks
    real = realism.probabilities(images)
    return [replace(one, realism=float(p)) for one, p in zip(looks, real, strict=True)]


def _appearance(task: Task, image: Pixels, through_vae: Pixels) -> Appearance:
    valid = nearest_valid_answer(task, image)
    old = Renderer(task.before, len(image)).silhouette(shadow=True)
    return Appearance(
        drawn=_drawn(image, valid),
        ghost=_ghost(task, image, valid, old),
        background=_background(task, image, through_vae, old | valid.object),
        lost=_lost(image, task.source, old | valid.object) if _is_kept(task) else None,
        seam=_seam(image, valid, old) if task.before.place == task.after.place else None,
    )


def _drawn(image: Pixels, valid: ValidAnswer) -> float:
    """Return how well the animal is drawn: mean SSIM to the valid answer, on the animal.

    What is around the animal does not count: a new place may have other trees behind it. PSNR
    instead of SSIM praises every dark animal at night and blames every white one on sand: on 72
    tuning edits rated by one person without any figure, good drawings are told from bad ones with
    an area under the ROC curve of .94 by this figure and .68 by PSNR.
    """
    alone = np.where(valid.animal[..., None], image, valid.picture)
    around = ssim_map(alone, valid.picture, SIGMA * len(image) / BUNDLED_SIDE)
    return float(around[valid.animal].mean())


def _ghost(task: Task, image: Pixels, valid: ValidAnswer, old: Mask) -> float | None:
    """Return the share of uncovered pixels whose colour is nearer the source's than the answer's.

    Uncovered are the pixels of the old animal and its shadow that the valid answer shows without
    its own, if the difference is visible.
    """
    difference = np.abs(task.source.astype(int) - valid.picture).max(-1)
    uncovered = old & ~_grown(valid.object, EDGE) & (difference >= VISIBLE)
    if uncovered.mean() < MIN_UNCOVERED:
        return None
    to_source, to_valid = (
        np.square(image[uncovered].astype(int) - other[uncovered]).sum(-1)
        for other in (task.source, valid.picture)
    )
    return float((to_source < to_valid).mean())


def _background(task: Task, image: Pixels, through_vae: Pixels, objects: Mask) -> float | None:
    """Return what the kept background loses against the exact answer through the VAE, in dB.

    Kept background lies a little away from all objects, and is equal in source and exact answer.
    """
    objects = objects | Renderer(task.after, len(image)).silhouette(shadow=True)
    kept = ~_grown(objects, MARGIN) & ~task.may_change
    if kept.mean() < MIN_UNCHANGED:
        return None
    best, own = (
        min(INVISIBLE, capped_psnr(picture, task.source, kept)) for picture in (through_vae, image)
    )
    return best - own


def _is_kept(task: Task) -> bool:
    """Return whether the whole background must stay: neither place nor style is new."""
    return (task.before.place, task.before.style) == (task.after.place, task.after.style)


def _lost(image: Pixels, source: Pixels, objects: Mask) -> float | None:
    """Return the share of the background's details that the image does not show; None if too few.

    A detail is a pixel that stands out from its neighbourhood: a star, a snowflake, the edge of a
    tree or of the moon. It is lost if most of that contrast is gone or another is there. It tells
    what people say was not kept better than PSNR does (area under the ROC curve .68 against .62).
    """
    contrast, shown = _contrast(source), _contrast(image)
    size = np.abs(contrast).max(-1)
    details = (size > DETAIL) & ~_grown(objects, MARGIN)
    if details.sum() < MIN_DETAILS * _pixels(1, len(image)) ** 2:
        return None
    departed = np.abs(shown - contrast).max(-1)
    return float((departed > LOST * size)[details].mean())


def _contrast(image: Pixels) -> NDArray[np.float32]:
    """Return how far each pixel stands out from the mean around it, [H, W, 3]."""
    reach = _pixels(2, len(image))
    planes = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]
    wide = pad(planes, (reach,) * 4, mode="reflect")
    around = avg_pool2d(wide, 2 * reach + 1, stride=1)
    contrast: NDArray[np.float32] = (planes - around)[0].permute(1, 2, 0).numpy()
    return contrast


def _seam(image: Pixels, valid: ValidAnswer, old: Mask) -> float:
    """Return the mean strength of false edges around the new and the old animal, in grey levels.

    An edge is false as far as it is stronger than every edge of the valid answer next to it.
    """
    band = _grown(old | valid.object, BAND) & ~_grown(valid.animal, EDGE)
    allowed = _largest_around(_edges(valid.picture), EDGE) + FAINT
    false_edges = np.maximum(_edges(image) - allowed, 0)
    return float(false_edges[band].mean()) if band.any() else 0.0


def _edges(image: Pixels) -> NDArray[np.float32]:
    """Return the largest change of a channel to the right or down, over one unit, [H, W]."""
    step = _pixels(1, len(image))
    padded = np.pad(image.astype(np.float32), ((0, step), (0, step), (0, 0)), mode="edge")
    right = np.abs(padded[:-step, step:] - padded[:-step, :-step])
    down = np.abs(padded[step:, :-step] - padded[:-step, :-step])
    edges: NDArray[np.float32] = np.maximum(right, down).max(-1)
    return edges


def _grown(mask: Mask, units: int) -> Mask:
    """Return the mask grown to all sides by units of 1/64 of the picture's side."""
    grown: Mask = _largest_around(mask.astype(np.float32), units) > 0
    return grown


def _largest_around(field: NDArray[np.float32], units: int) -> NDArray[np.float32]:
    """Return the maximum around every pixel of [H, W]."""
    reach = _pixels(units, len(field))
    pooled = max_pool2d(torch.from_numpy(field)[None], 2 * reach + 1, stride=1, padding=reach)
    largest: NDArray[np.float32] = pooled[0].numpy()
    return largest


def _pixels(units: int, side: int) -> int:
    return max(1, round(units * side / BUNDLED_SIDE))
