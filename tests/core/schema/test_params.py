from typing import Any

import pytest
from pydantic import ValidationError

from core.errors import UnknownPreset
from core.schema import Model, Params, ParamsInput


def test_the_preset_fills_in_what_was_not_given(model: Model) -> None:
    params = Params.resolve(ParamsInput(preset="style"), model.presets)
    assert params.strength == 0.7
    assert params.self_attention_until == 0.4
    assert params.cross_attention_until == 0.6


def test_what_was_given_wins_over_the_preset(model: Model) -> None:
    given = ParamsInput(strength=0.0, cross_attention_until=1)
    params = Params.resolve(given, model.presets)
    assert (params.strength, params.cross_attention_until) == (0.0, 1)
    assert params.self_attention_until == 0.4


def test_a_preset_that_the_model_has_not_announced_is_refused_with_the_known_ones(
    model: Model,
) -> None:
    with pytest.raises(UnknownPreset, match=r"Known: auto, background, non_rigid, object, style\."):
        Params.resolve(ParamsInput(preset="magic"), model.presets)


def test_each_strength_is_one_output_in_the_order_asked(model: Model) -> None:
    one = Params.resolve(ParamsInput(strength=0.3), model.presets)
    many = Params.resolve(ParamsInput(strength=[0.9, 0.1]), model.presets)
    assert one.strengths == (0.3,)
    assert many.strengths == (0.9, 0.1)


@pytest.mark.parametrize(
    "params",
    [
        {"strength": -0.01},
        {"strength": 1.01},
        {"strength": float("nan")},
        {"strength": []},
        {"strength": [0.1] * 9},
        {"self_attention_until": 2},
        {"self_attention_until": -0.1},
        {"cross_attention_until": 1.1},
        {"cross_attention_until": -0.1},
        {"num_inference_steps": 0},
        {"num_inference_steps": 101},
        {"num_inference_steps": 10.5},
        {"guidance_scale": 0.9},
        {"guidance_scale": 20.1},
        {"guidance_scale": float("inf")},
        {"inner_steps": -1},
        {"inner_steps": 51},
        {"seed": -1},
        {"seed": 2**32},
        {"quality": 0},
        {"quality": 101},
        {"output_format": "gif"},
        {"detail": "some"},
        {"preset": "Magic"},
        {"preset": "x" * 65},
        {"webhook_events": []},
        {"webhook_events": ["edit.exploded"]},
        {"webhook_url": "https://x.example/" + "y" * 2048},
        {"steps": 50},
    ],
)
def test_what_is_out_of_range_or_unknown_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ParamsInput(**params)


# docs/api.md, "Parameters": both ends of each range, and every name.
ACCEPTED: dict[str, list[Any]] = {
    "preset": ["auto", "non_rigid", "object", "style", "background"],
    "strength": [0, 1, [0.5], [i / 7 for i in range(8)]],
    "self_attention_until": [0, 1],
    "cross_attention_until": [0, 1],
    "num_inference_steps": [1, 100],
    "guidance_scale": [1, 20],
    "inner_steps": [0, 50],
    "seed": [0, 2**32 - 1],
    "detail": ["off", "auto", "full"],
    "output_format": ["png", "webp", "jpeg"],
    "quality": [1, 100],
    "artifacts": [False, True],
    "previews": [False, True],
    "webhook_url": [None, "https://x.example/" + "y" * 2030],
    "webhook_events": [
        ["edit.started", "edit.progress", "edit.succeeded", "edit.failed", "edit.canceled"]
    ],
}


@pytest.mark.parametrize("name", ParamsInput.model_fields)
def test_all_that_is_promised_is_accepted(name: str, model: Model) -> None:
    for value in ACCEPTED[name]:
        params = Params.resolve(ParamsInput(**{name: value}), model.presets)
        assert getattr(params, name) == value


def test_every_choice_that_takes_longer_is_more_work(model: Model) -> None:
    def work(**params: Any) -> float:
        return Params.resolve(ParamsInput(**params), model.presets).work

    usual = work()
    assert work(inner_steps=9) > usual and work(num_inference_steps=21) > usual
    assert work(strength=[0.2, 0.9]) > usual
    # Without tuning: twelve rows to find what changes, 10 to invert, and 10 × 2 for one output.
    assert work(inner_steps=0, num_inference_steps=10) == 12 + 10 + 20


def test_what_neither_caller_nor_preset_decides_is_the_models(model: Model) -> None:
    defaults = {"num_inference_steps": 8, "guidance_scale": 1.0, "inner_steps": 3}
    own = Params.resolve(ParamsInput(), model.presets, defaults)
    assert (own.num_inference_steps, own.guidance_scale, own.inner_steps) == (8, 1.0, 8)
    given = Params.resolve(ParamsInput(num_inference_steps=30), model.presets, defaults)
    assert (given.num_inference_steps, given.guidance_scale) == (30, 1.0)
    usual = Params.resolve(ParamsInput(), model.presets)
    assert (usual.num_inference_steps, usual.guidance_scale) == (20, 4.0)
