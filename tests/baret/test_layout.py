"""When an edit is drawn on the photo's layout, by the bundled model."""

import json
from typing import Any

import numpy as np
import pytest
from PIL import Image

from baret import EditOptions, Editor, InversionOptions
from baret.result import Inversion
from tests.support.samples import SAMPLES

INVERSION = InversionOptions(num_inference_steps=10)


@pytest.fixture(scope="module")
def style(editor: Editor) -> Inversion:
    """Return the sample that is to be drawn in another style, inverted."""
    index = json.loads((SAMPLES / "index.json").read_text("utf-8"))
    sample = next(one for one in index if one["kind"] == "style")
    photo = Image.open(SAMPLES / sample["file"])
    return editor.invert(photo, sample["prompt"], INVERSION)


def drawn(editor: Editor, inversion: Inversion, **changes: Any) -> np.ndarray:
    options = EditOptions(refine=0.0, inversion=INVERSION, **changes)
    return np.asarray(editor.edit(inversion, inversion.prompt, options).image)


def test_auto_draws_a_new_style_on_the_photos_layout(editor: Editor, style: Inversion) -> None:
    found = drawn(editor, style)
    assert np.array_equal(found, drawn(editor, style, preset="style"))
    assert not np.array_equal(found, drawn(editor, style, preset="non_rigid"))


def test_windows_that_were_asked_for_stay(editor: Editor, style: Inversion) -> None:
    asked = drawn(editor, style, self_attention_until=0.3)
    assert not np.array_equal(asked, drawn(editor, style))


def test_auto_draws_freely_if_the_layout_keeps_the_text_from_showing(
    editor: Editor, style: Inversion, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = drawn(editor, style, preset="non_rigid", min_advantage=None)
    advantages = [0.0, 0.2]  # of the edit on the layout, and of the free one

    def found(*_: Any) -> Any:
        return advantages.pop(0)
        yield

    monkeypatch.setattr("baret.drawing.advantage", found)
    assert np.array_equal(drawn(editor, style), free)
    assert not advantages


def test_a_new_posture_is_drawn_freely(editor: Editor, sample: Any) -> None:
    inversion = editor.invert(sample.image, sample.prompt, INVERSION)
    free = drawn(editor, inversion, preset="non_rigid")
    assert np.array_equal(drawn(editor, inversion), free)
