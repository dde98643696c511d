import pytest
import torch

from baret.engine.budget import Budget, measure
from baret.unet.attention import Injection
from baret.unet.requests import NoiseTarget, Request, StageProgress


def request(rows, *, gradient=False, injection=None):
    latents = torch.zeros(rows, 4, 2, 2)
    target = NoiseTarget(latents, torch.ones(rows)) if gradient else None
    progress, texts = StageProgress("editing", 0, 0), torch.zeros(rows, 2, 3)
    return Request(progress, latents, (1,) * rows, texts, injection, target=target)


def row_of(model):
    """Return the latent pixels of a row at the native size."""
    return (model.native_size // model.multiple) ** 2


def test_gradients_have_a_budget_of_their_own():
    budget = Budget(latent_pixels=8, gradient_latent_pixels=4)
    assert budget.fits(8, gradient=False) and not budget.fits(9, gradient=False)
    assert budget.fits(4, gradient=True) and not budget.fits(5, gradient=True)


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        (request(4), [2, 2]),
        (request(5), [2, 2, 1]),
        (request(2), [2]),
        (request(3, gradient=True), [1, 1, 1]),  # even a row that is too large is tried
        (request(4, injection=Injection((0, 0, 0, 0), (0, 1, 2, 3))), [4]),  # needs each other
    ],
)
def test_a_request_is_cut_into_parts_that_fit(given, rows):
    budget = Budget(latent_pixels=8, gradient_latent_pixels=3)
    assert [len(part) for part in budget.parts(given)] == rows


def test_after_a_failure_half_of_what_was_tried_is_tried():
    assert Budget(100, 100).halved(request(8)) == Budget(16, 100)
    assert Budget(24, 100).halved(request(8)) == Budget(12, 100)
    assert Budget(100, 100).halved(request(8, gradient=True)) == Budget(100, 16)


def test_the_bundled_model_has_room_for_full_calls(editor):
    budget, row = measure(editor.model), row_of(editor.model)
    assert budget == Budget(64 * row, 64 * row)  # a call has at most 64 rows
    assert not editor.model.unet.conv_in.weight.requires_grad


def test_what_is_free_decides(editor, monkeypatch):
    monkeypatch.setattr("baret.engine.budget.free_bytes", lambda device: 100e6)
    some = measure(editor.model)
    monkeypatch.setattr("baret.engine.budget.free_bytes", lambda device: 200e6)
    twice = measure(editor.model)
    assert 0 < some.latent_pixels < 64 * row_of(editor.model)
    assert twice.latent_pixels == pytest.approx(2 * some.latent_pixels, rel=0.01)
