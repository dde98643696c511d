from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from bench.photos.datasets import load_pie_bench, load_tedbench
from bench.photos.judge import Judge, JudgeOptions


@pytest.fixture(scope="module")
def judge(clip_folder, dino_folder, lpips_weights):
    options = JudgeOptions(
        clip=str(clip_folder), dino=str(dino_folder), lpips_weights=lpips_weights("squeeze")
    )
    return Judge(options, torch.device("cpu"))


def changed(photo: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    edited = photo.copy()
    edited.paste((255, 0, 0), box)
    return edited


def test_an_edit_inside_the_mask_leaves_the_background_exact(judge, pie_bench):
    task = load_pie_bench(pie_bench)[0]  # its mask is 128–384
    photo = task.photo()
    scores = judge.score(task, photo, changed(photo, (200, 200, 300, 300)))
    assert scores.background_psnr is None and scores.background_mse == 0
    assert scores.background_lpips == 0 and scores.background_ssim == pytest.approx(1, abs=1e-4)
    assert scores.lpips > 0 and scores.structure > 0
    assert scores.clip_edited != scores.clip_whole
    assert -1 <= scores.clip_directional <= 1


def test_an_edit_outside_the_mask_costs_the_background(judge, pie_bench):
    task = load_pie_bench(pie_bench)[0]
    photo = task.photo()
    scores = judge.score(task, photo, changed(photo, (20, 20, 100, 100)))
    error = np.asarray(changed(photo, (20, 20, 100, 100)), float) - np.asarray(photo, float)
    # The border counts as inside the mask, and the change does not touch it.
    assert scores.background_mse == pytest.approx(np.square(error / 255).mean(), rel=1e-4)
    assert scores.background_psnr == pytest.approx(-10 * np.log10(scores.background_mse))
    assert scores.background_ssim < 1 and scores.background_lpips > 0


def test_a_mask_of_everything_leaves_no_background(judge, pie_bench):
    task = replace(load_pie_bench(pie_bench)[0], mask_runs=(0, 512 * 512))
    photo = task.photo()
    scores = judge.score(task, photo, photo)
    assert scores.background_mse is None and scores.background_psnr is None
    assert scores.clip_edited == scores.clip_whole
    assert scores.clip_directional is None  # nothing changed


def test_without_masks_and_captions_the_rest_is_scored(judge, tedbench):
    task = load_tedbench(tedbench)[0]
    scores = judge.score(task, task.photo(), changed(task.photo(), (0, 0, 99, 99)))
    assert scores.clip_edited is None and scores.clip_directional is None
    assert scores.background_ssim is None
    assert scores.lpips > 0
