import pytest
import torch

from baret import EditOptions, InversionOptions
from baret.images import psnr
from baret.method.ddim import guide
from baret.method.denoising import DenoisingOptions, Texts, denoise
from baret.method.transition import transition
from baret.unet.attention import Injection
from baret.unet.predictor import Predictor
from baret.unet.requests import stack_embeddings

STEPS = 10
INVERSION = InversionOptions(num_inference_steps=STEPS, inner_steps=3, stop_share=0.4)


@pytest.fixture(scope="module")
def inversion(editor, sample):
    return editor.invert(sample.image, sample.prompt, INVERSION)


def run(editor, inversion, options, eta=0.8):
    model = editor.model
    target = model.embed(inversion.prompt)
    texts = Texts(
        uncond=model.embed(""),
        target=target,
        tuned=target.with_embeddings(inversion.tuned),
        transition=target.with_embeddings(transition(inversion.tuned, target.embedding, eta)),
    )
    edit = denoise(inversion.pivots, texts, model.schedule(STEPS), options)
    return editor.engine.run(edit, lambda progress: None), texts


def plain(editor, inversion, texts, uncond, scale=7.5):
    """Run guided DDIM from the noisiest pivot, written out."""
    model, z = editor.model, inversion.pivots[-1][None]
    schedule = model.schedule(STEPS)
    with torch.no_grad():
        for level in range(STEPS, 0, -1):
            rows = torch.cat([z, z])
            timesteps = [schedule.timestep(level)] * 2
            both = stack_embeddings([uncond, texts[level - 1]])
            without, with_text = model.predict_noise(rows, timesteps, both).chunk(2)
            z = schedule.step(z, guide(without, with_text, scale), level=level)
    return z[0]


def test_with_windows_of_zero_the_edit_branch_is_plain_guided_ddim(editor, inversion):
    branches, texts = run(editor, inversion, DenoisingOptions(0.0, 0.0, 7.5))
    expected = plain(editor, inversion, [texts.target] * STEPS, texts.uncond)
    torch.testing.assert_close(branches.edit, expected, atol=1e-4, rtol=1e-3)


def test_the_transition_branch_is_guided_ddim_with_the_interpolated_text(editor, inversion):
    branches, texts = run(editor, inversion, DenoisingOptions(0.5, 0.5, 7.5, keep_transition=True))
    expected = plain(editor, inversion, texts.transition, texts.uncond)
    torch.testing.assert_close(branches.transition, expected, atol=1e-4, rtol=1e-3)


def test_interpolation_zero_guided_from_the_tuned_text_stays_with_the_photo(editor, inversion):
    photo = editor.model.decode(inversion.reconstruction)
    near, _ = run(editor, inversion, DenoisingOptions(1.0, 1.0, 7.5, guidance_base=1.0), eta=0.0)
    far, _ = run(editor, inversion, DenoisingOptions(1.0, 1.0, 7.5, guidance_base=1.0), eta=1.0)
    stayed, went = (psnr(editor.model.decode(b.edit), photo) for b in (near, far))
    assert stayed > went + 3


def test_guidance_from_the_empty_text_at_scale_one_ignores_the_empty_text(editor, inversion):
    unscaled = [DenoisingOptions(0.0, 0.0, 1.0, guidance_base=base) for base in (0.0, 0.5)]
    one, two = (run(editor, inversion, o)[0].edit for o in unscaled)
    torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-3)
    scaled = [DenoisingOptions(0.0, 0.0, 4.0, guidance_base=base) for base in (0.0, 0.5)]
    one, two = (run(editor, inversion, o)[0].edit for o in scaled)
    assert (one - two).abs().mean() > 0.02


def test_the_reconstruction_lends_its_self_attention_from_the_pivots(editor, inversion):
    """Check the requested rows one by one."""
    model, schedule = editor.model, editor.model.schedule(STEPS)
    predictor, requests = Predictor(model), []

    def observe(edit):
        request = next(edit)
        while True:
            requests.append(request)
            request = edit.send(predictor.answer(request))

    target = model.embed(inversion.prompt)
    tuned = target.with_embeddings(inversion.tuned)
    texts = Texts(model.embed(""), target, tuned, tuned)
    with pytest.raises(StopIteration):
        observe(denoise(inversion.pivots, texts, schedule, DenoisingOptions(0.5, 0.2, 7.5)))
    assert [len(request.latents) for request in requests] == [5] * 2 + [3] * 3 + [2] * 5
    for level, request in zip(range(STEPS, STEPS - 5, -1), requests, strict=False):
        assert torch.equal(request.latents[-1], inversion.pivots[level])
        assert torch.equal(request.embeddings[-1], inversion.tuned[level - 1])
    assert requests[0].injection == Injection((4, 1, 4, 3, 4), (1, 1, 2, 3, 4))
    assert requests[2].injection == Injection((2, 2, 2), (0, 1, 2))
    assert requests[5].injection is None


def test_injection_moves_the_edit_towards_the_photo(editor, inversion):
    free, _ = run(editor, inversion, DenoisingOptions(0.0, 0.0, 7.5))
    held, _ = run(editor, inversion, DenoisingOptions(1.0, 1.0, 7.5), eta=0.3)
    distance = [(b.edit - inversion.pivots[0]).square().mean() for b in (free, held)]
    assert distance[1] < 0.85 * distance[0]  # measured: 0.72


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


def test_several_interpolations_of_one_inversion_equal_each_by_itself(editor, inversion):
    def edit(eta):
        options = EditOptions(interpolation=eta, inversion=INVERSION)
        return [o.image for o in editor.edit(inversion, inversion.prompt, options).outputs]

    together = edit((0.2, 1.0))
    assert [image.tobytes() for image in together] == [
        edit(0.2)[0].tobytes(),
        edit(1.0)[0].tobytes(),
    ]
