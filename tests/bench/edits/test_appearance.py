"""Constructed images with one fault each, at the bundled model's size and at twice that."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from bench.edits.appearance import appearances
from bench.edits.cases import task
from bench.edits.criteria import CRITERIA
from bench.edits.metrics import measure
from bench.edits.valid_answer import MAX_X, MAX_Y, TOLERANCE, nearest_placement
from zoo.edits import Case
from zoo.judge import Judge
from zoo.render import SIZE, Placement, Renderer, render
from zoo.scene import Scene

SOURCE = Scene("dog", "brown", "standing", "on grass", "a photo of", "facing left", 7)
SITTING = replace(SOURCE, pose="sitting")
JUDGE = Judge.from_pretrained()


@pytest.fixture(params=[64, 128])
def posture(request):
    return task(Case(0, "posture", SOURCE, SITTING), request.param)


def _colour(size):
    return task(Case(0, "colour", SOURCE, replace(SOURCE, colour="white")), size)


def _figures(task, image):
    noise = np.random.default_rng(0).normal(0, 2, task.answer.shape)
    through_vae = np.clip(task.answer + noise, 0, 255).astype(np.uint8)
    (quality,) = measure([task], image[None], [None], through_vae[None], JUDGE)
    (looks,) = appearances([task], image[None], through_vae[None])
    return quality, looks, CRITERIA.right(quality, looks)


def _renderer(task, scene=SITTING):
    return Renderer(scene, len(task.source))


def _moved(renderer, dx, dy, size=1.0):
    own = renderer.placement
    return Placement(own.x + dx, own.y + dy, float(np.clip(own.size * size, *SIZE)))


def test_the_exact_answer_is_right(posture):
    quality, looks, right = _figures(posture, posture.answer)
    assert right and quality.joint
    assert looks.drawn == pytest.approx(1) and looks.ghost == looks.seam == 0
    assert looks.background <= 0


@pytest.mark.parametrize(("dx", "dy", "size"), [(4, 2, 1), (-3, 1.5, 1), (2, 0, 1.1)])
def test_an_answer_that_stands_elsewhere_is_right_though_not_joint(posture, dx, dy, size):
    renderer = _renderer(posture)
    quality, looks, right = _figures(posture, renderer.picture(_moved(renderer, dx, dy, size)))
    assert right and not quality.joint
    assert looks.drawn > 0.9 and looks.ghost < 0.02 and looks.seam < 0.2


def test_the_source_is_no_answer(posture):
    quality, looks, right = _figures(posture, posture.source)
    assert not quality.changed and not right
    assert looks.ghost > 0.9


def test_a_piece_of_the_old_animal_is_a_ghost(posture):
    old, new = (_renderer(posture, s).silhouette(shadow=True) for s in (SOURCE, SITTING))
    piece = old & ~new
    piece[:, np.flatnonzero(piece.any(0)).mean().astype(int) :] = False
    image = np.where(piece[..., None], posture.source, posture.answer)
    _, looks, right = _figures(posture, image)
    assert not right
    assert looks.ghost > 2 * CRITERIA.max_ghost and looks.drawn > 0.9


def test_a_blurred_animal_is_not_drawn_well(posture):
    soft = Image.fromarray(posture.answer).filter(
        ImageFilter.GaussianBlur(len(posture.answer) * 2 / 64)
    )
    animal = _renderer(posture).silhouette(shadow=False)
    image = np.where(animal[..., None], np.asarray(soft), posture.answer)
    _, looks, right = _figures(posture, image)
    assert not right
    assert looks.drawn < CRITERIA.min_drawn and looks.background <= 0


def test_a_darker_background_is_lost_background(posture):
    animal = _renderer(posture).silhouette(shadow=True)
    image = np.where(animal[..., None], posture.answer, posture.answer - posture.answer // 10)
    _, looks, right = _figures(posture, image)
    assert not right
    assert looks.background > CRITERIA.max_background_loss and looks.drawn > 0.75


def test_a_rectangle_around_the_animal_is_a_seam(posture):
    new = _renderer(posture).silhouette(shadow=True)
    rows, columns = np.flatnonzero(new.any(1)), np.flatnonzero(new.any(0))
    margin = len(new) // 32
    box = np.s_[rows[0] - margin : rows[-1] + margin, columns[0] - margin : columns[-1] + margin]
    image = posture.answer.copy()
    image[box] = np.where(new[box][..., None], image[box], image[box] - image[box] // 3)
    _, looks, right = _figures(posture, image)
    assert not right
    assert looks.seam > CRITERIA.max_seam and looks.drawn > CRITERIA.min_drawn


def test_soft_light_on_the_background_is_no_seam(posture):
    ramp = np.linspace(0, 30, len(posture.answer))[:, None, None]
    image = np.clip(posture.answer + ramp, 0, 255).astype(np.uint8)
    assert _figures(posture, image)[1].seam < 0.1


@pytest.mark.parametrize("size", [64, 128])
def test_an_edit_of_the_colour_must_leave_the_animal_where_it_is(size):
    colour = _colour(size)
    renderer = _renderer(colour, colour.after)
    unnoticed = _figures(colour, renderer.picture(_moved(renderer, TOLERANCE / 2, 0)))
    moved = _figures(colour, renderer.picture(_moved(renderer, 5, 0)))
    assert unnoticed[2] and not moved[2]
    assert unnoticed[1].ghost is None


@pytest.mark.parametrize("size", [64, 128])
def test_a_new_place_has_no_background_to_keep_and_no_seam(size):
    place = task(Case(0, "place", SOURCE, replace(SOURCE, place="in snow")), size)
    # Other trees and hills than those of the exact answer are as good.
    other = render(replace(place.after, seed=8), size)
    animal = _renderer(place, place.after).silhouette(shadow=True)
    image = np.where(animal[..., None], place.answer, other)
    quality, looks, _ = _figures(place, image)
    assert quality.changed and quality.kept
    assert looks.background is looks.seam is None and looks.drawn > 0.8


def test_the_same_fault_has_the_same_figures_at_any_size():
    small, large = (task(Case(0, "posture", SOURCE, SITTING), size) for size in (64, 128))
    figures = []
    for one in (small, large):
        mixed = one.source * 0.6 + one.answer * 0.4
        figures.append(_figures(one, mixed.astype(np.uint8))[1])
    assert figures[0].drawn == pytest.approx(figures[1].drawn, abs=0.1)
    assert figures[0].ghost == pytest.approx(figures[1].ghost, abs=0.05)
    assert figures[0].seam == pytest.approx(figures[1].seam, rel=0.35)


@pytest.mark.parametrize("shift", [(3.1, -1.3, 1.0), (-5.7, 3.3, 0.95)])
def test_the_nearest_answer_stands_where_the_edit_drew_the_animal(posture, shift):
    renderer = _renderer(posture)
    at = _moved(renderer, *shift)
    found = nearest_placement(posture, renderer.picture(at))
    assert abs(found.x - at.x) < 0.6 and abs(found.y - at.y) < 0.6
    assert abs(found.size - at.size) < 0.05


def test_the_nearest_answer_stays_within_what_the_text_leaves_open(posture):
    renderer = _renderer(posture)
    own = renderer.placement
    found = nearest_placement(posture, renderer.picture(_moved(renderer, 12, -9)))
    assert abs(found.x - own.x) < MAX_X + 1e-9 and abs(found.y - own.y) < MAX_Y + 1e-9
    assert SIZE[0] <= found.size <= SIZE[1]


def test_stars_that_are_gone_are_lost_and_an_even_shade_is_not(posture):
    image = posture.answer.copy()
    assert _figures(posture, image)[1].lost == 0
    shaded = (image.astype(int) * 0.97).astype(np.uint8)
    assert _figures(posture, shaded)[1].lost < 0.02
    blurred = np.asarray(Image.fromarray(image).filter(ImageFilter.BoxBlur(len(image) / 16)))
    kept = Renderer(posture.after, len(image)).silhouette(shadow=True)
    without = np.where(kept[..., None], image, blurred)
    assert _figures(posture, without)[1].lost > CRITERIA.max_lost
