"""Which requests share a call, without a device."""

import torch

from baret.engine.budget import Budget
from baret.engine.scheduler import FairScheduler, PendingRequest
from baret.unet.requests import DeviceTask, NoiseTarget, Request, StageProgress

PROGRESS = StageProgress("editing", 0, 0)


def rows(count, *, side=1, gradient=False):
    latents = torch.zeros(count, 4, side, side)
    target = NoiseTarget(latents, torch.ones(count)) if gradient else None
    return Request(PROGRESS, latents, (1,) * count, torch.zeros(count, 2, 3), target=target)


def taken(scheduler, budget=Budget()):  # noqa: B008
    return [one.request for one in scheduler.take(budget)]


def waiting(*requests):
    scheduler = FairScheduler()
    sessions = [scheduler.enter() for _ in requests]
    for session, request in zip(sessions, requests, strict=True):
        session.pending = PendingRequest(request)
    return scheduler, sessions


def test_nobody_waits_nothing_is_taken():
    scheduler, _ = waiting()
    assert not scheduler.any_pending() and taken(scheduler) == []


def test_rows_of_one_kind_go_together_and_wait_no_longer():
    given = [rows(1), rows(5), rows(2)]
    scheduler, _ = waiting(*given)
    assert scheduler.all_pending()
    assert taken(scheduler) == given
    assert not scheduler.any_pending()


def test_other_sizes_and_gradients_wait_for_a_call_of_their_own():
    one, large, gradient, two = rows(1), rows(1, side=2), rows(1, gradient=True), rows(1)
    scheduler, _ = waiting(one, large, gradient, two)
    assert taken(scheduler) == [one, two]
    assert taken(scheduler) == [large]
    assert taken(scheduler) == [gradient]


def test_asides_go_alone_in_their_turn():
    task = DeviceTask(PROGRESS, lambda: None, 3)
    one, two = rows(1), rows(1)
    scheduler, _ = waiting(task, one, two)
    assert taken(scheduler) == [task]
    assert taken(scheduler) == [one, two]
    scheduler, _ = waiting(one, task, two)
    assert taken(scheduler) == [one, two]


def test_a_call_holds_what_the_budget_does_and_smaller_ones_fill_it():
    five, four, one = rows(5), rows(4), rows(1)
    scheduler, _ = waiting(five, four, one)
    assert taken(scheduler, Budget(latent_pixels=6)) == [five, one]
    assert taken(scheduler, Budget(latent_pixels=6)) == [four]


def test_a_request_beyond_the_budget_goes_alone():
    scheduler, _ = waiting(rows(9), rows(1))
    assert [len(request) for request in taken(scheduler, Budget(latent_pixels=6))] == [9]


def test_who_has_had_least_is_served_first_and_who_is_far_ahead_waits():
    scheduler, (big, small) = waiting(rows(20), rows(1))
    taken(scheduler)
    big.pending, small.pending = PendingRequest(rows(20)), PendingRequest(rows(1))
    # The big one has had 20 rows against 1: it is too far ahead.
    assert [len(request) for request in taken(scheduler)] == [1]
    assert scheduler.any_pending()


def test_the_device_is_shared_evenly_between_large_and_small():
    scheduler, sessions = waiting(rows(10, gradient=True), rows(5), rows(1))
    served = [0.0, 0.0, 0.0]
    requests = [lambda: rows(10, gradient=True), lambda: rows(5), lambda: rows(1)]
    for _ in range(300):
        before = [session.served for session in sessions]
        scheduler.take(Budget())
        for i, session in enumerate(sessions):
            served[i] += session.served - before[i]
            session.pending = session.pending or PendingRequest(requests[i]())
    assert max(served) < 1.1 * min(served)


def test_who_comes_later_owes_nothing_and_is_owed_nothing():
    scheduler, (first,) = waiting(rows(50))
    taken(scheduler)
    late = scheduler.enter()
    assert late.served == first.served > 0
    scheduler.leave(first)
    assert scheduler.enter().served == late.served
