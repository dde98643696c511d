"""What workers of several models announce, and what waits for them; on a real Valkey."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from core.schema import Model, ModelState, Priority, Submission
from core.store import keys
from core.store.edits import EditStore
from core.store.model_registry import Demand
from core.store.stats import StatsReader

Make = Callable[..., Submission]


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def state(store: EditStore) -> Callable[[], str]:
    return lambda: store.models_with_state()["zoo"].state.value


def test_a_model_goes_through_its_states(
    store: EditStore, model: Model, state: Callable[[], str], client: Any
) -> None:
    seen = []
    for announce in (
        lambda: store.announce_standby("w", model),
        lambda: store.announce_standby("w", model, loading_since=store.now()),
        lambda: store.announce("w", model, loaded_in=2),
        lambda: store.announce_standby("w", model),
        lambda: store.announce_failed("w", "zoo", "why"),
        lambda: store.announce("w", model),
        lambda: store.withdraw("w", model),
    ):
        announce()
        seen.append(state())
    assert seen == ["sleeping", "loading", "ready", "sleeping", "failed", "ready", "sleeping"]
    left = [keys.WORKERS, keys.LOADING, keys.STANDBY, keys.LOAD_FAILED, keys.LOAD_ERRORS]
    assert client.exists(*left) == 0


def test_one_worker_s_state_does_not_hide_another_s(
    store: EditStore, model: Model, state: Callable[[], str]
) -> None:
    store.announce_failed("a", "zoo", "why")
    store.announce_standby("b", model)
    assert state() == "sleeping"
    store.announce("c", model)
    assert state() == "ready"
    store.withdraw("c", model)
    store.withdraw("b", model)
    assert state() == "failed"


def test_a_failure_is_forgotten_with_the_worker_that_announced_it(
    store: EditStore, client: Any
) -> None:
    store.announce_failed("a", "zoo", "why")
    client.zadd(keys.LOAD_FAILED, {"a zoo": 1})
    store.announce_failed("b", "other", "because")
    assert client.hgetall(keys.LOAD_ERRORS) == {"b other": "because"}
    (only,) = StatsReader(client).read().queues
    assert (only.model, only.state, only.load_error) == ("other", ModelState.FAILED, "because")


def test_a_worker_with_two_models_is_one_worker(store: EditStore, model: Model) -> None:
    store.announce("a", model)
    store.announce("a", model.model_copy(update={"id": "other"}))
    store.announce_standby("b", model.model_copy(update={"id": "third"}))
    assert store.live_workers() == 2


def test_a_model_that_a_live_worker_would_load_is_not_forgotten(
    store: EditStore, model: Model
) -> None:
    store.announce_standby("w", model)
    assert store.forget("zoo") == "served"


def test_damage_hides_no_model(store: EditStore, model: Model, client: Any) -> None:
    for key in (keys.STANDBY, keys.LOAD_FAILED, keys.LOAD_ERRORS, keys.LOAD_SECONDS):
        client.set(key, "x")
    store.announce("w", model, loaded_in=3)
    assert store.models_with_state()["zoo"].state is ModelState.READY


# --- demand


@pytest.fixture
def submit(store: EditStore, submission: Make) -> Callable[..., None]:
    def make(model: str, caller: str, count: int = 1, **more: Any) -> None:
        for _ in range(count):
            store.submit(submission(model=model, caller=caller, **more), limit=1000)

    return make


def weights(store: EditStore) -> list[float]:
    return [one.weight for one in store.demand("w", ["a", "b"]).values()]


def test_the_weight_of_a_model_is_the_number_of_callers_who_wait(
    store: EditStore, submit: Callable[..., None]
) -> None:
    submit("a", "ann", 50)
    submit("b", "bob"), submit("b", "cid"), submit("b", "dan")
    assert weights(store) == [1, 3]


def test_a_caller_of_two_models_counts_for_half_in_each(
    store: EditStore, submit: Callable[..., None]
) -> None:
    submit("a", "ann"), submit("a", "bob")
    submit("b", "ann", 5)
    assert weights(store) == [1.5, 0.5]


def test_a_caller_who_has_only_batch_edits_counts_for_a_tenth(
    store: EditStore, submit: Callable[..., None]
) -> None:
    submit("a", "ann", priority=Priority.BATCH)
    submit("b", "bob"), submit("b", "bob", priority=Priority.BATCH)
    assert weights(store) == [0.1, 1]


def test_nothing_waits_and_an_edit_that_was_handed_back_has_a_weight(
    store: EditStore, submit: Callable[..., None]
) -> None:
    assert store.demand("w", ["a"])["a"].waiting == 0
    submit("a", "ann")
    claim = store.claim("a")
    assert claim is not None
    store.hand_back(claim)
    found = store.demand("w", ["a"])["a"]
    assert (found.waiting, found.weight) == (1, 1)


def test_other_workers_of_a_model_are_counted_and_the_asking_one_is_not(
    store: EditStore, model: Model
) -> None:
    store.announce("w", model)
    store.announce("v", model)
    store.announce_standby("u", model, loading_since=store.now())
    found = store.demand("w", ["zoo"])["zoo"]
    assert found == Demand(waiting=0, weight=found.weight, served=1, loading=1)
