import math

import pytest
import torch
from PIL import Image

from bench.photos.pixel_metrics import pie_bench_mse, pie_bench_psnr, pie_bench_ssim, to_tensor


def test_a_picture_becomes_a_tensor_of_0_to_1():
    tensor = to_tensor(Image.new("RGB", (3, 2), (0, 51, 255)), torch.device("cpu"))
    assert tensor.shape == (1, 3, 2, 3)
    assert tensor[0, :, 0, 0].tolist() == pytest.approx([0, 0.2, 1])


def test_psnr_and_mse_are_over_all_pixels():
    photo = torch.zeros(1, 3, 64, 64)
    edited = photo.clone()
    edited[..., :32] = 0.1  # half of the pixels: an error of 0.01 / 2
    assert pie_bench_mse(edited, photo) == pytest.approx(0.005)
    assert pie_bench_psnr(edited, photo) == pytest.approx(10 * math.log10(1 / 0.005))


def test_an_exact_picture_has_no_psnr():
    photo = torch.rand(1, 3, 32, 32)
    assert pie_bench_psnr(photo, photo) is None
    assert pie_bench_mse(photo, photo) == 0
    assert pie_bench_ssim(photo, photo) == pytest.approx(1)


def test_ssim_of_flat_pictures_is_that_of_their_means():
    # Flat images leave only the luminance term: (2ab + c₁)/(a² + b² + c₁), c₁ = 0.01².
    a, b = 0.5, 0.25
    found = pie_bench_ssim(torch.full((1, 3, 32, 32), a), torch.full((1, 3, 32, 32), b))
    assert found == pytest.approx((2 * a * b + 1e-4) / (a * a + b * b + 1e-4), rel=1e-4)
