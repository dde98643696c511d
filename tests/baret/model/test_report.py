"""`python -m baret.model`: what a model is, in words, with no weights loaded."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from baret.model.__main__ import main
from baret.model.loading import inspect_model
from tests.support.doc_tables import promises
from tests.support.original_layout import original_weights
from tests.support.tiny_models import tiny_pipeline


def test_a_usable_models_report_has_all_that_was_found(capsys) -> None:
    assert main(["zoo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("zoo: a diffusers folder of Stable Diffusion 1.x")
    assert lines[1:4] == [
        "  predicts: v_prediction, by its scheduler_config.json",
        "  native size: 128×128",
        "  defaults: 20 steps, guidance 4",
    ]
    assert lines[-1] == "  can be used"


def test_a_model_that_cannot_be_used_ends_with_1_and_its_reason(tmp_path: Path, capsys) -> None:
    save_file({"lora_te_x.lora_up.weight": torch.zeros(1)}, tmp_path / "x.safetensors")
    assert main([str(tmp_path / "x.safetensors")]) == 1
    out = capsys.readouterr().out
    assert out.startswith("x.safetensors: a LoRA\n")
    assert "cannot be used: x.safetensors is a LoRA. Give it in BARET_LORA" in out


def test_a_model_that_is_not_there_is_an_error_in_one_line(capsys) -> None:
    assert main(["no such model"]) == 1
    assert capsys.readouterr().err.startswith("There is no model 'no such model'.")


def test_settings_show_in_the_report(tmp_path: Path, capsys) -> None:
    save_file(original_weights(tiny_pipeline()), tmp_path / "x.safetensors")
    options = ["--prediction", "v_prediction_zero_snr", "--sampling", "distilled"]
    assert main([*options, str(tmp_path / "x.safetensors")]) == 0
    out = capsys.readouterr().out
    assert "v_prediction with zero terminal SNR, by the setting BARET_PREDICTION" in out
    assert "8 steps, guidance 1, by the setting BARET_SAMPLING" in out


def test_the_memory_is_that_of_the_weights(tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    save_file(original_weights(pipeline), tmp_path / "x.safetensors")
    description = inspect_model(str(tmp_path / "x.safetensors"))
    vae = sum(p.numel() for p in pipeline.vae.parameters())
    others = sum(
        p.numel() for part in (pipeline.unet, pipeline.text_encoder) for p in part.parameters()
    )
    assert description.memory(torch.float16) == 4 * vae + 2 * others
    assert description.memory(torch.float32) == 4 * (vae + others)


def test_every_promise_about_models_has_its_tests() -> None:
    found = promises("## Models")
    assert len(found) > 10
    assert [name for promise in found for name in promise.missing_tests] == []
