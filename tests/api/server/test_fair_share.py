"""A pool's slots go to callers in turn, and no caller can take them all."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from api.problems.errors import Overloaded, RateLimited
from api.server.fair_share import MIN_PRUNED, FairShare, PoolLimits


def pool_of(slots: int, **limits: Any) -> FairShare:
    return FairShare("pool", "things", PoolLimits(slots, **limits))


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 10))  # type: ignore[arg-type]


def test_alone_a_caller_gets_half_of_the_pool_and_is_refused_the_rest() -> None:
    async def test() -> None:
        pool = pool_of(10)
        for _ in range(5):
            await pool.acquire("ann")
        with pytest.raises(RateLimited, match="as many things as your share allows") as refusal:
            await pool.acquire("ann")
        assert refusal.value.retry_after == 5
        assert pool.refused == {"caller": 1}

    run(test)


@pytest.mark.parametrize("greedy", [1, 2, 9, 40])
def test_greedy_callers_get_equal_shares_and_leave_one_for_the_next(greedy: int) -> None:
    async def test() -> None:
        pool, held = pool_of(2000), Counter[str]()
        took = True
        while took:
            took = False
            for caller in map(str, range(greedy)):
                if pool.try_acquire(caller):
                    held[caller] += 1
                    took = True
        fair = 2000 / (greedy + 1)
        assert all(fair - 1 <= count <= fair + 1 for count in held.values())
        assert pool.slots - pool.in_use >= fair - 2
        assert pool.try_acquire("newcomer")

    run(test)


def test_a_used_up_pool_is_not_the_callers_fault() -> None:
    async def test() -> None:
        pool = pool_of(1)
        await pool.acquire("ann")
        with pytest.raises(Overloaded, match="All callers together"):
            await pool.acquire("ben")
        assert pool.refused == {"pool": 1}

    run(test)


def test_callers_that_wait_take_turns_however_many_requests_each_has() -> None:
    async def test() -> None:
        pool = pool_of(1, waiting=100, wait_seconds=5)
        order: list[str] = []

        async def work(caller: str) -> None:
            async with pool.slot(caller):
                order.append(caller)
                await asyncio.sleep(0.002)

        await pool.acquire("first")
        waiting = [asyncio.create_task(work(name)) for name in 50 * ["ann"] + ["ben", "cy", "ben"]]
        await asyncio.sleep(0)
        assert (pool.waiting, pool.callers_waiting) == (53, 3)
        pool.release("first")
        await asyncio.gather(*waiting)
        assert order.index("ben") < 3 and order.index("cy") < 3
        assert {"ben", "cy"} >= set(order[:6]) - {"ann"} and order[:6].count("ben") == 2
        assert (pool.in_use, pool.waiting, pool.granted) == (0, 0, 54)

    run(test)


def test_the_next_slot_goes_to_who_used_the_pool_least_lately() -> None:
    async def test() -> None:
        now = 0.0
        pool = FairShare(
            "pool", "things", PoolLimits(1, waiting=9, wait_seconds=5), clock=lambda: now
        )
        for caller, seconds in (("ann", 10.0), ("ben", 1.0)):
            async with pool.slot(caller):
                now += seconds
        order: list[str] = []

        async def work(caller: str) -> None:
            async with pool.slot(caller):
                order.append(caller)

        await pool.acquire("first")
        waiting = [asyncio.create_task(work(caller)) for caller in ("ann", "ben")]
        await asyncio.sleep(0)
        pool.release("first")
        await asyncio.gather(*waiting)
        assert order == ["ben", "ann"]

    run(test)


def test_in_a_metered_pool_the_next_slot_goes_to_who_was_charged_least() -> None:
    async def test() -> None:
        now = 0.0
        pool = FairShare(
            "pool",
            "things",
            PoolLimits(1, waiting=9, wait_seconds=5, is_metered=True),
            clock=lambda: now,
        )
        for caller, seconds, charged in (("ann", 10.0, 0.1), ("ben", 1.0, 1.0)):
            async with pool.slot(caller):
                now += seconds  # costs nothing
                pool.charge(caller, charged)
        assert pool.use_of("ann") < pool.use_of("ben") < 1.0 / 59
        order: list[str] = []

        async def work(caller: str) -> None:
            async with pool.slot(caller):
                order.append(caller)

        await pool.acquire("first")
        waiting = [asyncio.create_task(work(caller)) for caller in ("ben", "ann")]
        await asyncio.sleep(0)
        pool.release("first")
        await asyncio.gather(*waiting)
        assert order == ["ann", "ben"]

    run(test)


def test_a_reserve_stays_free_for_callers_who_use_little() -> None:
    async def test() -> None:
        now = 0.0
        pool = FairShare("pool", "things", PoolLimits(3, reserve=1), clock=lambda: now)
        async with pool.slot("cy"):
            now = 0.1
        for caller in ("ann", "ben"):
            await pool.acquire(caller)
        now = 10.0
        assert not pool.try_acquire("ann") and not pool.try_acquire("ben")
        pool.release("ann")
        assert pool.try_acquire("ann")
        assert not pool.try_acquire("dan")  # nothing is known of it
        assert pool.try_acquire("cy")
        assert [pool.is_light(caller) for caller in ("ann", "ben", "cy")] == [False, False, True]

    run(test)


def test_what_is_refunded_does_not_count() -> None:
    async def test() -> None:
        now = 0.0
        pool = FairShare("pool", "things", PoolLimits(2), clock=lambda: now)
        async with pool.slot("ann"):
            now += 10.0
            pool.refund("ann", 9.9)
        assert pool.use_of("ann") == pytest.approx(0.1 / 60, rel=0.2)
        pool.refund("ann", 100.0)
        assert pool.use_of("ann") == pool.use_of("ben") == 0.0

    run(test)


def test_who_waits_has_a_reserved_slot_as_soon_as_it_uses_little_beside_the_others() -> None:
    async def test() -> None:
        now = 0.0
        limits = PoolLimits(3, reserve=1, waiting=9, wait_seconds=9)
        pool = FairShare("pool", "things", limits, clock=lambda: now)
        async with pool.slot("cy"):
            now += 1.0
        for caller in ("ann", "ben"):
            await pool.acquire(caller)
        waiting = asyncio.create_task(pool.acquire("cy"))
        await asyncio.sleep(0.01)
        assert pool.waiting == 1
        now += 10.0  # for which the two hold their slots, and give none back
        await waiting
        assert pool.in_use == 3

    run(test)


def test_who_waits_too_long_is_refused_and_leaves_nothing_behind() -> None:
    async def test() -> None:
        pool = pool_of(1, waiting=9, wait_seconds=0.05)
        await pool.acquire("ann")
        with pytest.raises(RateLimited):
            await pool.acquire("ann")
        with pytest.raises(Overloaded):
            await pool.acquire("ben")
        assert (pool.waiting, pool.in_use) == (0, 1)
        assert pool.waited_seconds >= 0.1

    run(test)


def test_only_so_many_requests_of_a_caller_wait() -> None:
    async def test() -> None:
        pool = pool_of(1, waiting=3, wait_seconds=5)
        await pool.acquire("ann")
        waiting = [asyncio.create_task(pool.acquire("ann")) for _ in range(4)]
        await asyncio.sleep(0.01)
        assert [task.done() for task in waiting] == [False, False, False, True]
        assert isinstance(waiting[3].exception(), RateLimited)
        other = asyncio.create_task(pool.acquire("ben"))
        await asyncio.sleep(0.01)
        assert not other.done() and pool.waiting == 4
        for task in (*waiting[:3], other):
            task.cancel()

    run(test)


def test_a_canceled_wait_gives_its_turn_to_the_next() -> None:
    async def test() -> None:
        pool = pool_of(1, waiting=9, wait_seconds=5)
        await pool.acquire("first")
        gone = [asyncio.create_task(pool.acquire(caller)) for caller in ("ann", "ben", "cy")]
        stays = asyncio.create_task(pool.acquire("dan"))
        await asyncio.sleep(0)
        gone[0].cancel()
        await asyncio.sleep(0)
        gone[1].cancel()
        pool.release("first")  # while the second is being canceled
        gone[2].cancel()  # whose turn has just come
        await stays
        assert pool.held_by("dan") == pool.in_use == 1
        assert pool.waiting == 0

    run(test)


def test_callers_that_have_gone_are_forgotten() -> None:
    async def test() -> None:
        now = 0.0
        pool = FairShare("pool", "things", PoolLimits(4), clock=lambda: now)
        for number in range(20 * MIN_PRUNED):
            now += 1.0
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(pool.slot(str(number)))
        assert len(pool._accounts) <= 2 * MIN_PRUNED

    run(test)
