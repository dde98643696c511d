import numpy as np
import pytest

from bench.edits.cases import Task
from bench.edits.metrics import PSNR_CAP, capped_psnr, measure, ssim, ssim_map
from zoo.scene import Scene

SCENE = Scene("dog", "brown", "standing", "on grass", "a photo of", "facing left", 7)
RNG = np.random.default_rng(0)


class Judge:
    """Returns given labels."""

    def __init__(self, *labels):
        self.labels = np.array(labels)

    def classify(self, images):
        assert len(images) == len(self.labels)
        return self.labels


def _task(*, may_change=None):
    grey = np.full((32, 32, 3), 100, np.uint8)
    mask = np.zeros((32, 32), bool)
    mask[:8] = True
    return Task(
        index=0,
        kind="posture",
        before=SCENE,
        after=SCENE,
        source=grey,
        answer=grey,
        may_change=mask if may_change is None else may_change,
        source_caption="",
        prompt="",
        source_labels=(0, 1),
        labels=(2, 1),
    )


def _measure(task, image, labels, through_vae=None, rebuilt=None):
    vae = task.answer + np.uint8(1) if through_vae is None else through_vae
    return measure([task], image[None], [rebuilt], vae[None], Judge(labels))[0]


def test_psnr_of_known_errors():
    a = np.zeros((4, 4, 3), np.uint8)
    b = a.copy()
    b[:2] = 10
    assert capped_psnr(a, a) == PSNR_CAP
    assert capped_psnr(a, b) == pytest.approx(
        10 * np.log10(255**2 / 50)
    )  # half the pixels, 10² each
    mask = np.zeros((4, 4), bool)
    mask[:2] = True
    assert capped_psnr(a, b, mask) == pytest.approx(10 * np.log10(255**2 / 100))
    assert capped_psnr(a, b, ~mask) == PSNR_CAP


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    image = RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    noisy = np.clip(image + RNG.normal(0, 40, image.shape), 0, 255).astype(np.uint8)
    assert ssim(image, image) == pytest.approx(1)
    assert 0.5 < ssim(image, noisy) < 0.95


def test_the_map_of_ssim_shows_where_images_differ_and_agrees_with_the_mean():
    image = RNG.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    half = image.copy()
    half[:, 16:] = 255 - half[:, 16:]
    around = ssim_map(image, half)
    assert around.shape == (32, 32)
    assert around[:, :10] == pytest.approx(1) and around[:, 22:].max() < 0
    assert around[5:-5, 5:-5].mean() == pytest.approx(ssim(image, half))


def test_ssim_of_two_flat_pictures_is_its_luminance_term():
    a, b = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 110, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 100 * 110 + c1) / (100**2 + 110**2 + c1))


@pytest.mark.parametrize(
    ("labels", "changed", "kept"),
    [
        ((2, 1), True, True),
        ((0, 1), False, True),
        ((2, 0), True, False),
        ((1, 0), False, False),
    ],
)
def test_changed_and_kept_are_the_judges(labels, changed, kept):
    task = _task()
    quality = _measure(task, task.answer, labels)
    assert (quality.changed, quality.kept, quality.joint) == (changed, kept, changed and kept)


@pytest.mark.parametrize(
    ("error", "joint"), [(2, True), (3, False)]
)  # 6.0 and 9.5 dB below an error of 1
def test_the_unchanged_pixels_may_lose_seven_decibels(error, joint):
    task = _task()
    image = task.answer.copy()
    image[8:] += error
    image[:8] = 0  # inside the mask, everything is allowed
    quality = _measure(task, image, (2, 1))
    assert quality.joint == joint
    assert quality.loss_outside == pytest.approx(20 * np.log10(error))


def test_where_all_may_change_the_outside_tells_nothing():
    task = _task(may_change=np.ones((32, 32), bool))
    quality = _measure(task, 255 - task.answer, (2, 1))
    assert quality.psnr_outside is None and quality.joint


def test_a_reconstruction_is_held_against_the_source():
    task = _task()
    assert _measure(task, task.answer, (2, 1)).reconstruction_psnr is None
    rebuilt = task.source + np.uint8(10)
    quality = _measure(task, task.answer, (2, 1), rebuilt=rebuilt)
    assert quality.reconstruction_psnr == pytest.approx(20 * np.log10(25.5))
