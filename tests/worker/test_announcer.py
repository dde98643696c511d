"""The announcement of a worker's model: the API and the method have the same defaults."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from baret import EditOptions, Editor
from baret.options import PRESETS
from core.schema import Model, ParamsInput
from core.store import keys
from core.store.edits import EditStore
from core.store.stats import StatsReader
from tests.support.waiting import until
from worker.announcer import Announcer, LoadingAnnouncer, describe_model


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def described(editor: Editor) -> Model:
    return describe_model(editor, "zoo")


def test_the_announced_defaults_are_those_of_the_method(described: Model) -> None:
    announced, options = described.default_parameters, EditOptions()
    assert announced["preset"] == options.preset
    assert [announced["strength"]] == list(options.strengths)
    windows = (announced["self_attention_until"], announced["cross_attention_until"])
    assert windows == options.windows
    assert announced["guidance_scale"] == options.guidance_scale
    for name in ("num_inference_steps", "inner_steps", "seed"):
        assert announced[name] == getattr(options.inversion, name), name
    assert announced["artifacts"] == options.artifacts


def test_the_announced_defaults_are_those_that_requests_get(described: Model) -> None:
    sent = ParamsInput().model_dump(mode="json", exclude_none=True)
    announced = described.default_parameters
    assert {name: announced[name] for name in sent} == sent
    # Only what the preset or the model fills in is added; a webhook has no default.
    on_top = {"strength", "self_attention_until", "cross_attention_until"}
    on_top |= {"num_inference_steps", "guidance_scale"}
    assert set(announced) == set(sent) | on_top | {"interpolation"}  # strength's former name
    assert set(sent) | on_top | {"webhook_url"} == set(ParamsInput.model_fields)


def test_the_announced_presets_are_those_of_the_method(described: Model) -> None:
    announced = {
        name: tuple(values.model_dump(exclude={"interpolation"}).values())
        for name, values in described.presets.items()
    }
    assert announced == {name: tuple(values) for name, values in PRESETS.items()}


def test_the_models_size_and_licence_are_announced(described: Model, editor: Editor) -> None:
    assert (described.id, described.licence) == ("zoo", editor.model.licence)
    assert described.licence
    size = editor.model.native_size
    assert (described.native_size.width, described.native_size.height) == (size, size)


def test_a_model_is_live_from_start_to_stop(store: EditStore, model: Model) -> None:
    announcer = Announcer(store, "worker-1", model)
    assert store.live_models() == {}
    announcer.start()
    try:
        until(lambda: store.live_models() == {"zoo": model}, "the announcement")
    finally:
        announcer.stop()
    assert store.live_models() == {}


def test_one_worker_leaving_does_not_hide_the_other(store: EditStore, model: Model) -> None:
    store.announce("worker-2", model)
    announcer = Announcer(store, "worker-1", model)
    announcer.start()
    announcer.stop()
    assert store.live_models() == {"zoo": model}


def test_a_model_is_loading_until_it_is_live_and_its_start_is_measured(
    store: EditStore, model: Model, client: Any
) -> None:
    def state() -> str | None:
        found = store.models_with_state().get("zoo")
        return found.state.value if found else None

    store.announce("worker-0", model)
    store.withdraw("worker-0", model)
    assert state() == "sleeping"
    started = time.monotonic() - 40
    loading = LoadingAnnouncer(store, "worker-1", "zoo", started=started)
    announcer = Announcer(store, "worker-1", model, loading=loading)
    loading.start()
    until(lambda: state() == "loading", "the announcement of loading")
    announcer.start()
    until(lambda: state() == "ready", "the announcement")
    assert client.zcard(keys.LOADING) == 0
    assert 40 <= StatsReader(client).read().queues[0].cold_start_seconds < 60
    announcer.stop()
    assert state() == "sleeping"
