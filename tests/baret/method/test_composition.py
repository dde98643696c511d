"""Squares on a plain background: which pixels show the edit, and in which colours."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from baret.method import composition
from baret.method.composition import MARGIN, compose, match_colors, shown_region

BACKGROUND = (200, 180, 120)
SQUARE = (40, 30, 60)


def scene(*boxes, blur=0.0, shift=0):
    """Draw dark squares (left, top, side) on 64×64 pixels, blur and brighten them."""
    image = np.full((64, 64, 3), BACKGROUND, np.uint8)
    for left, top, side in boxes:
        image[top : top + side, left : left + side] = SQUARE
    blurred = np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(blur)))
    return (blurred.astype(int) + shift).clip(0, 255).astype(np.uint8)


def shown(edited, photo):
    """Lay the edit over the photo as the pipeline does, at the same size."""
    found = compose(edited, photo)
    return photo + (found.edited.astype(float) - photo) * found.alpha[..., None]


def test_an_edit_that_is_the_photo_gives_the_photo():
    photo = scene((10, 10, 16))
    found = compose(photo, photo)
    assert (found.alpha == 0).all() and (found.edited == photo).all()


def test_what_decoding_and_guidance_blur_does_not_count_as_a_change():
    photo = scene((10, 10, 16))
    assert (compose(scene((10, 10, 16), shift=10), photo).alpha == 0).all()


def test_where_everything_differs_everything_is_the_edits():
    edited, photo = scene((20, 20, 24), shift=50), scene()
    found = compose(edited, photo)
    assert (found.alpha == 1).all() and (found.edited == edited).all()


@pytest.mark.parametrize("blur", [0.0, 1.0])
def test_a_new_thing_is_shown_whole_with_its_outline_and_the_rest_is_the_photos(blur):
    edited, photo = scene((20, 20, 24), blur=blur), scene()
    alpha = compose(edited, photo).alpha
    assert (alpha[20:44, 20:44] == 1).all()
    assert (alpha[19:45, 19:45] > 0.9).all()  # its own outline too
    assert (alpha[:10] == 0).all() and (alpha[:, :10] == 0).all()
    assert np.abs(shown(edited, photo) - edited).max() < 12


def test_an_old_thing_goes_with_its_outline():
    photo, edited = scene((20, 20, 24), blur=0.7), scene()
    assert np.abs(shown(edited, photo) - edited).max() < 12


def test_a_thin_thing_is_shown():
    edited, photo = scene(*((20, top, 3) for top in range(12, 52, 3))), scene()
    assert compose(edited, photo).alpha[20:44, 21].mean() > 0.95


def test_the_border_is_soft():
    alpha = compose(scene((20, 20, 24)), scene()).alpha
    row = alpha[32]
    assert ((row > 0) & (row < 1)).sum() >= 2
    assert np.abs(np.diff(row)).max() < 0.9


def test_a_drift_of_the_edits_colours_is_taken_back_beside_what_is_kept():
    photo, exact, drifted = scene(), scene((24, 24, 16)), scene((24, 24, 16), shift=15)
    found = compose(drifted, photo)
    middle = np.s_[28:36, 28:36]
    before, after = (
        np.abs(p[middle].astype(float) - exact[middle]) for p in (drifted, found.edited)
    )
    assert before.mean() == 15 and after.mean() < 3


@pytest.mark.parametrize("times", [1, 6])
def test_a_region_that_was_drawn_again_has_the_colours_of_the_photo_around_it(times):
    photo, drawn = (
        scene(shift=shift).repeat(times, 0).repeat(times, 1).astype(np.uint8) for shift in (0, 20)
    )
    alpha = np.zeros(photo.shape[:2], np.float32)
    middle = np.s_[20 * times : 44 * times, 20 * times : 44 * times]
    alpha[middle] = 1
    assert np.abs(match_colors(drawn, photo, alpha)[middle].astype(int) - photo[middle]).max() <= 1


def test_a_region_without_kept_surroundings_keeps_its_own_colours():
    drawn = scene((20, 20, 24), shift=50)
    assert (match_colors(drawn, scene(), np.ones((64, 64), np.float32)) == drawn).all()


@pytest.mark.parametrize("side", [64, 200])
def test_the_margin_grows_with_the_picture(side):
    difference = torch.zeros(1, 1, side, side)
    difference[..., side // 2 :, :] = 1.0
    first = int(shown_region(difference, torch.zeros_like(difference), side)[0, 0, :, 0].argmax())
    assert side // 2 - first == pytest.approx(MARGIN * side, abs=1.5)


def test_where_the_text_changes_the_photo_a_smaller_difference_shows_the_edit():
    photo, edited = scene(), scene(shift=16)  # .06 of the range, as a new place's sky may be
    left = torch.zeros(16, 16)
    left[:, :8] = 1
    alpha = compose(edited, photo, left).alpha
    assert (alpha[:, :26] == 1).all() and (alpha[:, 42:] == 0).all()
    assert (compose(edited, photo).alpha == 0).all()


def test_a_wide_blur_on_a_smaller_copy_is_nearly_the_exact_one(monkeypatch):
    field = torch.zeros(1, 1, 150, 210)
    field[..., 40:110, 90:] = 1
    quick = composition._blur(field, 24.0)
    monkeypatch.setattr(composition, "MAX_SIGMA", 100.0)
    assert (quick - composition._blur(field, 24.0)).abs().max() < 0.02


def test_the_largest_value_nearby_is_that_of_a_square():
    field = torch.zeros(1, 1, 20, 20)
    field[..., 8, 11] = 1
    grown = composition._local_max(field, 3)
    assert grown.sum() == 49 and (grown[..., 5:12, 8:15] == 1).all()
