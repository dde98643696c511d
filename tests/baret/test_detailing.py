"""Edits with `detail` of photos larger than the model: what is drawn again, and what is not."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from baret import EditOptions, Editor, EditResult, Inversion, InversionOptions
from baret.errors import OptionsError
from baret.images import Pixels
from baret.model.world import World
from baret.options import PAPER, PaperTuning
from baret.progress import Progress
from zoo.edits import tuning_edits
from zoo.render import render

FAST = EditOptions(inversion=InversionOptions(num_inference_steps=10, inner_steps=2))
CASE = tuning_edits()[0]
SIDE = 384  # pixels, three times the bundled model's


@pytest.fixture(scope="module")
def photo() -> Pixels:
    return render(CASE.before, SIDE)


@pytest.fixture(scope="module")
def inversion(editor: Editor, photo: Pixels) -> Inversion:
    return editor.invert(Image.fromarray(photo), CASE.prompt, FAST.inversion)


@pytest.fixture(scope="module")
def results(editor: Editor, inversion: Inversion) -> dict[str, EditResult]:
    """Return the edits in each form, from one inversion."""
    return {
        detail: editor.edit(inversion, CASE.prompt, replace(FAST, detail=detail, artifacts=True))
        for detail in ("off", "auto", "full")
    }


def codes(result: EditResult) -> list[str]:
    return [hint.code for hint in result.hints]


def fine_detail(image: Image.Image, inside: np.ndarray) -> float:
    """Return the energy of what a picture of the model's size, enlarged, cannot have."""
    small = image.resize((128, 128), Image.Resampling.BOX)
    enlarged = small.resize(image.size, Image.Resampling.BICUBIC)
    error = np.asarray(image, float) - np.asarray(enlarged, float)
    return float(np.square(error).mean(-1)[inside].mean())


def test_the_changed_part_is_drawn_again_and_the_rest_stays_the_photos(
    results: dict[str, EditResult], photo: Pixels
) -> None:
    off = results["off"]
    for detail in ("auto", "full"):
        output = results[detail].outputs[0]
        assert output.image.size == (SIDE, SIDE) and output.mask is not None
        shown = np.asarray(output.mask)
        image = np.asarray(output.image)
        assert (image[shown == 0] == photo[shown == 0]).all() and (shown == 0).mean() > 0.1
        inside = shown == 255
        assert (image != np.asarray(off.image)).any(-1)[inside].mean() > 0.5
        assert fine_detail(output.image, inside) > 1.5 * fine_detail(off.image, inside)


def test_the_edit_keeps_its_layout(results: dict[str, EditResult]) -> None:
    small = [np.asarray(results[name].image.resize((24, 24)), float) for name in results]
    assert np.abs(small[1] - small[0]).mean() < 12
    assert np.abs(small[2] - small[0]).mean() < 12


def test_the_same_request_gives_the_same_bytes(
    editor: Editor, inversion: Inversion, results: dict[str, EditResult]
) -> None:
    again = editor.edit(inversion, CASE.prompt, replace(FAST, detail="auto"))
    assert again.image.tobytes() == results["auto"].image.tobytes()


def test_a_photo_of_the_models_own_size_gains_nothing_and_stays_as_without(
    editor: Editor, sample: Image.Image
) -> None:
    edits = [
        editor.edit(sample.image, sample.prompt, replace(FAST, detail=detail))
        for detail in ("off", "full")
    ]
    assert edits[0].image.tobytes() == edits[1].image.tobytes()
    assert edits[0].hints == edits[1].hints and "detail_not_learned" not in codes(edits[0])


def test_a_model_that_was_not_trained_on_parts_of_pictures_says_so(
    editor: Editor, inversion: Inversion, results: dict[str, EditResult]
) -> None:
    assert "detail_not_learned" not in codes(results["off"])
    for detail in ("auto", "full"):
        hint = results[detail].hints[0]
        assert codes(results[detail]) == ["detail_not_learned", *codes(results["off"])]
        assert hint.words == () and len(hint.detail) <= 300
        assert "Set it to “off” and compare" in hint.detail


def test_a_model_that_knows_parts_or_does_not_say_gives_no_warning() -> None:
    for knows in (True, None):
        assert World(min_psnr=30.0, trained_on_parts=knows).detail_hints() == ()


def test_every_output_is_drawn_again_in_a_stage_of_its_own(
    editor: Editor, inversion: Inversion
) -> None:
    reports: list[Progress] = []
    options = replace(FAST, detail="auto", strength=(1.0, 0.8))
    result = editor.edit(inversion, CASE.prompt, options, on_progress=reports.append)
    assert _in_order(report.stage for report in reports) == ["editing", "detailing"]
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    assert set(result.seconds) == {"editing", "detailing", "decoding"}
    assert result.outputs[0].image.tobytes() != result.outputs[1].image.tobytes()


def _in_order(stages: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(stages))


def test_a_cancel_during_the_second_pass_leaves_the_editor_usable(
    editor: Editor, inversion: Inversion, results: dict[str, EditResult]
) -> None:
    class Canceled(Exception):
        pass

    def cancel(progress: Progress) -> None:
        if progress.stage == "detailing" and progress.step == 1:
            raise Canceled

    options = replace(FAST, detail="auto")
    with pytest.raises(Canceled):
        editor.edit(inversion, CASE.prompt, options, on_progress=cancel)
    again = editor.edit(inversion, CASE.prompt, options)
    assert again.image.tobytes() == results["auto"].image.tobytes()


def test_the_papers_form_draws_the_whole_photo_again(editor: Editor, photo: Pixels) -> None:
    paper = InversionOptions(num_inference_steps=5, paper=PaperTuning(inner_steps=0))
    options = replace(PAPER, inversion=paper)
    inversion = editor.invert(Image.fromarray(photo), CASE.prompt, paper)
    plain, fine = (
        editor.edit(inversion, CASE.prompt, replace(options, detail=detail)).image
        for detail in ("off", "auto")
    )
    everywhere = np.ones((SIDE, SIDE), bool)
    assert fine.size == (SIDE, SIDE)
    assert fine_detail(fine, everywhere) > fine_detail(plain, everywhere)


def test_an_unknown_detail_is_refused_by_name() -> None:
    with pytest.raises(OptionsError, match="off, auto, full"):
        EditOptions(detail="some")  # type: ignore[arg-type]
