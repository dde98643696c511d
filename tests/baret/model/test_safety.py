import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from baret import EditOptions, Editor, InversionOptions
from baret.errors import ContentRejected, UnsupportedModel
from baret.model.stable_diffusion import StableDiffusion
from tests.support.safety_checkers import add_checker
from tests.support.small_model import small_folder

QUICK = EditOptions(inversion=InversionOptions(num_inference_steps=10, inner_steps=0))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a copy of the bundled model, to which a checker can be added."""
    return small_folder(tmp_path / "my-model")


def load(folder: Path, **options: bool) -> StableDiffusion:
    return StableDiffusion.from_pretrained(str(folder), device="cpu", **options)


def test_a_model_without_a_checker_is_used_as_it_is(editor):
    assert editor.model.safety_checker is None


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("size", [(64, 64), (40, 100)])
def test_a_checker_that_comes_along_judges(folder, refuses, size):
    add_checker(folder, refuses=refuses)
    checker = load(folder).safety_checker
    assert checker is not None
    image = Image.effect_noise(size, 60).convert("RGB")
    before = image.tobytes()
    assert checker.refuses(image) is refuses
    assert image.tobytes() == before


def test_what_it_refuses_is_not_given_out(folder, sample):
    add_checker(folder, refuses=True)
    editor = Editor.from_pretrained(str(folder), device="cpu")
    with pytest.raises(ContentRejected):
        editor.edit(sample.image, sample.prompt, QUICK)


def test_what_it_lets_pass_is_the_same_as_without_it(folder, sample):
    plain = Editor.from_pretrained(str(folder), device="cpu")
    add_checker(folder, refuses=False)
    checked = Editor.from_pretrained(str(folder), device="cpu")
    assert checked.model.identity == plain.model.identity
    images = [e.edit(sample.image, sample.prompt, QUICK).image.tobytes() for e in (checked, plain)]
    assert images[0] == images[1]


def test_it_can_be_left_out(folder, sample):
    add_checker(folder, refuses=True)
    editor = Editor.from_pretrained(str(folder), device="cpu", content_check=False)
    assert editor.model.safety_checker is None
    editor.edit(sample.image, sample.prompt, QUICK)


@pytest.mark.parametrize("damaged", ["weights", "feature_extractor"])
def test_one_that_cannot_be_loaded_is_not_silently_left_out(folder, damaged):
    add_checker(folder, refuses=True)
    if damaged == "weights":
        weights = folder / "safety_checker" / "model.safetensors"
        weights.rename(weights.with_name("pytorch_model.bin"))
    else:
        shutil.rmtree(folder / "feature_extractor")
    with pytest.raises(UnsupportedModel, match="safety checker"):
        load(folder)
    assert load(folder, content_check=False).safety_checker is None


def test_a_hub_ids_checker_is_used_too(folder, tmp_path):
    add_checker(folder, refuses=True)
    index = folder / "model_index.json"
    named = '"safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"], "_": ['
    index.write_text(index.read_text().replace('"safety_checker": [', named))
    home = tmp_path / "hub" / "models--some-org--some-model"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    shutil.copytree(folder, home / "snapshots" / commit)
    code = (
        "from baret.model.stable_diffusion import StableDiffusion\n"
        "model = StableDiffusion.from_pretrained('some-org/some-model', device='cpu')\n"
        "print(model.safety_checker is not None)"
    )
    # In another process, because the hub's client reads its environment when imported.
    process = subprocess.run(
        [sys.executable, "-c", code],
        env={"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert process.stdout.strip() == "True"
