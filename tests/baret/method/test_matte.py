"""Squares on a plain background, blurred as a decoder would: the outline comes out as drawn."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from baret.method.matte import alpha_matte

LATENT_PIXEL = 4
BACKGROUND = (200, 180, 120)


def scene(*boxes, blur=0.0, shift=0):
    """Draw dark squares (left, top, side) on 64×64 pixels, and blur them."""
    image = np.full((64, 64, 3), BACKGROUND, np.uint8) + np.uint8(shift)
    for left, top, side in boxes:
        image[top : top + side, left : left + side] = (40, 30, 60)
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(blur)))


def composited(edited, photo, alpha):
    return photo + (edited.astype(float) - photo) * alpha[..., None]


def test_what_is_alike_is_the_photos():
    photo = scene((10, 10, 16))
    slightly = photo + np.uint8(6)
    assert (alpha_matte(slightly, photo, latent_pixel_size=LATENT_PIXEL) == 0).all()


def test_a_new_thing_is_shown_whole_without_its_halo():
    photo = scene()
    exact, edited = scene((20, 20, 24)), scene((20, 20, 24), blur=1.2)
    alpha = alpha_matte(edited, photo, latent_pixel_size=LATENT_PIXEL)
    assert (alpha[22:42, 22:42] == 1).all()
    result = composited(edited, photo, alpha)
    outside = np.ones((64, 64), bool)
    outside[20:44, 20:44] = False
    spilled, remaining = (np.abs(p - exact)[outside].mean() for p in (edited.astype(float), result))
    assert remaining < 0.5 * spilled  # measured: 0.40


def test_an_old_thing_goes_with_its_outline():
    photo, edited = scene((20, 20, 24), blur=0.7), scene()
    alpha = alpha_matte(edited, photo, latent_pixel_size=LATENT_PIXEL)
    assert np.abs(composited(edited, photo, alpha) - edited).max() < 12


@pytest.mark.parametrize("side", [3, 5])
def test_a_thing_thinner_than_the_border_is_not_eaten(side):
    photo, edited = scene(), scene(*((20, top, side) for top in range(12, 52, side)), blur=0.5)
    alpha = alpha_matte(edited, photo, latent_pixel_size=LATENT_PIXEL)
    middle = 20 + side // 2
    assert alpha[20:44, middle].mean() > 0.95


def test_where_everything_differs_everything_is_the_edits():
    assert (alpha_matte(scene(shift=50), scene(), latent_pixel_size=LATENT_PIXEL) == 1).all()
