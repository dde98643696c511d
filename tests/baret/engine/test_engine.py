"""Edits that share a model, on the bundled one."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from baret import EditOptions, Editor, InversionOptions
from baret.engine.budget import Budget
from baret.engine.engine import Call, Engine
from baret.errors import OutOfMemory
from baret.unet.requests import DeviceTask, NoiseTarget, Request, StageProgress

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
WHERE = StageProgress("editing", 0, 0.0)
ROW = 16 * 16  # places


def unheard(where):
    pass


def rows(editor, count, seed=0, *, goal=False):
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(count, 4, 16, 16, generator=generator)
    texts = editor.model.embed(PROMPTS[seed]).expand(count, -1, -1)
    wanted = NoiseTarget(torch.zeros_like(latents), torch.ones(count)) if goal else None
    return Request(WHERE, latents, tuple(range(1, count + 1)), texts, goal=wanted)


def asking(*requests):
    """An edit that asks for these, and ends with the answers."""
    answers = []
    for request in requests:
        answers.append((yield request))
    return answers


def run_all(engine, edits, before_call=unheard):
    """Every edit on a thread of its own, begun together; what each returned or raised."""
    start = threading.Barrier(len(edits))

    def one(edit):
        start.wait()
        try:
            return engine.run(edit, before_call)
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(edits)) as pool:
        return list(pool.map(one, edits))


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
    edits = [asking(*(rows(editor, 1, seed) for _ in range(5))) for seed in range(4)]
    shared = run_all(engine, edits)
    assert sum(call.rows for call in calls) == 20
    assert len(calls) < 10
    for seed, answers in enumerate(shared):
        (alone,) = Engine(editor.model, Budget()).run(asking(rows(editor, 1, seed)), unheard)
        for answer in answers:
            torch.testing.assert_close(answer.noise, alone.noise, atol=1e-4, rtol=1e-4)


def test_gradients_of_several_edits_are_each_its_own(editor):
    calls: list[Call] = []
    engine = Engine(editor.model, Budget(), calls.append)
    shared = run_all(engine, [asking(rows(editor, 2, seed, goal=True)) for seed in range(3)])
    assert all(call.gradient for call in calls)
    for seed, (answer,) in enumerate(shared):
        (alone,) = engine.run(asking(rows(editor, 2, seed, goal=True)), unheard)
        torch.testing.assert_close(answer.losses, alone.losses, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(answer.gradient, alone.gradient, atol=1e-5, rtol=1e-3)


def test_a_lone_edit_never_waits_for_company(editor):
    calls: list[Call] = []
    engine = Engine(editor.model, Budget(), calls.append)
    engine.run(asking(*(rows(editor, 1) for _ in range(5))), unheard)
    assert len(calls) == 5
    # A wait for company would hold up each of them; a busy machine holds up some.
    assert min(call.waited for call in calls) < 0.05


def test_a_request_beyond_the_budget_is_cut_and_answered_whole(editor):
    calls: list[Call] = []
    engine = Engine(editor.model, Budget(3 * ROW, 2 * ROW), calls.append)
    answers = engine.run(asking(rows(editor, 7), rows(editor, 5, goal=True)), unheard)
    assert [call.rows for call in calls] == [3, 3, 1, 2, 2, 1]
    whole = Engine(editor.model, Budget()).run(
        asking(rows(editor, 7), rows(editor, 5, goal=True)), unheard
    )
    for part, expected in zip(answers, whole, strict=True):
        torch.testing.assert_close(part.noise, expected.noise, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(answers[1].gradient, whole[1].gradient, atol=1e-5, rtol=1e-3)


def test_what_fails_or_is_cancelled_leaves_the_others_as_they_are(editor):
    class Enough(Exception):
        pass

    def cancelled(where):
        if where.stage == "tuning":
            raise Enough

    def broken():
        raise ArithmeticError
        yield

    text = rows(editor, 1)
    wrong = Request(WHERE, text.latents, (5000,) * 1, text.embeddings[:, :, :1])
    edits = [
        asking(rows(editor, 1, 0), rows(editor, 1, 0)),
        asking(Request(StageProgress("tuning", 0, 0.0), text.latents, (1,), text.embeddings)),
        asking(wrong),
        broken(),
        asking(DeviceTask(WHERE, lambda: 1 / 0, 1.0)),
        asking(rows(editor, 1, 1)),
    ]
    fine, stopped, failed, raised, divided, also_fine = run_all(
        Engine(editor.model, Budget()), edits, cancelled
    )
    assert len(fine) == 2 and len(also_fine) == 1
    assert isinstance(stopped, Enough)
    assert isinstance(failed, RuntimeError)
    assert isinstance(raised, ArithmeticError)
    assert isinstance(divided, ZeroDivisionError)


@pytest.fixture
def small_device(editor):
    """A device that has room for so many rows a call; what calls were tried."""
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
    (answer,) = engine.run(asking(rows(editor, 8)), unheard)
    assert small_device == [8, 4, 2, 2, 2, 2]
    assert len(answer.noise) == 8
    assert engine.budget == Budget(2 * ROW, 8 * ROW)


def test_edits_that_have_no_room_together_are_served_one_by_one(editor, small_device):
    engine = Engine(editor.model, Budget())
    results = run_all(engine, [asking(rows(editor, 1, seed)) for seed in range(5)])
    assert all(len(answers) == 1 for answers in results)
    assert max(small_device[-3:]) <= 2


def test_an_edit_that_has_no_room_at_all_fails_alone(editor, small_device):
    coupled = rows(editor, 3)
    from baret.unet.attention import Injection

    injection = Injection((0, 0, 2), (0, 1, 2))
    coupled = Request(
        WHERE, coupled.latents, coupled.timesteps, coupled.embeddings, injection=injection
    )
    engine = Engine(editor.model, Budget())
    failed, fine = run_all(engine, [asking(coupled), asking(rows(editor, 1, 1))])
    assert isinstance(failed, OutOfMemory)
    assert len(fine) == 1


def test_a_short_edit_is_not_kept_waiting_by_long_ones(editor):
    """It arrives behind eight whose every request is forty times as dear."""
    served: list[str] = []
    arrived = threading.Event()

    def told(name):
        return lambda where: served.append(name)

    def long():
        for _ in range(4):
            yield rows(editor, 16)
            arrived.set()

    engine = Engine(editor.model, Budget(32 * ROW, 32 * ROW))
    with ThreadPoolExecutor(9) as pool:
        running = [pool.submit(engine.run, long(), told("long")) for _ in range(8)]
        arrived.wait()
        before = len(served)
        engine.run(asking(*(rows(editor, 1) for _ in range(8))), told("short"))
        during = served[before:].count("long")
        for one in running:
            one.result()
    # Its 8 rows are half of one long request: while it runs, each long one may be served once more,
    # and whoever waited when it came.
    assert during <= 16
