"""Which edits are refined, by the bundled model."""

from dataclasses import replace

import numpy as np
import pytest

from baret import EditOptions, InversionOptions

OPTIONS = EditOptions(
    min_advantage=None, inversion=InversionOptions(num_inference_steps=20, inner_steps=8)
)


@pytest.fixture(scope="module")
def inversion(editor, sample):
    return editor.invert(sample.image, sample.prompt, OPTIONS.inversion)


def edits(editor, inversion, strength):
    """Return an edit without refining and the same with it, [H, W, 3] each."""
    return [
        np.asarray(editor.edit(inversion, inversion.prompt, options).image).astype(int)
        for options in (
            replace(OPTIONS, strength=strength, refine=0.0),
            replace(OPTIONS, strength=strength),
        )
    ]


def test_a_new_posture_is_drawn_again_and_what_is_kept_stays(editor, inversion):
    plain, refined = edits(editor, inversion, 1.0)
    changed = np.abs(plain - refined).max(-1) > 10
    assert 0.02 < changed.mean() < 0.75
    kept = (plain == inversion.photo).all(-1) & (refined == inversion.photo).all(-1)
    assert kept.mean() > 0.2


def test_an_edit_that_keeps_the_photo_is_not(editor, inversion):
    plain, refined = edits(editor, inversion, 0.0)
    assert np.array_equal(plain, refined)
