import asyncio
import time
from collections.abc import Callable

import pytest

from jobs.errors import StoreUnavailable
from jobs.follow import BLOCK_SECONDS, Follower
from jobs.schema import EditStatus, Submission
from jobs.store import EditStore

Make = Callable[..., Submission]


async def waited(url: str, *edit_ids: str, seconds: float) -> float:
    """How long it took until every waiter came back."""
    follower = Follower(url)
    started = time.monotonic()
    try:
        await asyncio.gather(*(follower.until_final(edit_id, seconds) for edit_id in edit_ids))
    finally:
        await follower.close()
    return time.monotonic() - started


def test_waiting_ends_with_the_edit(store: EditStore, submission: Make, redis_url: str) -> None:
    made = submission()
    store.submit(made, limit=10)

    async def scene() -> float:
        waiting = asyncio.create_task(waited(redis_url, made.id, seconds=20))
        await asyncio.sleep(0.3)
        claim = await asyncio.to_thread(store.claim, "zoo")
        assert claim is not None
        assert not waiting.done()
        await asyncio.to_thread(store.finish, claim, EditStatus.SUCCEEDED)
        return await waiting

    assert 0.3 <= asyncio.run(scene()) < 2


def test_waiting_for_an_ended_or_unknown_edit_is_no_wait(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    made = submission()
    store.submit(made, limit=10)
    store.cancel(made.id, caller="local")
    assert asyncio.run(waited(redis_url, made.id, "edit_unknown", seconds=20)) < 1


def test_waiting_outlives_the_longest_blocking_read(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    made = submission()
    store.submit(made, limit=10)
    seconds = BLOCK_SECONDS + 0.5
    assert seconds <= asyncio.run(waited(redis_url, made.id, seconds=seconds)) < seconds + 1


def test_more_callers_wait_than_a_pool_has_by_default(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    made = submission()
    store.submit(made, limit=10)
    assert asyncio.run(waited(redis_url, *[made.id] * 150, seconds=0.5)) < 5


def test_a_redis_that_is_gone_is_our_own_error() -> None:
    with pytest.raises(StoreUnavailable):
        asyncio.run(waited("redis://127.0.0.1:1/0", "edit_x", seconds=1))
