import pytest
import torch

from bench.photos.errors import WeightsError
from bench.photos.structure import Structure

CPU = torch.device("cpu")


def images(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    first, second = torch.rand(2, 1, 3, side, side, generator=generator)
    return first, 0.8 * first + 0.2 * second


# PnPInversion's MetricsCalculator on DINO's own VisionTransformer with the same weights.
@pytest.mark.parametrize(("side", "expected"), [(512, 0.000663186), (224, 0.00192709)])
def test_the_distance_is_that_of_pnp_inversion(side, expected, dino_folder):
    structure = Structure(str(dino_folder), CPU)
    edited, photo = images(side)
    assert structure.distance(edited, photo) == pytest.approx(expected, rel=1e-3)
    assert structure.distance(photo, photo) == 0


def test_the_self_similarity_is_of_cosines(dino_folder):
    similarity = Structure(str(dino_folder), CPU).self_similarity(images(64)[0])
    assert similarity.shape == (1 + 14 * 14, 1 + 14 * 14)
    assert torch.allclose(similarity, similarity.T, atol=1e-5)
    assert torch.allclose(similarity.diagonal(), torch.ones(197), atol=1e-5)


def test_a_folder_without_weights_says_what_to_give(tmp_path):
    with pytest.raises(WeightsError, match="--dino"):
        Structure(str(tmp_path), CPU)
