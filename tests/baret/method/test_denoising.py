"""The branches of the edit: on the bundled model, and row by row on a linear stand-in for it."""

from dataclasses import replace

import pytest
import torch

from baret import EditOptions, InversionOptions
from baret.method.ddim import guide
from baret.method.denoising import DenoisingOptions, Texts, denoise
from baret.method.transition import transition
from baret.unet.attention import Injection
from baret.unet.requests import Conditioning, Prediction, stack_embeddings

STEPS = 10
INVERSION = InversionOptions(num_inference_steps=STEPS, inner_steps=2)
PLAIN = DenoisingOptions(0.0, 0.0, 3.0)


@pytest.fixture(scope="module")
def inversion(editor, sample):
    return editor.invert(sample.image, sample.prompt, INVERSION)


def texts_of(editor, inversion, strength=1.0):
    target = editor.model.embed(inversion.prompt)
    source = target.with_embedding(inversion.tuned[0])
    mixed = transition(inversion.tuned, target.embedding, strength)
    return Texts(target.with_embedding(mixed[0]), source, [source] * STEPS)


def run(editor, inversion, options, strength=1.0, mask=None):
    texts = texts_of(editor, inversion, strength)
    edit = denoise(inversion.pivots, texts, editor.model.schedule(STEPS), options, mask)
    return editor.engine.run(edit, lambda progress: None).latents


def distance(latents, inversion):
    return float((latents - inversion.pivots[0]).square().mean())


@pytest.fixture(scope="module")
def free(editor, inversion):
    return run(editor, inversion, PLAIN)


@torch.no_grad()
def test_with_windows_of_zero_and_no_mask_the_edit_is_plain_guided_ddim(editor, inversion, free):
    model, texts, z = editor.model, texts_of(editor, inversion), inversion.pivots[-1][None]
    schedule = model.schedule(STEPS)
    both = stack_embeddings([texts.away, texts.edit])
    for level in range(STEPS, 0, -1):
        timesteps = [schedule.timestep(level)] * 2
        away, toward = model.predict_noise(torch.cat([z, z]), timesteps, both).chunk(2)
        z = schedule.step(z, guide(away, toward, 3.0), level=level)
    torch.testing.assert_close(free, z[0], atol=1e-4, rtol=1e-3)


def test_strength_zero_stays_at_the_photo_and_one_goes(editor, inversion, free):
    stayed = run(editor, inversion, PLAIN, strength=0.0)
    assert distance(stayed, inversion) < 0.25 * distance(free, inversion)


def test_outside_the_mask_the_edit_is_the_photo_and_inside_it_is_not(editor, inversion):
    mask = torch.ones(inversion.pivots.shape[-2:])
    mask[:, :6] = 0
    held = run(editor, inversion, PLAIN, mask=mask)
    photo = inversion.pivots[0]
    torch.testing.assert_close(held[..., :6], photo[..., :6])
    assert (held[..., 6:] - photo[..., 6:]).abs().mean() > 0.05


def test_attention_of_the_reconstruction_moves_the_edit_towards_the_photo(editor, inversion, free):
    held = run(editor, inversion, replace(PLAIN, self_attention_until=1.0))
    assert distance(held, inversion) < 0.95 * distance(free, inversion)


class Linear:
    """Stands in for the UNet: predicts from latents and text, and keeps what it was asked."""

    def __init__(self):
        self.requests = []

    def answer(self, request):
        self.requests.append(request)
        text = request.embeddings.mean((1, 2))[:, None, None, None]
        return Prediction(0.1 * request.latents + text)


def text(value):
    return Conditioning(torch.full((2, 3), value))


EDIT, AWAY, OTHER = text(0.5), text(-0.25), text(0.125)
PIVOTS = torch.randn(STEPS + 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def asked(editor, options, transition=None):
    """Denoise on the stand-in; return its requests and the result."""
    texts = Texts(EDIT, AWAY, [OTHER] * STEPS, transition and [transition] * STEPS)
    unet = Linear()
    edit, answer = denoise(PIVOTS, texts, editor.model.schedule(STEPS), options), None
    with pytest.raises(StopIteration) as stop:
        while True:
            answer = unet.answer(edit.send(answer))
    return unet.requests, stop.value.value.latents


def rows_of(requests):
    return [len(request) for request in requests]


def test_the_reconstruction_lends_its_maps_from_the_pivots_while_a_window_is_open(editor):
    requests, _ = asked(editor, DenoisingOptions(0.5, 0.2, 3.0))
    assert rows_of(requests) == [3] * 5 + [2] * 5
    for level, request in zip(range(STEPS, STEPS - 5, -1), requests, strict=False):
        assert torch.equal(request.latents[-1], PIVOTS[level])
        assert torch.equal(request.embeddings, stack_embeddings([EDIT, AWAY, OTHER]))
    # Layout in both rows of the edit; words in the row with the edit's text alone.
    assert requests[0].injection == Injection((2, 2, 2), (2, 1, 2))
    assert requests[2].injection == Injection((2, 2, 2), (0, 1, 2))
    assert requests[5].injection is None


def test_a_longer_window_of_cross_attention_keeps_the_reconstruction(editor):
    requests, _ = asked(editor, DenoisingOptions(0.2, 0.5, 3.0))
    assert rows_of(requests) == [3] * 5 + [2] * 5
    assert requests[2].injection == Injection((0, 1, 2), (2, 1, 2))


def test_at_guidance_one_the_text_led_away_from_is_not_asked_for(editor):
    requests, _ = asked(editor, DenoisingOptions(0.5, 0.2, 1.0))
    assert rows_of(requests) == [2] * 5 + [1] * 5
    assert requests[0].injection == Injection((1, 1), (1, 1))
    falling, _ = asked(editor, DenoisingOptions(0.0, 0.0, 3.0, guidance_end=1.0))
    assert rows_of(falling) == [2] * 9 + [1]


def ddim(schedule, toward, away, scales):
    """Run guided DDIM on the stand-in's formula, written out."""
    z = PIVOTS[-1]
    for level, scale in zip(range(STEPS, 0, -1), scales, strict=True):
        noise = 0.1 * z + away + scale * (toward - away)
        z = schedule.step(z, noise, level=level)
    return z


def test_guidance_falls_with_the_square_of_the_steps_left(editor):
    _, latents = asked(editor, DenoisingOptions(0.0, 0.0, 5.0, guidance_end=2.0))
    scales = [2 + 3 * (left / 9) ** 2 for left in range(9, -1, -1)]
    expected = ddim(editor.model.schedule(STEPS), 0.5, -0.25, scales)
    torch.testing.assert_close(latents, expected, atol=1e-4, rtol=1e-4)


def test_the_papers_third_branch_lends_its_words_and_is_guided_by_itself(editor):
    requests, _ = asked(editor, DenoisingOptions(0.5, 0.2, 7.5), transition=text(0.75))
    assert rows_of(requests) == [5] * 2 + [3] * 3 + [2] * 5
    # While it takes part, the edit has its text too; then the edit has the target's.
    mixed = stack_embeddings([text(0.75), text(0.75), AWAY, AWAY, OTHER])
    assert torch.equal(requests[1].embeddings, mixed)
    assert torch.equal(requests[2].embeddings, stack_embeddings([EDIT, AWAY, OTHER]))
    assert requests[0].injection == Injection((4, 1, 4, 3, 4), (1, 1, 2, 3, 4))
    assert requests[2].injection == Injection((2, 2, 2), (0, 1, 2))
    assert requests[5].injection is None
    schedule = editor.model.schedule(STEPS)
    noise = 0.1 * PIVOTS[-1] + guide(torch.tensor(-0.25), torch.tensor(0.75), 7.5)
    below = schedule.step(PIVOTS[-1], noise, level=STEPS)
    torch.testing.assert_close(requests[1].latents[1], below)


def test_a_row_alone_equals_the_same_row_among_many(editor):
    model = editor.model
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(8, 4, 16, 16, generator=generator)
    texts = model.embed("a photo of a dog").embedding.expand(8, -1, -1)
    with torch.no_grad():
        many = model.predict_noise(rows, [501] * 8, texts)
        alone = model.predict_noise(rows[3:4], [501], texts[:1])
    # Kernels differ by batch size: measured 2e-6 in float32 on a CPU.
    torch.testing.assert_close(alone[0], many[3], atol=2e-5, rtol=1e-4)


def test_several_strengths_of_one_inversion_equal_each_by_itself(editor, inversion):
    def edit(eta):
        options = EditOptions(strength=eta, inversion=INVERSION)
        return [o.image for o in editor.edit(inversion, inversion.prompt, options).outputs]

    together = edit((0.2, 1.0))
    assert [image.tobytes() for image in together] == [
        edit(0.2)[0].tobytes(),
        edit(1.0)[0].tobytes(),
    ]
