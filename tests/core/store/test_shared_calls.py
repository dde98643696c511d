import asyncio

import pytest

from core.store.shared_calls import SharedCalls


def test_those_who_ask_for_the_same_at_once_share_one_call() -> None:
    made: list[str] = []

    async def scene() -> list[str]:
        shared = SharedCalls()

        async def call() -> str:
            made.append("call")
            await asyncio.sleep(0.01)
            return f"answer {len(made)}"

        first = await asyncio.gather(*(shared.call("a", call) for _ in range(5)))
        return [*first, await shared.call("a", call), await shared.call("b", call)]

    assert asyncio.run(scene()) == ["answer 1"] * 5 + ["answer 2", "answer 3"]


def test_a_call_goes_on_for_those_who_still_wait_and_is_canceled_with_the_last() -> None:
    async def scene() -> list[str]:
        shared, seen = SharedCalls(), []

        async def call() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                seen.append("canceled")
                raise

        waiters = [asyncio.create_task(shared.call("a", call)) for _ in range(2)]
        await asyncio.sleep(0.01)
        for waiter in waiters:
            waiter.cancel()
            await asyncio.wait({waiter})
            await asyncio.sleep(0.01)
            seen.append("gone")
        return seen

    assert asyncio.run(scene()) == ["gone", "canceled", "gone"]


def test_an_error_reaches_all_who_wait_and_the_next_asks_anew() -> None:
    async def scene() -> None:
        shared = SharedCalls()

        async def fails() -> None:
            await asyncio.sleep(0)
            raise LookupError("gone")

        async def works() -> str:
            return "answer"

        both = await asyncio.gather(
            shared.call("a", fails), shared.call("a", fails), return_exceptions=True
        )
        assert [type(one) for one in both] == [LookupError, LookupError]
        assert await shared.call("a", works) == "answer"

    asyncio.run(scene())


def test_one_who_is_canceled_leaves_the_others_their_answer() -> None:
    async def scene() -> str:
        shared = SharedCalls()

        async def call() -> str:
            await asyncio.sleep(0.05)
            return "answer"

        leaves, stays = (asyncio.create_task(shared.call("a", call)) for _ in range(2))
        await asyncio.sleep(0.01)
        leaves.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaves
        return await stays

    assert asyncio.run(scene()) == "answer"


def test_a_call_that_has_ended_is_made_again_before_anybody_has_noticed() -> None:
    made: list[str] = []

    async def scene() -> None:
        shared = SharedCalls()

        async def call() -> None:
            made.append("call")
            await asyncio.sleep(0)

        waiter = asyncio.create_task(shared.call("a", call))
        await asyncio.sleep(0)
        while not shared._running["a"].task.done():
            await asyncio.sleep(0)
        for _ in range(10):  # each gives the event loop a turn
            await shared.call("a", call)
        await waiter

    asyncio.run(scene())
    assert len(made) == 11
