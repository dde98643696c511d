import numpy as np
import pytest
import torch
from PIL import Image

from baret import EditOptions, InversionOptions
from baret.editor import Editor
from baret.unet.requests import NoiseTarget, Prediction, Request, StageProgress
from bench.edits.baret_editor import baret
from bench.edits.lockstep import run_together

# To this model every text is a new look, which `auto` would try in two ways.
OPTIONS = EditOptions(
    preset="non_rigid", inversion=InversionOptions(num_inference_steps=5, inner_steps=2)
)


def test_lockstep_edits_like_the_editor_one_by_one(model, batch):
    edited = baret(model, batch, OPTIONS)
    editor = Editor(model.model)
    for i, prompt in enumerate(batch.prompts):
        alone = editor.edit(Image.fromarray(batch.sources[i]), prompt, OPTIONS)
        # Batches of other sizes add in another order; the measured difference is at most one level.
        assert np.abs(np.asarray(alone.image).astype(int) - edited.images[i]).max() <= 2
        rebuilt = np.asarray(alone.reconstruction).astype(int)
        assert np.abs(rebuilt - edited.reconstruct()[i]).max() <= 2


def test_lockstep_makes_fewer_calls(model, batch):
    with model.measured() as together:
        baret(model, batch, OPTIONS)
    with model.measured() as alone:
        Editor(model.model).edit(Image.fromarray(batch.sources[0]), batch.prompts[0], OPTIONS)
    assert together.calls < 1.5 * alone.calls
    assert together.rows == pytest.approx(2 * alone.rows, rel=0.2)  # inner loops may end early


def test_a_kept_inversion_is_used_again_and_edits_the_same(model, batch):
    first = baret(model, batch, OPTIONS)
    with model.remembering():
        with model.measured() as first_run:
            baret(model, batch, OPTIONS)
        with model.measured() as recalled:
            again = baret(model, batch, OPTIONS)
    assert not first_run.recalled and recalled.recalled
    assert recalled.rows <= first_run.rows / 2 and recalled.backward_rows == 0
    assert np.array_equal(first.images, again.images)


class Counting:
    """Answers with the latents themselves, and records the rows of each call."""

    def __init__(self):
        self.calls = []

    def answer(self, request):
        self.calls.append(len(request))
        if request.target is None:
            return Prediction(request.latents)
        return Prediction(request.latents, request.latents.mean((1, 2, 3)), request.embeddings)


def _tuning(inner_steps):
    """Request like `baret.method.paper.tune`, with a different inner loop per timestep."""
    latents, text = torch.zeros(1, 4, 1, 1), torch.zeros(1, 2, 3)
    count = len(inner_steps)
    for step, inner in enumerate(inner_steps):
        yield Request(StageProgress("tuning", step, step / count), latents, (9 - step,), text)
        for i in range(inner):
            done = (step + 0.95 * i / 4) / count
            yield Request(
                StageProgress("tuning", step, done),
                latents,
                (9 - step,),
                text,
                target=NoiseTarget(latents, torch.ones(1)),
            )
        yield Request(
            StageProgress("tuning", step, (step + 0.95) / count), latents, (9 - step,), text
        )


def test_who_ends_an_inner_loop_early_waits_for_the_others():
    model = Counting()
    run_together(model, [_tuning([1, 3]), _tuning([4, 3])])
    #            ∅  inner loops     last step
    assert model.calls == [2, 2, 1, 1, 1, 2, *[2, 2, 2, 2, 2]]


def _stages(*names):
    """Request two rows in each of some stages."""
    latents, text = torch.zeros(1, 4, 1, 1), torch.zeros(1, 2, 3)
    for name in names:
        for done in (0.0, 0.5):
            yield Request(StageProgress(name, 0, done), latents, (9,), text)


@pytest.mark.parametrize("names", [("tuning", "inverting"), ("inverting", "tuning")])
def test_stages_are_compared_in_the_order_in_which_they_are_entered(names):
    model = Counting()
    run_together(model, [_stages(*names, "editing"), _stages(*names, "editing")])
    assert model.calls == [2] * 6


def test_an_edit_that_asks_for_nothing_ends_at_once(model):
    def idle():
        return 7
        yield

    assert run_together(model.predictor, [idle(), idle()]) == [7, 7]
