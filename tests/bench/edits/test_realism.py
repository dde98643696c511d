"""The classifier of realism: training, storing, and the model that it is for."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bench.edits.realism import examples as making
from bench.edits.realism.classifier import (
    BUNDLED,
    NoRealismError,
    Provenance,
    Realism,
    RealismNetwork,
)
from bench.edits.realism.examples import REAL, Examples
from bench.edits.realism.training import area_under_curve, train
from zoo import split
from zoo.edits import KINDS, realism_edits

CASES = 60


@pytest.fixture(scope="module")
def examples():
    """Sharp noise as real pictures, the same noise smoothed as the edits of a method."""
    rng = np.random.default_rng(0)
    real = rng.integers(0, 256, (CASES, 32, 32, 3)).astype(np.uint8)
    smooth = np.stack([sum(np.roll(real, i, 1) / 4 for i in range(4))]).astype(np.uint8)[0]
    origins = np.array([REAL] * CASES + ["ddim"] * CASES)
    return Examples(np.concatenate([real, smooth]), origins, np.tile(np.arange(CASES), 2))


@pytest.fixture(scope="module")
def trained(examples):
    return train(examples, "a model", seed=3, updates=100)


def test_it_learns_what_makes_edits_unreal(trained, examples):
    assert trained.provenance.accuracy > 0.9
    assert trained.provenance.auc == {"ddim": pytest.approx(1, abs=0.05)}
    real = trained.probabilities(examples.images)
    assert real.shape == (2 * CASES,)
    assert real[:CASES].mean() > real[CASES:].mean() + 0.3


def test_it_is_stored_with_its_provenance_and_is_for_one_model(trained, examples, tmp_path):
    path = tmp_path / "realism.safetensors"
    trained.save(path)
    again = Realism.for_model("a model", path)
    assert again.provenance == trained.provenance
    before, after = (one.probabilities(examples.images[:4]) for one in (trained, again))
    assert after == pytest.approx(before, abs=0.01)  # stored in half precision
    with pytest.raises(NoRealismError, match="are for the model a model, not for another"):
        Realism.for_model("another", path)
    with pytest.raises(NoRealismError, match=r"no weights.*python -m bench.edits.realism"):
        Realism.for_model("a model", tmp_path / "none.safetensors")


@pytest.mark.parametrize("size", [32, 64, 128])
def test_it_takes_images_of_any_size(size):
    blank = Realism(RealismNetwork(), Provenance("", 0, 0, 0.0, {}))
    images = np.zeros((2, size, size, 3), np.uint8)
    assert blank.probabilities(images).shape == (2,)


def test_the_bundled_weights_are_for_the_bundled_model(bundled):
    realism = Realism.for_model(bundled.model.identity)
    assert realism.provenance.accuracy > 0.6
    assert set(realism.provenance.auc) == set(making.METHODS)
    floats = [tensor for tensor in load_file(BUNDLED).values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in floats} == {torch.float16}


def test_real_pictures_are_the_vaes_and_the_photo_where_nothing_changes(model, two):
    found = making._real(model, two, np.random.default_rng(0))
    source, composed, answer, _ = found
    assert np.abs(source - model.decode(model.encode(np.stack([t.source for t in two])))).max() == 0
    assert (answer != source).any()
    posture = two[0]
    same = (composed[0] == posture.source).all(-1)
    assert same.mean() > 0.3 and not same[posture.may_change].all()


def test_its_scenes_are_its_own():
    cases = realism_edits(12)
    assert {case.kind for case in cases} == set(KINDS)
    seeds = {case.before.seed for case in cases}
    assert len(seeds) == 12 and seeds <= set(split.REALISM_SEEDS)
    others = (split.TRAINING_SEEDS, split.VALIDATION_SEEDS, split.TUNING_SEEDS)
    for own in (*others, split.BENCHMARK_SEEDS, split.SAMPLE_SEEDS):
        assert own.stop <= split.REALISM_SEEDS.start


def test_the_area_under_the_curve_counts_ties_half():
    assert area_under_curve(np.array([2.0, 1.0]), np.array([1.0, 0.0])) == 0.875
