import asyncio
import time
from collections.abc import Callable

import pytest
import redis

from core.errors import StoreUnavailable
from core.schema import EditStatus, Stage, Submission
from core.store import keys
from core.store.edits import EditStore
from core.store.events import BLOCK_SECONDS, Event, Follower

Make = Callable[..., Submission]


async def waited(url: str, *edit_ids: str, seconds: float) -> float:
    """Return the seconds until every waiter has returned."""
    follower = Follower(url)
    started = time.monotonic()
    try:
        await asyncio.gather(*(follower.wait_until_final(edit_id, seconds) for edit_id in edit_ids))
    finally:
        await follower.close()
    return time.monotonic() - started


def test_waiting_ends_with_the_edit(store: EditStore, submission: Make, redis_url: str) -> None:
    made = submission()
    store.submit(made, limit=10)

    async def scene() -> float:
        waiting = asyncio.create_task(waited(redis_url, made.id, seconds=60))
        await asyncio.sleep(0.3)
        claim = await asyncio.to_thread(store.claim, "zoo")
        assert claim is not None
        assert not waiting.done()
        await asyncio.to_thread(store.finish, claim, EditStatus.SUCCEEDED)
        return await waiting

    assert 0.3 <= asyncio.run(scene()) < 50


def test_waiting_for_an_ended_or_unknown_edit_is_no_wait(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    made = submission()
    store.submit(made, limit=10)
    store.cancel(made.id, caller="local")
    assert asyncio.run(waited(redis_url, made.id, "edit_unknown", seconds=60)) < 50


def test_waiting_outlives_the_longest_blocking_read(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    made = submission()
    store.submit(made, limit=10)
    seconds = BLOCK_SECONDS + 0.5
    assert seconds <= asyncio.run(waited(redis_url, made.id, seconds=seconds)) < seconds + 100


def test_more_callers_wait_than_a_pool_has_by_default(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    made = submission()
    store.submit(made, limit=10)
    assert asyncio.run(waited(redis_url, *[made.id] * 150, seconds=0.5)) < 70  # one by one: 75 s


def test_a_redis_that_is_gone_is_our_own_error() -> None:
    with pytest.raises(StoreUnavailable):
        asyncio.run(waited("redis://127.0.0.1:1/0", "edit_x", seconds=1))


async def follow(
    url: str, edit_id: str, *, after: str = "", limit: int = 1000
) -> list[Event | None]:
    """Return the events that a follower gets, at most `limit`."""
    follower = Follower(url)
    events: list[Event | None] = []
    try:
        async for event in follower.events(edit_id, after=after):
            events.append(event)
            if len(events) == limit:
                break
    finally:
        await follower.close()
    return events


def kinds(events: list[Event | None]) -> list[str]:
    return ["nothing" if event is None else event.type for event in events]


@pytest.fixture
def finished(store: EditStore, submission: Make) -> str:
    """Make an edit with two progress events between its start and its end."""
    made = submission()
    store.submit(made, limit=10)
    claim = store.claim("zoo")
    assert claim is not None
    store.report(claim, Stage.TUNING, 0.3)
    store.report(claim, Stage.EDITING, 0.6)
    store.finish(claim, EditStatus.SUCCEEDED)
    return made.id


EVERYTHING = ["status", "status", "progress", "progress", "done"]


def test_a_follower_is_told_everything_from_the_acceptance_on(
    finished: str, redis_url: str
) -> None:
    events = asyncio.run(follow(redis_url, finished))
    assert kinds(events) == EVERYTHING
    ids = [event.id for event in events if event]
    assert len(set(ids)) == 5
    assert events[2] is not None
    assert events[2].data == {"stage": "tuning", "progress": 0.3}


def test_a_follower_who_comes_back_is_told_what_it_missed(finished: str, redis_url: str) -> None:
    whole = asyncio.run(follow(redis_url, finished))
    for count, event in enumerate(whole[:-1], 1):
        assert event is not None
        assert asyncio.run(follow(redis_url, finished, after=event.id)) == whole[count:]


@pytest.mark.parametrize("after", ["x", "-", "1", "9" * 15 + "-0", "9" * 400 + "-0", "٣-٣"])
def test_an_id_that_is_none_of_the_edits_is_passed_over(
    finished: str, redis_url: str, after: str
) -> None:
    assert kinds(asyncio.run(follow(redis_url, finished, after=after))) == EVERYTHING


def test_a_follower_who_missed_what_is_kept_no_longer_begins_with_the_current_state(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    made = submission()
    store.submit(made, limit=10)
    claim = store.claim("zoo")
    assert claim is not None
    store.report(claim, Stage.TUNING, 0.3)
    first, *_ = asyncio.run(follow(redis_url, made.id, limit=1))
    assert first is not None
    with redis.Redis.from_url(redis_url) as client:
        client.xtrim(keys.events(made.id), maxlen=1, approximate=False)
    for after in ("", first.id):
        (state,) = asyncio.run(follow(redis_url, made.id, after=after, limit=1))
        assert state is not None
        assert state.type == "status"
        assert state.data == {"status": "running", "stage": "tuning", "progress": 0.3}
    store.finish(claim, EditStatus.FAILED, error={"code": "model_error"})
    # The state covers everything before its id: only the end follows.
    assert kinds(asyncio.run(follow(redis_url, made.id, after=state.id))) == ["done"]
    with redis.Redis.from_url(redis_url) as client:
        client.xtrim(keys.events(made.id), maxlen=1, approximate=False)
    assert kinds(asyncio.run(follow(redis_url, made.id))) == ["done"]


def test_nothing_is_told_as_nothing_and_a_deleted_edit_ends_the_telling(
    store: EditStore, submission: Make, redis_url: str
) -> None:
    made = submission()
    store.submit(made, limit=10)
    assert kinds(asyncio.run(follow(redis_url, made.id, limit=2))) == ["status", "nothing"]
    store.delete(made.id, caller="local")
    # Nothing but its end is left: the others may hold previews.
    assert kinds(asyncio.run(follow(redis_url, made.id))) == ["done"]
    with redis.Redis.from_url(redis_url) as client:
        client.delete(keys.events(made.id))  # as time does
    assert asyncio.run(follow(redis_url, made.id)) == []


def test_the_end_is_known_by_its_event(store: EditStore, submission: Make, redis_url: str) -> None:
    made = submission()
    store.submit(made, limit=10)

    async def end() -> str | None:
        follower = Follower(redis_url)
        try:
            return await follower.final_event_id(made.id)
        finally:
            await follower.close()

    assert asyncio.run(end()) is None
    store.cancel(made.id, caller="local")
    last = asyncio.run(follow(redis_url, made.id))[-1]
    assert last is not None
    assert asyncio.run(end()) == last.id


def test_the_stream_is_bounded(store: EditStore, submission: Make, redis_url: str) -> None:
    made = submission()
    store.submit(made, limit=10)
    claim = store.claim("zoo")
    assert claim is not None
    for _ in range(2500):
        store.preview(claim, {"strength": 0.5, "progress": 0.5, "image": "data:"})
    with redis.Redis.from_url(redis_url) as client:
        assert client.xlen(keys.events(made.id)) < 1200
