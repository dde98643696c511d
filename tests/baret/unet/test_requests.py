"""Merging, splitting and joining, on hand-made rows."""

import torch

from baret.unet.attention import AttentionRecorder, Injection, Recording
from baret.unet.requests import (
    Conditioning,
    NoiseTarget,
    Prediction,
    Request,
    StageProgress,
    join,
    merge,
    split,
    stack_embeddings,
)

PROGRESS = StageProgress("editing", 0, 0)


def request(rows, injection=None, recordings=(), target=None):
    latents = torch.arange(rows * 4.0).view(rows, 4, 1, 1)
    return Request(PROGRESS, latents, (1,) * rows, latents[:, :, 0], injection, recordings, target)


def noise_target(rows, weight):
    return NoiseTarget(torch.zeros(rows, 4, 1, 1), torch.full((rows,), weight))


def test_injected_rows_count_within_their_own_request():
    merged = merge(
        [
            request(2, Injection((1, 1), (0, 1))),
            request(1),
            request(3, Injection((0, 0, 2), (0, 1, 1))),
        ]
    )
    assert merged.injection == Injection((1, 1, 2, 3, 3, 5), (0, 1, 2, 3, 4, 4))
    assert merge([request(1), request(2)]).injection is None


def test_recorded_rows_count_within_their_own_request():
    one, two = AttentionRecorder(), AttentionRecorder()
    merged = merge(
        [request(2, recordings=(Recording(0, one),)), request(2, recordings=(Recording(1, two),))]
    )
    assert [(r.row, r.recorder) for r in merged.recordings] == [(0, one), (3, two)]


def test_a_goal_is_a_weighted_mean_squared_error_a_row():
    noise = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1).expand(2, 4, 1, 1)
    assert NoiseTarget(torch.zeros(2, 4, 1, 1), torch.tensor([3.0, 0.5])).losses(
        noise
    ).tolist() == [3, 2]


def test_a_row_without_a_goal_among_some_with_one_weighs_nothing_and_is_told_no_loss():
    requests = [request(1), request(2, target=noise_target(2, 3.0))]
    merged = merge(requests)
    assert merged.target.weight.tolist() == [0, 3, 3]
    whole = Prediction(merged.latents, torch.tensor([0.0, 1, 2]), merged.embeddings)
    plain, tuned = split(whole, requests)
    assert plain.losses is None and plain.gradient is None
    assert tuned.losses.tolist() == [1, 2]
    assert torch.equal(tuned.gradient, merged.embeddings[1:])


def test_a_request_in_parts_is_answered_as_a_whole():
    whole = request(3, target=noise_target(3, 1.0))
    parts = [whole.rows(0, 2), whole.rows(2, 4)]
    assert [len(part) for part in parts] == [2, 1]
    predictions = [Prediction(part.latents, part.target.weight, part.embeddings) for part in parts]
    joined = join(predictions)
    assert torch.equal(joined.noise, whole.latents)
    assert torch.equal(joined.gradient, whole.embeddings) and joined.losses.tolist() == [1, 1, 1]


def test_places_are_those_of_all_rows_and_the_way_back_costs_more():
    assert request(3).latent_pixels == 3
    assert request(3, target=noise_target(3, 1.0)).cost > 2 * request(3).cost


def test_a_text_mixes_linearly_with_another_and_takes_other_embeddings():
    text, other = Conditioning(torch.zeros(2, 3)), Conditioning(torch.ones(2, 3))
    assert torch.equal(text.lerp(other, 0.25).embedding, torch.full((2, 3), 0.25))
    tuned = torch.arange(12.0).view(2, 2, 3)
    assert torch.equal(stack_embeddings(text.with_embeddings(tuned)), tuned)
