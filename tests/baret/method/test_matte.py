"""The matte at full size: it keeps what is certain and follows the photo's outlines."""

import numpy as np
import pytest
from PIL import Image

from baret.images import Pixels, to_mask
from baret.method import matte
from baret.method.matte import refine


def photo_of(side: int) -> Pixels:
    """Draw a dark square, [side, side, 3], in the middle of a light picture."""
    image = np.full((side, side, 3), (200, 180, 120), np.uint8)
    image[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = (40, 30, 60)
    return image


def soft_alpha(side: int) -> np.ndarray:
    """Return a matte of the square, blurred as a composition's is."""
    alpha = np.zeros((side, side), np.float32)
    alpha[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 1
    blurred = np.asarray(Image.fromarray(alpha).resize((16, 16)).resize((side, side)))
    return blurred.clip(0, 1)


def test_it_is_sharper_at_the_photos_outline_than_the_enlarged_one() -> None:
    alpha, photo, working = soft_alpha(64), photo_of(512), photo_of(64)
    refined, enlarged = refine(alpha, photo, working), to_mask(alpha, (512, 512))
    steps = [
        int(one.getpixel((129, 256))) - int(one.getpixel((126, 256))) for one in (refined, enlarged)
    ]
    assert steps[0] > 0.3 * 255 > 2 * steps[1]


def test_an_outline_within_what_is_shown_does_not_come_back() -> None:
    """It is that of the old thing, which had to go."""
    alpha = np.zeros((64, 64), np.float32)
    alpha[8:56, 8:56] = 1
    refined = np.asarray(refine(alpha, photo_of(512), photo_of(64)))
    assert (refined[72:440, 72:440] == 255).all()
    assert (refined[:56] == 0).all() and (refined[:, 456:] == 0).all()


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_what_is_certain_stays_as_it_is(value: float) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (96, 80, 3), dtype=np.uint8)
    working = np.asarray(Image.fromarray(photo).resize((40, 48)))
    refined = refine(np.full((48, 40), value, np.float32), photo, working)
    assert refined.mode == "L" and refined.size == (80, 96)
    assert np.abs(np.asarray(refined, int) - 255 * value).max() <= 1


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    alpha, photo, working = soft_alpha(64), photo_of(200), photo_of(64)
    whole = np.asarray(refine(alpha, photo, working), int)
    monkeypatch.setattr(matte, "BAND", 32)
    assert np.abs(np.asarray(refine(alpha, photo, working), int) - whole).max() <= 1
