"""Few requests compute at a time: each takes a slot before it is routed, and again later."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from api.app import create_app
from api.server.admission_slot import ADMISSION, AdmissionSlot, computing, leave_admission
from api.server.fair_share import FairShare, PoolLimits
from api.server.shares import ADMITTED
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.problems import assert_problem


def admission_of(slots: int) -> FairShare:
    limits = PoolLimits(slots, waiting=100, wait_seconds=5, is_metered=True)
    return FairShare("admission", "requests being admitted", limits)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 10))  # type: ignore[arg-type]


def test_a_slot_is_taken_once_and_given_back_once() -> None:
    async def test() -> None:
        admission = admission_of(4)
        slot = AdmissionSlot(admission, "ann")
        for _ in range(2):
            await slot.take()
            await slot.take()
            assert admission.held_by("ann") == 1
            slot.give_back()
            slot.give_back()
            assert admission.in_use == 0
        assert admission.granted == 2

    run(test)


def test_what_computes_after_it_has_left_takes_its_slot_again() -> None:
    async def test() -> None:
        admission = admission_of(4)
        scope = {ADMISSION: AdmissionSlot(admission, "ann")}
        async with computing(scope):
            assert admission.in_use == 1
        with pytest.raises(LookupError):
            async with computing(scope):
                raise LookupError
        assert admission.in_use == 0
        async with computing({}):  # a request that needs no key
            leave_admission({})

    run(test)


def test_a_request_that_has_begun_goes_before_others_of_its_caller() -> None:
    async def test() -> None:
        admission, order = admission_of(1), list[str]()

        async def compute(slot: AdmissionSlot, name: str) -> None:
            await slot.take()
            order.append(name)
            slot.give_back()

        begun = AdmissionSlot(admission, "ann")
        await begun.take()
        begun.give_back()
        await admission.acquire("ben")
        later = [
            asyncio.create_task(compute(AdmissionSlot(admission, "ann"), f"new {n}"))
            for n in range(3)
        ]
        await asyncio.sleep(0)
        later.append(asyncio.create_task(compute(begun, "begun")))
        await asyncio.sleep(0)
        admission.release("ben")
        await asyncio.gather(*later)
        assert order == ["begun", "new 0", "new 1", "new 2"]

    run(test)


def test_requests_wait_before_they_are_routed_and_only_so_many_compute(
    settings: Settings, store: EditStore, model: Model
) -> None:
    store.announce("worker-1", model)
    app: FastAPI = create_app(settings.model_copy(update={"share_wait": 0.2}))
    admission: FairShare = app.state.services.shares.admission
    seen: list[int] = []

    @app.get("/v1/looks")
    async def look(request: Request) -> None:
        seen.append(admission.in_use)

    with TestClient(app) as client:
        assert client.get("/v1/looks").is_success
        held = 0
        while admission.try_acquire(f"other {held}"):
            held += 1
        for path in ("/v1/looks", "/v1/edits", "/v1/nothing"):
            assert_problem(client.get(path), 503, "unavailable")
        assert client.get("/healthz").is_success
    assert seen == [1]
    assert held == ADMITTED // 2  # the others are for callers who need little
