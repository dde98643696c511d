"""Squares on a plain ground, as a decoder would blur them: the outline must come out as drawn."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from baret.method.matte import alpha_matte

PLACE = 4
GROUND = (200, 180, 120)


def scene(*boxes, blur=0.0, shift=0):
    """A 64×64 picture of dark squares (left, top, side), blurred in pixels."""
    image = np.full((64, 64, 3), GROUND, np.uint8) + np.uint8(shift)
    for left, top, side in boxes:
        image[top : top + side, left : left + side] = (40, 30, 60)
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(blur)))


def mixed(edited, photo, share):
    return photo + (edited.astype(float) - photo) * share[..., None]


def test_what_is_alike_is_the_photos():
    photo = scene((10, 10, 16))
    slightly = photo + np.uint8(6)
    assert (alpha_matte(slightly, photo, latent_pixel_size=PLACE) == 0).all()


def test_a_new_thing_is_shown_whole_without_its_halo():
    photo = scene()
    exact, edited = scene((20, 20, 24)), scene((20, 20, 24), blur=1.2)
    share = alpha_matte(edited, photo, latent_pixel_size=PLACE)
    assert (share[22:42, 22:42] == 1).all()
    result = mixed(edited, photo, share)
    outside = np.ones((64, 64), bool)
    outside[20:44, 20:44] = False
    spilled, left = (np.abs(p - exact)[outside].mean() for p in (edited.astype(float), result))
    assert left < 0.5 * spilled  # measured: 0.40


def test_an_old_thing_goes_with_its_outline():
    photo, edited = scene((20, 20, 24), blur=0.7), scene()
    share = alpha_matte(edited, photo, latent_pixel_size=PLACE)
    assert np.abs(mixed(edited, photo, share) - edited).max() < 12


@pytest.mark.parametrize("side", [3, 5])
def test_a_thing_thinner_than_the_border_is_not_eaten(side):
    photo, edited = scene(), scene(*((20, top, side) for top in range(12, 52, side)), blur=0.5)
    share = alpha_matte(edited, photo, latent_pixel_size=PLACE)
    middle = 20 + side // 2
    assert share[20:44, middle].mean() > 0.95


def test_where_everything_differs_everything_is_the_edits():
    assert (alpha_matte(scene(shift=50), scene(), latent_pixel_size=PLACE) == 1).all()
