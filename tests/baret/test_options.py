import math

import pytest

from baret import EditOptions, InversionOptions
from baret.errors import OptionsError
from baret.options import PAPER, PRESETS, PaperTuning


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_fills_in_what_was_not_given(preset):
    options = EditOptions(preset=preset, strength=0.123)
    assert options.strengths == (0.123,)
    assert options.windows == PRESETS[preset][1:]
    assert EditOptions(preset=preset).strengths == (PRESETS[preset].strength,)


def test_several_strengths_are_as_many_outputs_in_their_order():
    assert EditOptions(strength=(0.9, 0.1)).strengths == (0.9, 0.1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_inference_steps": 0},
        {"inner_steps": -1},
        {"learning_rate": 0},
        {"learning_rate": math.nan},
        {"seed": -1},
    ],
)
def test_inversion_options_out_of_range_are_refused_when_made(wrong):
    with pytest.raises(OptionsError, match=next(iter(wrong))):
        InversionOptions(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"guidance_scale": 0.5},
        {"inner_steps": -1},
        {"learning_rate": 0},
        {"stop_loss": math.nan},
        {"stop_loss_growth": 2},
    ],
)
def test_options_of_the_papers_tuning_out_of_range_are_refused_when_made(wrong):
    with pytest.raises(OptionsError, match=next(iter(wrong))):
        PaperTuning(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "magic"},
        {"strength": 1.1},
        {"strength": (0.5, -0.1)},
        {"strength": ()},
        {"self_attention_until": math.nan},
        {"cross_attention_until": -0.1},
        {"guidance_scale": 0.5},
        {"guidance_end": 51},
        {"change_thresholds": (0.1, 1.1)},
        {"change_thresholds": (0.3, 0.2)},
    ],
)
def test_edit_options_out_of_range_are_refused_when_made(wrong):
    with pytest.raises(OptionsError):
        EditOptions(**wrong)


def test_the_papers_form_adds_nothing_of_ours():
    assert PAPER.inversion.paper is not None
    assert PAPER.change_thresholds is None and PAPER.guidance_end is None
    assert EditOptions().inversion.paper is None
