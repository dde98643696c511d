"""The second pass: which region it draws, how finely, and what it holds to the photo."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from baret.images import Alpha
from baret.method.ddim import Schedule
from baret.method.denoising import DenoisingOptions
from baret.method.detail import MAX_TILES, NOISE_SHARE, Start, plan, redraw, tiles_of
from baret.unet.requests import Conditioning, Prediction, Request

NATIVE, MULTIPLE = 64, 8
SCHEDULE = Schedule.leading(
    torch.linspace(0.999, 0.01, 1000).cumprod(0).clamp(min=1e-4), 20, offset=1, first=1.0
)
OPTIONS = DenoisingOptions(0.0, 0.0, guidance_scale=4.0, guidance_end=1.0)


def alpha_of(box: tuple[int, int, int, int], side: int = 64) -> Alpha:
    """Return a matte that is 1 in a box (left, top, right, bottom)."""
    alpha = np.zeros((side, side), np.float32)
    left, top, right, bottom = box
    alpha[top:bottom, left:right] = 1
    return alpha


@pytest.mark.parametrize("most", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("photo", [(128, 128), (512, 512), (1024, 1024), (4000, 3000)])
@pytest.mark.parametrize("box", [(20, 20, 30, 30), (2, 40, 60, 50), (0, 0, 64, 64)])
def test_a_region_holds_the_change_and_never_takes_more_tiles_than_allowed(
    box: tuple[int, int, int, int], photo: tuple[int, int], most: int
) -> None:
    region = plan(alpha_of(box), photo, native=NATIVE, multiple=MULTIPLE, max_tiles=most)
    if region is None:
        assert most < 4  # four tiles gain enough for any of these
        return
    left, top, right, bottom = region.box
    x, y = photo[0] / 64, photo[1] / 64
    assert left <= box[0] * x and top <= box[1] * y
    assert right >= box[2] * x and bottom >= box[3] * y
    assert left >= 0 and top >= 0 and right <= photo[0] and bottom <= photo[1]
    width, height = region.size
    assert width % MULTIPLE == 0 and height % MULTIPLE == 0
    assert width < right - left + MULTIPLE and height < bottom - top + MULTIPLE  # not enlarged
    tiles = tiles_of((height // MULTIPLE, width // MULTIPLE), NATIVE // MULTIPLE)
    assert len(tiles) <= most
    assert math.prod(tiles.tile) <= (NATIVE // MULTIPLE) ** 2


def test_more_tiles_are_finer_up_to_the_photos_own_resolution() -> None:
    alpha = alpha_of((16, 16, 48, 48))
    widths = []
    for most in (1, 4, 16, 1000):
        found = plan(alpha, (256, 256), native=NATIVE, multiple=MULTIPLE, max_tiles=most)
        widths.append(found.size[0] if found else 0)
    assert widths == sorted(widths) and widths[0] < widths[1] < widths[2]
    assert widths[3] == pytest.approx(1.3 * 128, abs=MULTIPLE)


@pytest.mark.parametrize(
    ("alpha", "photo", "most"),
    [
        (alpha_of((0, 0, 0, 0)), (512, 512), 4),  # nothing changed
        (alpha_of((20, 20, 30, 30)), (64, 64), 4),  # the photo is as small as the model
        (alpha_of((20, 20, 30, 30)), (512, 512), MAX_TILES["off"]),
    ],
)
def test_there_is_no_region_if_nothing_is_gained(
    alpha: Alpha, photo: tuple[int, int], most: int
) -> None:
    assert plan(alpha, photo, native=NATIVE, multiple=MULTIPLE, max_tiles=most) is None


def text(seed: int) -> Conditioning:
    return Conditioning(torch.randn(3, 5, generator=torch.Generator().manual_seed(seed)))


def start(mask: Tensor) -> Start:
    photo, edit = torch.randn(2, 4, 12, 20, generator=torch.Generator().manual_seed(1))
    return Start(photo=photo, edit=edit, mask=mask, toward=text(2), away=text(3), seed=0)


def run(begin: Start) -> tuple[Tensor, list[Request]]:
    """Run a second pass on a UNet that answers a tenth of its latents."""
    tiles = tiles_of((12, 20), 8)
    routine = redraw(begin, tiles, SCHEDULE, OPTIONS)
    requests = []
    try:
        request = next(routine)
        while True:
            assert isinstance(request, Request)
            requests.append(request)
            request = routine.send(Prediction(0.1 * request.latents))
    except StopIteration as stop:
        return stop.value, requests


def test_what_is_held_ends_as_the_photo_and_what_is_free_does_not() -> None:
    mask = torch.zeros(12, 20)
    mask[:, 10:] = 1
    begin = start(mask)
    latents, _ = run(begin)
    assert torch.equal(latents[..., :10], begin.photo[..., :10])
    free = latents[..., 10:]
    assert (free - begin.photo[..., 10:]).abs().mean() > 0.1


def test_it_runs_the_last_steps_with_every_tile_in_one_call() -> None:
    _, requests = run(start(torch.ones(12, 20)))
    top = round(NOISE_SHARE * len(SCHEDULE))
    assert [one.timesteps[0] for one in requests] == [
        SCHEDULE.timestep(level) for level in range(top, 0, -1)
    ]
    tiles = len(tiles_of((12, 20), 8))
    assert [len(one) for one in requests] == [2 * tiles] * (top - 1) + [tiles]  # w ends at 1
    assert {tuple(one.latents.shape[1:]) for one in requests} == {(4, 8, 8)}
    assert {one.progress.stage for one in requests} == {"detailing"}


def test_it_begins_from_the_edit_under_noise() -> None:
    begin = start(torch.ones(12, 20))
    other = Start(begin.photo, begin.edit + 1, begin.mask, begin.toward, begin.away, begin.seed)
    _, (first, *_) = run(begin)
    _, (moved, *_) = run(other)
    level = round(NOISE_SHARE * len(SCHEDULE))
    difference = (moved.latents - first.latents).mean()
    assert difference == pytest.approx(float(SCHEDULE.alphas[level].sqrt()), abs=1e-5)
