import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from baret import EditOptions, InversionOptions
from baret.errors import UnsupportedModel
from baret.model.loading import BUNDLED
from baret.model.world import FILE, World

FAST = EditOptions(inversion=InversionOptions(num_inference_steps=2, inner_steps=0))
SAMPLES = sorted((Path(__file__).parents[3] / "zoo" / "samples").glob("*.png"))


@pytest.fixture(scope="module")
def photograph():
    """Return what photographs have and the small world has not: soft light and texture."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(12, 12, 3))
    light = np.asarray(
        Image.fromarray(_as_bytes(coarse)).resize((256, 256), Image.Resampling.BICUBIC)
    )
    return Image.fromarray((light + rng.normal(0, 12, light.shape)).clip(0, 255).astype(np.uint8))


def _as_bytes(values):
    return (128 + 50 * values).clip(0, 255).astype(np.uint8)


def test_a_photo_outside_the_models_world_is_said_with_figures(small_editor, photograph):
    (hint,) = small_editor.edit(photograph, "a photo of a dog standing", FAST).hints
    assert (hint.code, hint.words) == ("outside_the_models_world", ())
    limit = small_editor.model.world.min_psnr
    assert f"{limit:.1f} dB or more" in hint.detail and "trained on photographs" in hint.detail


def test_the_worlds_own_pictures_are_inside(small_editor):
    for sample in SAMPLES:
        picture = Image.open(sample)
        assert small_editor.edit(picture, "a photo of a dog standing", FAST).hints == (), (
            sample.name
        )


def test_the_bundled_models_limit_is_a_measured_one():
    data = json.loads((BUNDLED / "zoo" / FILE).read_text("utf-8"))
    assert data["pictures"] >= 1000 and data["false_alarms"] <= 0.01
    assert data["photographs"] >= 100 and data["caught"] >= 0.99


def test_a_model_for_photographs_has_no_world(tmp_path):
    assert World.read(tmp_path) == World() == World.read(None)
    assert World().photo_hints(5.0) == World().detail_hints() == ()


@pytest.mark.parametrize(("parts", "known"), [("", None), (', "trained_on_parts": false', False)])
def test_a_folder_may_say_whether_the_model_was_trained_on_parts(tmp_path, parts, known):
    (tmp_path / FILE).write_text(f'{{"min_psnr": 30{parts}}}')
    assert World.read(tmp_path) == World(min_psnr=30.0, trained_on_parts=known)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"min_psnr": "high"}',
        '{"min_psnr": 30, "trained_on_parts": "no"}',
        '{"min_psnr": 30, "trained_on_parts": 0}',
    ],
)
def test_a_damaged_limit_is_refused_by_name(tmp_path, content):
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UnsupportedModel, match=FILE):
        World.read(tmp_path)
