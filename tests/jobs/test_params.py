from typing import Any

import pytest
from pydantic import ValidationError

from jobs.schema import Model, Params, ParamsAsked


def test_the_preset_fills_in_what_was_not_given(model: Model) -> None:
    params = Params.resolve(ParamsAsked(preset="style"), model.presets)
    assert params.interpolation == 0.7
    assert params.self_attention_until == 0.4
    assert params.cross_attention_until == 0.6


def test_what_was_given_wins_over_the_preset(model: Model) -> None:
    asked = ParamsAsked(interpolation=0.0, cross_attention_until=1)
    params = Params.resolve(asked, model.presets)
    assert (params.interpolation, params.cross_attention_until) == (0.0, 1)
    assert params.self_attention_until == 0.4


def test_each_interpolation_is_one_output_in_the_order_asked(model: Model) -> None:
    one = Params.resolve(ParamsAsked(interpolation=0.3), model.presets)
    many = Params.resolve(ParamsAsked(interpolation=[0.9, 0.1]), model.presets)
    assert one.interpolations == (0.3,)
    assert many.interpolations == (0.9, 0.1)


@pytest.mark.parametrize(
    "asked",
    [
        {"interpolation": -0.01},
        {"interpolation": 1.01},
        {"interpolation": float("nan")},
        {"interpolation": []},
        {"interpolation": [0.1] * 9},
        {"self_attention_until": 2},
        {"num_inference_steps": 9},
        {"num_inference_steps": 101},
        {"num_inference_steps": 10.5},
        {"guidance_scale": 0.9},
        {"guidance_scale": float("inf")},
        {"inner_steps": 51},
        {"seed": -1},
        {"seed": 2**32},
        {"quality": 0},
        {"output_format": "gif"},
        {"preset": "magic"},
        {"webhook_events": []},
        {"webhook_events": ["edit.exploded"]},
        {"webhook_url": "https://x.example/" + "y" * 2048},
        {"steps": 50},
    ],
)
def test_what_is_out_of_range_or_unknown_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ParamsAsked(**asked)
