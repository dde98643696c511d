from dataclasses import replace

import numpy as np
import pytest

from baret import EditOptions, InversionOptions
from bench.ablations.variants import Variant, edit_variant
from bench.edits.baret_editor import baret

FAST = EditOptions(
    self_attention_until=0.6,
    change_thresholds=None,
    guidance_end=None,  # full guidance to the end makes small differences large
    inversion=InversionOptions(num_inference_steps=4, inner_steps=1),
)


def _difference(a, b):
    return np.abs(a.astype(int) - b).mean()


@pytest.fixture(scope="module")
def shipped(bundled, batch):
    return baret(bundled, batch, FAST)


def test_a_variant_that_varies_nothing_is_the_shipped_edit(bundled, batch, shipped):
    same = edit_variant(bundled, batch, Variant(FAST))
    assert _difference(same.images, shipped.images) < 0.05
    assert _difference(same.reconstruct(), shipped.reconstruct()) < 0.05


@pytest.mark.parametrize(
    "variant",
    [
        Variant(FAST, pivots="target"),
        Variant(FAST, pivots="source"),
        Variant(FAST, start="empty"),
        Variant(FAST, base="tuned"),
        Variant(FAST, balance=0.3),
        Variant(FAST, contents_from=0.0),
        Variant(FAST, layers=(0.5, 1.0)),
    ],
)
def test_every_switch_makes_a_difference(bundled, batch, shipped, variant):
    assert _difference(edit_variant(bundled, batch, variant).images, shipped.images) > 0.1


def test_no_strength_and_no_layers_are_no_balance(model, batch):
    off = replace(FAST, self_attention_until=0.0, cross_attention_until=0.0)
    plain = edit_variant(model, batch, Variant(off))
    soft = edit_variant(model, batch, Variant(FAST, balance=0.0))
    nowhere = edit_variant(model, batch, Variant(FAST, layers=(0.0, 0.0)))
    assert _difference(soft.images, plain.images) < 0.05
    assert _difference(nowhere.images, plain.images) < 0.05
