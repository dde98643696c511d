"""What a model predicts: by which evidence, in which order, and held against its first answer."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler
from safetensors.torch import save_file

from baret import EditOptions, Editor, InversionOptions
from baret.errors import UnsupportedModel
from baret.model.description import LoadOptions
from baret.model.loading import BUNDLED, inspect_model
from baret.model.prediction import PredictionFinding, confirm
from baret.model.probe import probe
from baret.model.stable_diffusion import StableDiffusion
from baret.options import ModelOptions
from tests.support.original_layout import original_weights
from tests.support.tiny_models import answer_the_noise, tiny_pipeline

STATISTIC = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def weights() -> dict[str, Weights]:
    return {
        "sd1": original_weights(tiny_pipeline("sd1")),
        "sd2": original_weights(tiny_pipeline("sd2")),
    }


def found(path: Path, setting: str = "auto") -> tuple[str, bool, str]:
    prediction = inspect_model(str(path), LoadOptions(prediction=setting)).prediction
    assert prediction is not None
    return prediction.type, prediction.zero_snr, prediction.found_by


V, EPSILON = "v_prediction", "epsilon"
EMPTY = torch.zeros(0)
YAML = "model:\n  params:\n    first_stage_config: x\n"

# metadata, marker keys, yaml → the type, whether with zero terminal SNR, and part of the evidence
EVIDENCE = {
    "nothing": ({}, (), "", (EPSILON, False, "usually")),
    "header, v": ({"modelspec.prediction_type": "v"}, (), "", (V, False, "modelspec")),
    "header, ε": ({"modelspec.prediction_type": "epsilon"}, (), "", (EPSILON, False, "modelspec")),
    "architecture": (
        {"modelspec.architecture": "stable-diffusion-v2-768-v"},
        (),
        "",
        (V, False, "modelspec.architecture"),
    ),
    "a trainer's header": (
        {"ss_v_parameterization": "True", "ss_zero_terminal_snr": "True"},
        (),
        "",
        (V, True, "ss_v_parameterization"),
    ),
    "key": ({}, ("v_pred",), "", (V, False, "key v_pred")),
    "keys": ({}, ("v_pred", "ztsnr"), "", (V, True, "key v_pred")),
    "yaml, v": ({}, (), f'{YAML}    parameterization: "v"\n', (V, False, "file.yaml")),
    "yaml, zero SNR": (
        {},
        (),
        f"{YAML}    parameterization: v\n    zero_terminal_snr: true\n",
        (V, True, "file.yaml"),
    ),
    "yaml, ε": ({}, (), YAML, (EPSILON, False, "file.yaml")),
    "header before key": (
        {"modelspec.prediction_type": "epsilon"},
        ("v_pred",),
        "",
        (EPSILON, False, "modelspec"),
    ),
    "key before yaml": ({}, ("v_pred",), YAML, (V, False, "key v_pred")),
}


@pytest.mark.parametrize(("metadata", "keys", "yaml", "expected"), EVIDENCE.values(), ids=EVIDENCE)
def test_a_files_evidence_counts_in_its_order(
    metadata: dict[str, str],
    keys: tuple[str, ...],
    yaml: str,
    expected: tuple[str, bool, str],
    weights: dict[str, Weights],
    tmp_path: Path,
) -> None:
    path = tmp_path / "file.safetensors"
    save_file(weights["sd1"] | dict.fromkeys(keys, EMPTY), path, metadata)
    if yaml:
        path.with_suffix(".yaml").write_text(yaml)
    *what, evidence = found(path)
    assert (*what,) == expected[:2]
    assert expected[2] in evidence


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("epsilon", (EPSILON, False)),
        ("v_prediction", (V, False)),
        ("v_prediction_zero_snr", (V, True)),
    ],
)
def test_the_setting_comes_before_everything(
    setting: str, expected: tuple[str, bool], weights: dict[str, Weights], tmp_path: Path
) -> None:
    path = tmp_path / "file.safetensors"
    save_file(weights["sd1"] | {"v_pred": EMPTY}, path, {"modelspec.prediction_type": "epsilon"})
    assert found(path, setting) == (*expected, "the setting BARET_PREDICTION")
    assert found(BUNDLED / "zoo", setting)[:2] == expected


@pytest.mark.parametrize(("spread", "kind", "size"), [(0.05, EPSILON, 512), (0.2, V, 768)])
def test_stable_diffusion_2_is_told_by_a_statistic(
    spread: float, kind: str, size: int, weights: dict[str, Weights], tmp_path: Path
) -> None:
    path, count = tmp_path / "file.safetensors", len(weights["sd2"][STATISTIC])
    biases = torch.linspace(-1, 1, count) * spread * 3**0.5  # of a uniform distribution
    save_file(weights["sd2"] | {STATISTIC: biases}, path)
    assert found(path)[0] == kind
    assert "statistic" in found(path)[2]
    assert inspect_model(str(path)).native_size == size


@pytest.mark.parametrize("kind", ["sample", "flow"])
def test_another_kind_of_prediction_is_refused(
    kind: str, weights: dict[str, Weights], tmp_path: Path
) -> None:
    path = tmp_path / "file.safetensors"
    save_file(weights["sd1"], path, {"modelspec.prediction_type": kind})
    assert f"the model predicts '{kind}'" in str(inspect_model(str(path)).problem)


# The first answer


def test_the_probe_tells_v_from_epsilon_from_neither(editor: Editor) -> None:
    """The bundled model predicts v; converted to ε, it is one that predicts ε."""
    model, alphas = editor.model, editor.model.schedule(1000).alphas[1:]
    text = model.embed("").embedding[None].expand(2, -1, -1)

    def raw(latents: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return model.unet(latents, steps, encoder_hidden_states=text).sample

    def converted(latents: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return model.predict_noise(latents, steps, text)

    def random(latents: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))

    shape = (4, 16, 16)
    assert probe(raw, alphas, shape) == V
    assert probe(converted, alphas, shape) == EPSILON
    assert probe(random, alphas, shape) is None
    assert probe(lambda latents, steps: latents / 0, alphas, shape) == "not finite"


def changed_zoo(tmp_path: Path, **scheduler: object) -> Path:
    folder = Path(shutil.copytree(BUNDLED / "zoo", tmp_path / "model"))
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | scheduler))
    return folder


def test_a_folder_that_claims_what_its_unet_does_not_do_is_refused(tmp_path: Path) -> None:
    folder = changed_zoo(tmp_path, prediction_type="epsilon")
    with pytest.raises(UnsupportedModel) as refused:
        StableDiffusion.from_pretrained(str(folder), device="cpu")
    for part in ("scheduler_config.json", "answers like a model that predicts v_prediction"):
        assert part in str(refused.value)
    assert "Set BARET_PREDICTION to v_prediction or, to insist, to epsilon." in str(refused.value)


def test_the_setting_is_followed_with_a_note() -> None:
    model = StableDiffusion.from_pretrained(
        "zoo", device="cpu", options=ModelOptions(prediction="epsilon")
    )
    assert model.description is not None
    (note,) = model.description.notes
    assert "answers like a model that predicts v_prediction" in note
    output = torch.ones(1, 4, 16, 16)
    text = model.embed("").embedding[None]
    raw = model.unet(output, 10, encoder_hidden_states=text).sample
    assert torch.equal(model.predict_noise(output, [10], text), raw)


def test_a_guess_gives_way_to_the_first_answer(tmp_path: Path) -> None:
    """A Stable Diffusion 2 base whose statistic looks like that of a v model."""
    pipeline = tiny_pipeline("sd2")
    answer_the_noise(pipeline.unet)
    weights = original_weights(pipeline)
    weights[STATISTIC] = torch.linspace(-1, 1, len(weights[STATISTIC]))
    save_file(weights, tmp_path / "file.safetensors")
    assert found(tmp_path / "file.safetensors")[0] == V
    model = StableDiffusion.from_pretrained(str(tmp_path / "file.safetensors"), device="cpu")
    assert model.description is not None and model.description.prediction is not None
    assert model.description.prediction.type == EPSILON
    assert "first answer" in model.description.prediction.found_by
    assert model.native_size == model.description.native_size == 512


@pytest.mark.parametrize(
    ("weight", "verdict", "expected", "notes"),
    [
        ("claim", EPSILON, EPSILON, 0),
        ("claim", None, EPSILON, 1),
        ("guess", V, V, 0),
        ("guess", None, EPSILON, 1),
        ("setting", V, EPSILON, 1),
    ],
)
def test_what_is_taken_after_the_first_answer(
    weight: str, verdict: str | None, expected: str, notes: int
) -> None:
    prediction = PredictionFinding(EPSILON, False, "a test", weight)  # type: ignore[arg-type]
    taken, said = confirm(prediction, verdict, "a model")
    assert (taken.type, len(said)) == (expected, notes)


# Zero terminal SNR


@pytest.fixture(scope="module")
def zero_snr() -> Editor:
    """The bundled model as if trained on betas that end in pure noise."""
    options = ModelOptions(prediction="v_prediction_zero_snr")
    return Editor.from_pretrained("zoo", device="cpu", options=options)


def test_with_zero_terminal_snr_betas_are_rescaled_and_the_last_level_is_not_pure_noise(
    zero_snr: Editor, editor: Editor
) -> None:
    published = DDIMScheduler.from_config(
        json.loads((BUNDLED / "zoo" / "scheduler" / "scheduler_config.json").read_text()),
        rescale_betas_zero_snr=True,
    )
    assert float(published.alphas_cumprod[-1]) == 0
    for steps in (10, 50, 1000):
        schedule = zero_snr.model.schedule(steps)
        assert schedule.timesteps[-1] <= 998
        assert (schedule.alphas > 0).all()
        expected = published.alphas_cumprod[list(schedule.timesteps)]
        torch.testing.assert_close(schedule.alphas[1:], expected)
    assert editor.model.schedule(1000).timesteps[-1] == 999  # as ever without
    assert zero_snr.model.identity != editor.model.identity


def test_with_zero_terminal_snr_a_photo_comes_back_exactly(zero_snr: Editor, sample) -> None:
    options = InversionOptions(num_inference_steps=5, inner_steps=0)
    inversion = zero_snr.invert(sample.image, sample.prompt, options)
    assert torch.isfinite(inversion.pivots).all()
    schedule = zero_snr.model.schedule(5)
    latents, text = inversion.pivots[5][None], inversion.tuned
    for level in range(5, 0, -1):
        # The ε of the way there leads back.
        noise = schedule.noise_between(latents, inversion.pivots[level - 1][None], level=level)
        latents = schedule.step(latents, noise, level=level)
    torch.testing.assert_close(latents[0], inversion.pivots[0], atol=1e-3, rtol=1e-3)
    assert text.isfinite().all()
    edited = zero_snr.edit(inversion, sample.prompt, EditOptions(inversion=options))
    assert edited.reconstruction_psnr > 25
