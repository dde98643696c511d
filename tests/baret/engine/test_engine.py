"""Edits that share a model."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from baret import EditOptions, Editor, InversionOptions
from baret.engine.budget import Budget
from baret.engine.engine import Call, Engine, start_device_thread
from baret.errors import OutOfMemory
from baret.unet.attention import Injection
from baret.unet.requests import DeviceTask, NoiseTarget, Request, StageProgress, join

OPTIONS = EditOptions(inversion=InversionOptions(num_inference_steps=6, inner_steps=2))
PROMPTS = [
    "a photo of a white dog jumping",
    "a photo of a black dog at night",
    "a painting of a dog",
    "a photo of a cat sitting",
    "a photo of a brown horse on grass",
    "a photo of a dog lying in the snow",
    "a photo of a red cat at the beach",
]
PROGRESS = StageProgress("editing", 0, 0.0)
ROW = 16 * 16  # latent pixels


@pytest.fixture(scope="module")
def editor(small_editor):
    return small_editor


def ignore(progress):
    pass


def rows(editor, count, seed=0, *, gradient=False):
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(count, 4, 16, 16, generator=generator)
    texts = editor.model.embed(PROMPTS[seed]).embedding.expand(count, -1, -1)
    target = NoiseTarget(torch.zeros_like(latents), torch.ones(count)) if gradient else None
    return Request(PROGRESS, latents, tuple(range(1, count + 1)), texts, target=target)


def requesting(*requests):
    """Yield the requests, and return their predictions."""
    predictions = []
    for request in requests:
        predictions.append((yield request))
    return predictions


def run_all(engine, edits, before_call=ignore):
    """Start every edit at once on its own thread; return what each returned or raised."""
    start = threading.Barrier(len(edits))

    def run(edit):
        start.wait()
        try:
            return engine.run(edit, before_call)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(edits)) as pool:
        return list(pool.map(run, edits))


def test_an_edit_comes_out_the_same_alone_and_among_seven_others(editor, sample):
    alone = editor.edit(sample.image, sample.prompt, OPTIONS)
    calls = []
    crowd = Editor(editor.model, on_call=calls.append)
    others = [crowd.editing(sample.image, prompt, OPTIONS) for prompt in PROMPTS]
    mine = crowd.editing(sample.image, sample.prompt, OPTIONS)
    together, *_ = run_all(crowd.engine, [mine, *others])
    assert max(call.edits for call in calls) == 8
    # Kernels sum in another order at another batch size: measured, 0 to 1 grey level of 255.
    differing = np.abs(np.asarray(together.image, int) - np.asarray(alone.image, int))
    assert differing.max() <= 2
    torch.testing.assert_close(
        together.inversion.pivots, alone.inversion.pivots, atol=1e-3, rtol=1e-3
    )


def test_rows_of_several_edits_share_calls_whatever_their_timesteps(editor):
    calls: list[Call] = []
    engine = Engine(editor.model, Budget(), calls.append)
    edits = [requesting(*(rows(editor, 1, seed) for _ in range(5))) for seed in range(4)]
    shared = run_all(engine, edits)
    assert sum(call.rows for call in calls) == 20
    assert len(calls) < 10
    for seed, predictions in enumerate(shared):
        (alone,) = Engine(editor.model, Budget()).run(requesting(rows(editor, 1, seed)), ignore)
        for prediction in predictions:
            torch.testing.assert_close(prediction.noise, alone.noise, atol=1e-4, rtol=1e-4)


def test_gradients_of_several_edits_are_each_its_own(editor):
    calls: list[Call] = []
    engine = Engine(editor.model, Budget(), calls.append)
    shared = run_all(
        engine, [requesting(rows(editor, 2, seed, gradient=True)) for seed in range(3)]
    )
    assert all(call.gradient for call in calls)
    for seed, (prediction,) in enumerate(shared):
        (alone,) = engine.run(requesting(rows(editor, 2, seed, gradient=True)), ignore)
        torch.testing.assert_close(prediction.losses, alone.losses, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(prediction.gradient, alone.gradient, atol=1e-5, rtol=1e-3)


def test_a_lone_edit_never_waits_for_company(editor):
    calls: list[Call] = []
    engine = Engine(editor.model, Budget(), calls.append)
    engine.run(requesting(*(rows(editor, 1) for _ in range(5))), ignore)
    assert len(calls) == 5
    # A wait for company would hold up each of them; a busy machine holds up some.
    assert min(call.waited for call in calls) < 0.05


def test_a_request_beyond_the_budget_is_cut_and_answered_whole(editor):
    calls: list[Call] = []
    engine = Engine(editor.model, Budget(3 * ROW, 2 * ROW), calls.append)
    predictions = engine.run(requesting(rows(editor, 7), rows(editor, 5, gradient=True)), ignore)
    assert [call.rows for call in calls] == [3, 3, 1, 2, 2, 1]
    whole = Engine(editor.model, Budget()).run(
        requesting(rows(editor, 7), rows(editor, 5, gradient=True)), ignore
    )
    for part, expected in zip(predictions, whole, strict=True):
        torch.testing.assert_close(part.noise, expected.noise, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(predictions[1].gradient, whole[1].gradient, atol=1e-5, rtol=1e-3)


def test_what_fails_or_is_cancelled_leaves_the_others_as_they_are(editor):
    class Cancelled(Exception):
        pass

    def cancelled(progress):
        if progress.stage == "tuning":
            raise Cancelled

    def broken():
        raise ArithmeticError
        yield

    text = rows(editor, 1)
    wrong = Request(PROGRESS, text.latents, (5000,) * 1, text.embeddings[:, :, :1])
    edits = [
        requesting(rows(editor, 1, 0), rows(editor, 1, 0)),
        requesting(Request(StageProgress("tuning", 0, 0.0), text.latents, (1,), text.embeddings)),
        requesting(wrong),
        broken(),
        requesting(DeviceTask(PROGRESS, lambda: 1 / 0, 1.0)),
        requesting(rows(editor, 1, 1)),
    ]
    fine, stopped, failed, raised, divided, also_fine = run_all(
        Engine(editor.model, Budget()), edits, cancelled
    )
    assert len(fine) == 2 and len(also_fine) == 1
    assert isinstance(stopped, Cancelled)
    assert isinstance(failed, RuntimeError)
    assert isinstance(raised, ArithmeticError)
    assert isinstance(divided, ZeroDivisionError)


@pytest.fixture
def small_device(editor):
    """Make the device run out of memory above two rows; yield the rows of each call."""
    tried = []

    def check(_module, args, _kwargs):
        tried.append(len(args[0]))
        if len(args[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    handle = editor.model.unet.register_forward_pre_hook(check, with_kwargs=True)
    yield tried
    handle.remove()


def test_a_device_without_room_gets_smaller_calls(editor, small_device):
    engine = Engine(editor.model, Budget(8 * ROW, 8 * ROW))
    (prediction,) = engine.run(requesting(rows(editor, 8)), ignore)
    assert small_device == [8, 4, 2, 2, 2, 2]
    assert len(prediction.noise) == 8
    assert engine.budget == Budget(2 * ROW, 8 * ROW)


def test_recorded_calls_give_up_their_memory_before_smaller_ones_are_tried(editor, small_device):
    engine = Engine(editor.model, Budget())
    forgotten = []
    engine._predictor.forget_graphs = lambda: forgotten.append(len(small_device))
    engine.run(requesting(rows(editor, 8)), ignore)
    assert forgotten == [1, 2]  # after the call of 8 rows and after that of 4


def test_memory_that_runs_out_between_calls_counts_as_well(editor, monkeypatch):
    joined = []

    def join_once(predictions):
        joined.append(len(predictions))
        if len(joined) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return join(predictions)

    monkeypatch.setattr("baret.engine.engine.join", join_once)
    engine = Engine(editor.model, Budget())
    (prediction,) = engine.run(requesting(rows(editor, 4)), ignore)
    assert len(prediction.noise) == 4 and joined == [1, 2]


def test_edits_that_have_no_room_together_are_served_one_by_one(editor, small_device):
    engine = Engine(editor.model, Budget())
    results = run_all(engine, [requesting(rows(editor, 1, seed)) for seed in range(5)])
    assert all(len(predictions) == 1 for predictions in results)
    assert sum(count for count in small_device if count <= 2) == 5  # each of the five once


def test_an_edit_that_has_no_room_at_all_fails_alone(editor, small_device):
    coupled = rows(editor, 3)
    injection = Injection((0, 0, 2), (0, 1, 2))
    coupled = Request(
        PROGRESS, coupled.latents, coupled.timesteps, coupled.embeddings, injection=injection
    )
    engine = Engine(editor.model, Budget())
    failed, fine = run_all(engine, [requesting(coupled), requesting(rows(editor, 1, 1))])
    assert isinstance(failed, OutOfMemory)
    assert len(fine) == 1


def test_a_short_edit_is_not_kept_waiting_by_long_ones(editor):
    """It arrives behind eight edits whose requests are sixteen times as large."""
    served: list[str] = []
    arrived = threading.Event()

    def record(name):
        return lambda progress: served.append(name)

    def long():
        for _ in range(4):
            yield rows(editor, 16)
            arrived.set()

    engine = Engine(editor.model, Budget(32 * ROW, 32 * ROW))
    with ThreadPoolExecutor(9) as pool:
        running = [pool.submit(engine.run, long(), record("long")) for _ in range(8)]
        arrived.wait()
        before = len(served)
        engine.run(requesting(*(rows(editor, 1) for _ in range(8))), record("short"))
        during = served[before:].count("long")
        for future in running:
            future.result()
    # Its 8 rows are half of one long request. While it runs, each long edit may be served once for
    # a request that waited when it came, and once more.
    assert during <= 16


def test_two_models_on_one_device_never_compute_at_once(editor, sample):
    threads = set()
    device = start_device_thread()
    both = [
        Editor(
            editor.model,
            on_call=lambda call: threads.add(threading.get_ident()),
            device_thread=device,
        )
        for _ in range(2)
    ]
    start = threading.Barrier(2)

    def edit(one):
        start.wait()
        return one.edit(sample.image, sample.prompt, OPTIONS)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(edit, both)
    assert np.array_equal(np.asarray(first.image), np.asarray(second.image))
    assert len(threads) == 1
    both[0].close()  # leaves the thread to the other
    both[1].edit(first.inversion, sample.prompt, OPTIONS)
    device.shutdown()


def test_an_editor_that_is_closed_ends_its_thread(editor, sample):
    alone = Editor(editor.model)
    alone.edit(sample.image, sample.prompt, OPTIONS)
    alone.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        alone.edit(sample.image, sample.prompt, OPTIONS)
