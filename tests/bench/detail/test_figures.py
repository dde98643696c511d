"""The figures at full size tell a blurred edit from a sharp one, and a seam from none."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from bench.detail.figures import Edited, Figures, figures
from bench.edits.cases import Task, tasks
from zoo.judge import Judge

SIDE = 128


@pytest.fixture(scope="module")
def task() -> Task:
    return tasks("tuning", SIDE, 1)[0]


def measured(task: Task, image: np.ndarray) -> Figures:
    edited = Edited("auto", image, seconds=1.0)
    return figures(task, edited, task.answer, Judge.from_pretrained(), factor=2)


def test_the_exact_answer_is_right_sharp_and_without_a_seam(task: Task) -> None:
    found = measured(task, task.answer)
    assert found.right and found.changed
    assert found.sharpness == pytest.approx(1) and found.seam == 0
    assert (found.form, found.factor, found.index) == ("auto", 2, task.index)


def test_a_blurred_answer_is_less_sharp_and_further_away(task: Task) -> None:
    image = np.asarray(Image.fromarray(task.answer).filter(ImageFilter.GaussianBlur(2)))
    found = measured(task, image)
    assert found.sharpness < 0.5
    assert found.psnr_inside < measured(task, task.answer).psnr_inside


def test_an_error_counts_as_a_seam_beside_the_change_alone(task: Task) -> None:
    beside, far = task.answer.copy(), task.answer.copy()
    ys, xs = np.nonzero(task.may_change)
    beside[ys.min() - 3 : ys.min() - 1, xs.min() : xs.max()] ^= 64
    assert measured(task, beside).seam > 0.5
    far[0, 0] ^= 64
    assert measured(replace(task), far).seam == 0
