import pytest
import torch

from baret.engine.budget import Budget, measure
from baret.unet.attention import Injection
from baret.unet.requests import NoiseTarget, Request, StageProgress


def request(rows, *, goal=False, injection=None):
    latents = torch.zeros(rows, 4, 2, 2)
    wanted = NoiseTarget(latents, torch.ones(rows)) if goal else None
    where = StageProgress("editing", 0, 0)
    return Request(where, latents, (1,) * rows, torch.zeros(rows, 2, 3), injection, goal=wanted)


def test_gradients_have_a_budget_of_their_own():
    budget = Budget(latent_pixels=8, gradient_latent_pixels=4)
    assert budget.holds(8, gradient=False) and not budget.holds(9, gradient=False)
    assert budget.holds(4, gradient=True) and not budget.holds(5, gradient=True)


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        (request(4), [2, 2]),
        (request(5), [2, 2, 1]),
        (request(2), [2]),
        (request(3, goal=True), [1, 1, 1]),  # even a row that is too large is tried
        (request(4, injection=Injection((0, 0, 0, 0), (0, 1, 2, 3))), [4]),  # needs each other
    ],
)
def test_a_request_is_cut_into_parts_that_fit(given, rows):
    budget = Budget(latent_pixels=8, gradient_latent_pixels=3)
    assert [len(part) for part in budget.parts(given)] == rows


def test_after_a_failure_half_of_what_was_tried_is_tried():
    assert Budget(100, 100).halved(request(8)) == Budget(16, 100)
    assert Budget(24, 100).halved(request(8)) == Budget(12, 100)
    assert Budget(100, 100).halved(request(8, goal=True)) == Budget(100, 16)


def test_the_bundled_model_has_room_for_full_calls(editor):
    budget = measure(editor.model)
    assert budget == Budget(64 * 256, 64 * 256)  # more than 64 rows are not worth a call
    assert not editor.model.unet.conv_in.weight.requires_grad


def test_what_is_free_decides(editor, monkeypatch):
    monkeypatch.setattr("baret.engine.budget._free", lambda device: 100e6)
    some = measure(editor.model)
    monkeypatch.setattr("baret.engine.budget._free", lambda device: 200e6)
    twice = measure(editor.model)
    assert 0 < some.latent_pixels < 64 * 256
    assert twice.latent_pixels == pytest.approx(2 * some.latent_pixels, rel=0.01)
