"""Distilled models: recognised where they say so, run with their own steps and guidance."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from baret import EditOptions, Editor, InversionOptions
from baret.model.description import DISTILLED, FULL, LoadOptions
from baret.model.loading import BUNDLED, inspect_model
from baret.model.stable_diffusion import StableDiffusion
from baret.options import ModelOptions
from tests.support.original_layout import original_weights
from tests.support.tiny_models import tiny_pipeline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bundled model's folder by links, whose scheduler a test may change."""
    for path in (BUNDLED / "zoo").rglob("*"):
        target = tmp_path / "model" / path.relative_to(BUNDLED / "zoo")
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            target.write_bytes(path.read_bytes())
        elif path.is_file():
            target.symlink_to(path)
    return tmp_path / "model"


def configured(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


EULER = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("scheduler", "distilled"),
    [
        ({"_class_name": "LCMScheduler"}, True),
        ({"_class_name": "TCDScheduler"}, True),
        (EULER | {"prediction_type": "epsilon"}, True),
        (EULER | {"prediction_type": "v_prediction"}, False),
        ({"_class_name": "EulerDiscreteScheduler", "prediction_type": "epsilon"}, False),
        ({"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"}, False),
    ],
    ids=str,
)
def test_a_folders_scheduler_tells_whether_it_is_distilled(
    scheduler: dict[str, str], distilled: bool, folder: Path
) -> None:
    configured(folder / "scheduler" / "scheduler_config.json", **scheduler)
    description = inspect_model(str(folder))
    assert (description.distilled_by is not None) == distilled
    assert description.sampling == (DISTILLED if distilled else FULL)


def test_an_lcms_folder_and_file_are_recognised(folder: Path, tmp_path: Path) -> None:
    configured(folder / "unet" / "config.json", time_cond_proj_dim=16)
    save_file(original_weights(tiny_pipeline(time_cond_proj_dim=16)), tmp_path / "x.safetensors")
    for path in (folder, tmp_path / "x.safetensors"):
        assert "time_cond_proj" in (inspect_model(str(path)).distilled_by or "")


@pytest.mark.parametrize(
    ("setting", "name", "sampling", "notes"),
    [
        ("auto", "photo", FULL, 0),
        ("auto", "photo_turbo_v2", FULL, 1),
        ("auto", "dreamshaper-8-lcm", FULL, 1),
        ("auto", "hyperreal", FULL, 0),
        ("distilled", "photo_turbo_v2", DISTILLED, 0),
        ("full", "photo_turbo_v2", FULL, 0),
    ],
)
def test_a_name_is_a_hint_and_the_setting_decides(
    setting: str, name: str, sampling: object, notes: int, tmp_path: Path
) -> None:
    path = tmp_path / f"{name}.safetensors"
    save_file(original_weights(tiny_pipeline()), path)
    description = inspect_model(str(path), LoadOptions(sampling=setting))  # type: ignore[arg-type]
    assert description.sampling == sampling
    assert len(description.notes) == notes
    assert all("BARET_SAMPLING" in note for note in description.notes)


def test_an_editor_edits_with_the_steps_and_guidance_of_its_model(sample) -> None:
    options = ModelOptions(sampling="distilled")
    editor = Editor.from_pretrained("zoo", device="cpu", options=options)
    assert editor.default_options == EditOptions(
        guidance_scale=1.0, inversion=InversionOptions(num_inference_steps=8)
    )
    result = editor.edit(sample.image, sample.prompt)
    assert result.inversion.options.num_inference_steps == 8
    assert Editor.from_pretrained("zoo", device="cpu").default_options == EditOptions()


@torch.no_grad()
def test_an_lcm_is_called_with_its_guidance_inside(tmp_path: Path) -> None:
    """As its own pipeline calls it by default: w = 8.5, of which w − 1 is embedded."""
    pipeline = tiny_pipeline(time_cond_proj_dim=16)
    pipeline.save_pretrained(tmp_path / "model")
    model = StableDiffusion.from_pretrained(str(tmp_path / "model"), device="cpu")
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    text = model.embed("a dog").embedding[None].expand(2, -1, -1)
    guidance = pipeline.get_guidance_scale_embedding(torch.tensor([7.5, 7.5]), embedding_dim=16)
    theirs = pipeline.unet(latents, 500, encoder_hidden_states=text, timestep_cond=guidance).sample
    ours = model.predict_noise(latents, [500, 500], text)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    plain = pipeline.unet(latents, 500, encoder_hidden_states=text).sample
    assert not torch.allclose(ours, plain, atol=1e-5)  # the guidance does count
