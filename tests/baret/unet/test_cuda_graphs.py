"""Replaying calls, with a recorder without a GPU that runs the call again into its outputs."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from baret.unet import cuda_graphs
from baret.unet.attention import Injection
from baret.unet.cuda_graphs import GraphCache, padded_rows
from baret.unet.predictor import Predictor
from baret.unet.requests import NoiseTarget, Request, StageProgress, stack_embeddings


class Pair(NamedTuple):
    one: Tensor
    other: Tensor | None


class Recorder:
    def __init__(self):
        self.recorded = 0

    def __call__(self, call):
        self.recorded += 1
        outputs = call()

        def replay():
            for output, fresh in zip(outputs, call(), strict=True):
                if output is not None:
                    output.copy_(fresh)

        return outputs, replay


def test_a_shape_that_comes_again_is_recorded_and_what_it_gives_is_ones_own():
    recorder = Recorder()
    cached = GraphCache(lambda pair: Pair(pair.one + pair.other, None), recorder)
    outcomes = [cached(Pair(torch.tensor([float(i)]), torch.tensor([10.0]))) for i in range(5)]
    assert [outcome.one.item() for outcome in outcomes] == [10, 11, 12, 13, 14]
    assert all(outcome.other is None for outcome in outcomes)
    assert recorder.recorded == 1


def test_other_shapes_and_missing_parts_are_other_graphs():
    recorder = Recorder()
    cached = GraphCache(lambda pair: Pair(pair.one * 2, pair.other), recorder)
    for _ in range(cuda_graphs.WARMUP_CALLS + 1):
        assert len(cached(Pair(torch.ones(3), None)).one) == 3
        assert len(cached(Pair(torch.ones(2), None)).one) == 2
        assert len(cached(Pair(torch.ones(2), torch.ones(1))).other) == 1
    assert recorder.recorded == 3


def test_the_graph_that_was_not_used_for_longest_goes(monkeypatch):
    monkeypatch.setattr(cuda_graphs, "MAX_GRAPHS", 2)
    recorder = Recorder()
    cached = GraphCache(lambda pair: pair, recorder)
    for size in (1, 2, 1, 3, 1, 2):
        for _ in range(cuda_graphs.WARMUP_CALLS + 1):
            cached(Pair(torch.ones(size), None))
    assert recorder.recorded == 4  # 1, 2, 3, and 2 again


@pytest.mark.parametrize(("rows", "bucket"), [(1, 1), (5, 5), (7, 8), (33, 40), (64, 64), (65, 65)])
def test_rows_are_padded_to_the_next_bucket(rows, bucket):
    assert padded_rows(rows) == bucket


@pytest.mark.parametrize("with_target", [False, True])
@pytest.mark.parametrize("injected", [False, True])
def test_a_replayed_call_answers_as_a_plain_one(editor, with_target, injected):
    plain, recorded = Predictor(editor.model), Predictor(editor.model, Recorder())
    texts = stack_embeddings([editor.model.embed("a dog"), editor.model.embed("a cat")])
    for seed in range(cuda_graphs.WARMUP_CALLS + 2):
        generator = torch.Generator().manual_seed(seed)
        latents = torch.randn(7, 4, 16, 16, generator=generator)
        request = Request(
            StageProgress("editing", 0, 0.0),
            latents,
            tuple(range(1, 8)),
            texts[torch.randint(2, (7,), generator=generator)],
            Injection((1, 1, 2, 3, 4, 5, 6), (0, 2, 2, 3, 4, 5, 6)) if injected else None,
            target=NoiseTarget(latents, torch.arange(7.0)) if with_target else None,
        )
        expected, prediction = plain.answer(request), recorded.answer(request)
        torch.testing.assert_close(prediction.noise, expected.noise, atol=1e-4, rtol=1e-4)
        assert (prediction.gradient is not None) == with_target
        if with_target:
            torch.testing.assert_close(prediction.losses, expected.losses, atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(prediction.gradient, expected.gradient, atol=1e-4, rtol=1e-3)
