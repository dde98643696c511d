import math

import pytest

from baret import EditOptions, InversionOptions
from baret.errors import OptionsError
from baret.options import PRESETS


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_in_what_was_not_given(preset):
    options = EditOptions(preset=preset, interpolation=0.123)
    assert options.interpolations == (0.123,)
    assert options.windows == PRESETS[preset][1:]


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_inference_steps": 0},
        {"guidance_scale": 0.5},
        {"inner_steps": -1},
        {"learning_rate": 0},
        {"stop_loss": math.nan},
    ],
)
def test_inversion_options_out_of_range_are_refused_when_made(wrong):
    with pytest.raises(OptionsError, match=next(iter(wrong))):
        InversionOptions(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "magic"},
        {"interpolation": 1.1},
        {"interpolation": (0.5, -0.1)},
        {"interpolation": ()},
        {"interpolation_end": 2},
        {"self_attention_until": math.nan},
        {"cross_attention_until": -0.1},
    ],
)
def test_edit_options_out_of_range_are_refused_when_made(wrong):
    with pytest.raises(OptionsError):
        EditOptions(**wrong)
