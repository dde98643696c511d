import numpy as np
import pytest
import torch
from PIL import Image

from baret import EditOptions, InversionOptions
from baret.attention import Injection
from baret.editor import Editor
from baret.engine import Engine, Request, Where
from bench.edits.lockstep import merge, run_together, split
from bench.edits.ours import baret

OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=5, inner_steps=2))


def test_lockstep_edits_like_the_editor_one_by_one(model, batch):
    edited = baret(model, batch, OPTIONS)
    editor = Editor(model.model)
    for i, prompt in enumerate(batch.prompts):
        alone = editor.edit(Image.fromarray(batch.sources[i]), prompt, OPTIONS)
        # Another batch size sums in another order: measured, at most one grey level.
        assert np.abs(np.asarray(alone.picture).astype(int) - edited.pictures[i]).max() <= 2
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
        with model.measured() as kept:
            baret(model, batch, OPTIONS)
        with model.measured() as recalled:
            again = baret(model, batch, OPTIONS)
    assert not kept.recalled and recalled.recalled
    assert recalled.rows < kept.rows / 2 and recalled.backward_rows == 0
    assert np.array_equal(first.pictures, again.pictures)


class Counting:
    """Predicts the latents themselves, and knows how many rows each call had."""

    unet = torch.nn.Identity()
    gradient_scale = 1.0

    def __init__(self):
        self.calls = []

    def predict_noise(self, latents, timesteps, embeddings):
        self.calls.append(len(latents))
        return latents + embeddings.mean()


def _tuning(inner_steps):
    """As `baret.inversion.tune` asks: an inner loop of a length of its own a timestep."""
    latents, text = torch.zeros(1, 4, 1, 1), torch.zeros(1, 2, 3)
    count = len(inner_steps)
    for step, inner in enumerate(inner_steps):
        yield Request(Where("tuning", step, step / count), latents, (9 - step,), text)
        for i in range(inner):
            done = (step + 0.95 * i / 4) / count
            yield Request(
                Where("tuning", step, done),
                latents,
                (9 - step,),
                text,
                loss=lambda n: n.sum((1, 2, 3)),
            )
        yield Request(Where("tuning", step, (step + 0.95) / count), latents, (9 - step,), text)


def test_who_ends_an_inner_loop_early_waits_for_the_others():
    model = Counting()
    run_together(Engine(model), [_tuning([1, 3]), _tuning([4, 3])])
    #            ∅  inner loops     last step
    assert model.calls == [2, 2, 1, 1, 1, 2, *[2, 2, 2, 2, 2]]


def _request(rows, injection=None, loss=None):
    latents = torch.arange(rows * 4.0).view(rows, 4, 1, 1)
    where = Where("editing", 0, 0)
    return Request(where, latents, (1,) * rows, latents[:, :, 0], injection, loss=loss)


def test_injected_rows_count_within_their_own_request():
    merged = merge(
        [
            _request(2, Injection((1, 1), (0, 1))),
            _request(3, Injection((0, 0, 2), (0, 1, 1))),
        ]
    )
    assert merged.injection == Injection((1, 1, 2, 2, 4), (0, 1, 2, 3, 3))


def test_every_request_keeps_its_own_loss_and_gets_its_own_rows(model):
    text = model.embed(["", ""])
    latents = torch.zeros(2, 4, model.model.unet.config.sample_size, 1)
    latents = latents.expand(-1, -1, -1, latents.shape[2])
    requests = [
        Request(
            Where("tuning", 0, 0),
            latents[:rows],
            (1,) * rows,
            text[:rows],
            loss=lambda noise, factor=factor: factor * noise.square().mean((1, 2, 3)),
        )
        for rows, factor in ((1, 1.0), (2, 3.0))
    ]
    one, two = split(Engine(model.model).answer(merge(requests)), [1, 2])
    assert one.losses.shape == (1,) and two.losses.shape == (2,)
    torch.testing.assert_close(two.losses, 3 * one.losses.expand(2))
    torch.testing.assert_close(two.gradient[1], 3 * one.gradient[0], rtol=1e-3, atol=1e-7)


def test_an_edit_that_asks_for_nothing_ends_at_once(model):
    def idle():
        return 7
        yield

    assert run_together(Engine(model.model), [idle(), idle()]) == [7, 7]
