"""Who goes with whom, on requests without a device."""

import torch

from baret.engine.budget import Budget
from baret.engine.scheduler import FairScheduler, PendingRequest
from baret.unet.requests import DeviceTask, NoiseTarget, Request, StageProgress

WHERE = StageProgress("editing", 0, 0)


def rows(count, *, side=1, goal=False):
    latents = torch.zeros(count, 4, side, side)
    wanted = NoiseTarget(latents, torch.ones(count)) if goal else None
    return Request(WHERE, latents, (1,) * count, torch.zeros(count, 2, 3), goal=wanted)


def taken(turns, budget=Budget()):  # noqa: B008
    return [one.request for one in turns.take(budget)]


def waiting(*requests):
    turns = FairScheduler()
    sessions = [turns.enter() for _ in requests]
    for session, request in zip(sessions, requests, strict=True):
        session.asked = PendingRequest(request)
    return turns, sessions


def test_nobody_waits_nothing_is_taken():
    turns, _ = waiting()
    assert not turns.anyone_waits() and taken(turns) == []


def test_rows_of_one_kind_go_together_and_wait_no_longer():
    given = [rows(1), rows(5), rows(2)]
    turns, _ = waiting(*given)
    assert turns.everyone_waits()
    assert taken(turns) == given
    assert not turns.anyone_waits()


def test_other_sizes_and_gradients_wait_for_a_call_of_their_own():
    one, large, gradient, two = rows(1), rows(1, side=2), rows(1, goal=True), rows(1)
    turns, _ = waiting(one, large, gradient, two)
    assert taken(turns) == [one, two]
    assert taken(turns) == [large]
    assert taken(turns) == [gradient]


def test_asides_go_alone_in_their_turn():
    on_device = DeviceTask(WHERE, lambda: None, 3)
    one, two = rows(1), rows(1)
    turns, _ = waiting(on_device, one, two)
    assert taken(turns) == [on_device]
    assert taken(turns) == [one, two]
    turns, _ = waiting(one, on_device, two)
    assert taken(turns) == [one, two]


def test_a_call_holds_what_the_budget_does_and_smaller_ones_fill_it():
    five, four, one = rows(5), rows(4), rows(1)
    turns, _ = waiting(five, four, one)
    assert taken(turns, Budget(latent_pixels=6)) == [five, one]
    assert taken(turns, Budget(latent_pixels=6)) == [four]


def test_a_request_beyond_the_budget_goes_alone():
    turns, _ = waiting(rows(9), rows(1))
    assert [len(request) for request in taken(turns, Budget(latent_pixels=6))] == [9]


def test_who_has_had_least_is_served_first_and_who_is_far_ahead_waits():
    turns, (big, small) = waiting(rows(20), rows(1))
    taken(turns)
    big.asked, small.asked = PendingRequest(rows(20)), PendingRequest(rows(1))
    assert [len(request) for request in taken(turns)] == [1]  # 20 had, 1 had: too far ahead
    assert turns.anyone_waits()


def test_the_device_is_shared_evenly_between_large_and_small():
    turns, sessions = waiting(rows(10, goal=True), rows(5), rows(1))
    had = [0.0, 0.0, 0.0]
    asks = [lambda: rows(10, goal=True), lambda: rows(5), lambda: rows(1)]
    for _ in range(300):
        before = [session.served for session in sessions]
        turns.take(Budget())
        for i, session in enumerate(sessions):
            had[i] += session.served - before[i]
            session.asked = session.asked or PendingRequest(asks[i]())
    assert max(had) < 1.1 * min(had)


def test_who_comes_later_owes_nothing_and_is_owed_nothing():
    turns, (first,) = waiting(rows(50))
    taken(turns)
    late = turns.enter()
    assert late.served == first.served > 0
    turns.leave(first)
    assert turns.enter().served == late.served
