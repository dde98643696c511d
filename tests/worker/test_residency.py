"""Several models in one worker: a real store, real runners, and editors that share one model."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from baret import Editor
from baret.engine.engine import start_device_thread
from baret.errors import OutOfMemory, UnsupportedModel
from baret.model.stable_diffusion import StableDiffusion
from core.images.keys import photo_prefix
from core.images.provenance import Marking
from core.images.storage import ImageStorage
from core.schema import EditStatus, Submission
from core.settings import Settings
from core.store.edits import EditStore
from core.store.stats import StatsReader
from tests.support.samples import QUICK
from tests.support.waiting import PATIENCE, until
from tests.support.watched_editor import Failing, WatchedEditor
from worker.announcer import LoadingAnnouncer, ModelsAnnouncer, describe_model
from worker.attempt import EditCanceled
from worker.inversion_cache import InversionCache
from worker.outputs import ImageEncoder
from worker.residency import Residency
from worker.runner import Runner, RunnerDependencies
from worker.slots import Outline, Resident, Slot, SlotState

SIZE = 100  # of every model, in bytes
ENDED = EditCanceled()  # the end of edits in tests of who is next: they take no time


class Loader:
    """Loads models that all have the bundled one's weights, and does what a test asks for."""

    def __init__(self, diffusion: StableDiffusion, store: EditStore, files: ImageStorage):
        self._diffusion, self._store, self._files = diffusion, store, files
        self._device_thread = start_device_thread()
        self.events: list[str] = []
        self.editors: dict[str, WatchedEditor] = {}
        self.errors: dict[str, list[Exception]] = {}  # that loading raises, the next one first
        self.edits_run = False  # or else they end at once

    def outline(self, slot: Slot) -> Outline:
        return Outline(describe_model(WatchedEditor(self._diffusion), slot.name), SIZE)

    def load(self, slot: Slot) -> Resident:
        name = slot.name
        self.events.append(f"load {name}")
        if errors := self.errors.get(name):
            raise errors.pop(0)
        editor = self.editors[name] = WatchedEditor(self._diffusion, self._device_thread)
        runner = Runner(
            RunnerDependencies(
                editor=editor if self.edits_run else cast("Editor", Failing(ENDED)),
                store=self._store,
                files=self._files,
                inversions=InversionCache(self._files, self._diffusion, max_bytes=0),
                encoder=ImageEncoder(Marking(), name),
                model=name,
                notify=lambda edit_id: None,
                timeout=PATIENCE,
            )
        )
        close = lambda: self.events.append(f"unload {name}")  # noqa: E731
        return Resident(describe_model(editor, name), runner, SIZE, 1, close)


@pytest.fixture
def edits_run(loader: Loader) -> None:
    """Let the models that are loaded edit photos."""
    loader.edits_run = True


@pytest.fixture
def loader(diffusion: StableDiffusion, store: EditStore, files: ImageStorage) -> Loader:
    return Loader(diffusion, store, files)


@pytest.fixture
def messages() -> list[str]:
    """The models that other messages were sent for."""
    return []


Make = Callable[..., Residency]


@pytest.fixture
def make(store: EditStore, loader: Loader, messages: list[str]) -> Make:
    def make(*models: str, room: int, worker: str = "w") -> Residency:
        slots = [Slot(Settings(model=f"{name}=zoo")) for name in models]
        residency = Residency(
            slots, store, worker, loader, limit=room * SIZE, notify=messages.append
        )
        residency.load_first()
        while residency.step():
            pass
        return residency

    return make


@pytest.fixture
def submit(
    store: EditStore, files: ImageStorage, submission: Callable[..., Submission], sample: bytes
) -> Callable[..., str]:
    def accept(model: str, caller: str = "ann", **params: Any) -> str:
        made = submission(model=model, caller=caller, **(QUICK | params))
        files.put(photo_prefix(made), "input", sample)
        store.submit(made, limit=1000)
        return made.id

    return accept


def states(residency: Residency) -> dict[str, str]:
    return {name: slot.state.name.lower() for name, slot in residency.slots.items()}


def turn_is_over(residency: Residency, model: str) -> None:
    """Let the time pass that loading took."""
    residency.slots[model].load_seconds = 0.0


def test_every_model_that_has_room_is_loaded_and_none_twice(make: Make, loader: Loader) -> None:
    residency = make("a", "b", "c", room=2)
    assert states(residency) == {"a": "ready", "b": "ready", "c": "sleeping"}
    assert loader.events == ["load a", "load b"]


def test_an_edit_is_claimed_once_its_model_is_loaded(
    make: Make, loader: Loader, submit: Callable[..., str], store: EditStore
) -> None:
    residency = make("a", "b", room=1)
    edit = submit("b")
    assert residency.run_next("b") is None  # not loaded: another worker may have the edit
    assert store.get(edit).status is EditStatus.QUEUED
    residency.step()  # the idle model is to go
    residency.step()
    assert residency.run_next("b") == edit
    assert store.get(edit).completed_at is not None
    assert loader.events == ["load a", "unload a", "load b"]


def test_the_idlest_model_makes_room(make: Make, submit: Callable[..., str]) -> None:
    residency = make("a", "b", "c", room=2)
    submit("a")
    residency.run_next("a")  # a was used after b
    submit("c")
    while residency.step():
        pass
    assert states(residency) == {"a": "ready", "b": "sleeping", "c": "ready"}


@pytest.mark.usefixtures("edits_run")
def test_a_loaded_model_goes_on_working_while_another_is_loaded(
    make: Make, loader: Loader, submit: Callable[..., str], store: EditStore
) -> None:
    loader.errors["b"] = [OutOfMemory("at the start there was no room")]
    residency = make("a", "b", room=2)
    residency.slots["b"].needs_all = False
    loading, go_on = threading.Event(), threading.Event()
    load = loader.load

    def slow(slot: Slot) -> Resident:
        loading.set()
        assert go_on.wait(PATIENCE)
        return load(slot)

    loader.load = slow  # type: ignore[method-assign]
    first = submit("a")
    submit("b")
    thread = threading.Thread(target=residency.step)
    thread.start()
    assert loading.wait(PATIENCE)
    assert residency.run_next("a") == first
    assert store.get(first).status is EditStatus.SUCCEEDED
    assert states(residency) == {"a": "ready", "b": "loading"}
    go_on.set()
    thread.join()
    assert states(residency)["b"] == "ready"


@pytest.mark.usefixtures("edits_run")
def test_a_model_that_leaves_finishes_its_edits_first(
    make: Make, loader: Loader, submit: Callable[..., str], store: EditStore
) -> None:
    residency = make("a", "b", room=1)
    edit = submit("a")
    loader.editors["a"].during("editing", lambda: (submit("b"), later.append(submit("a"))))
    later: list[str] = []
    turn_is_over(residency, "a")
    loader.editors["a"].during("decoding", lambda: seen.append(step_twice(residency)))
    seen: list[dict[str, str]] = []
    residency.run_next("a")
    assert seen == [{"a": "leaving", "b": "sleeping"}]
    assert store.get(edit).status is EditStatus.SUCCEEDED
    assert residency.run_next("a") is None  # no further edit of the model that leaves
    residency.step()
    assert states(residency) == {"a": "sleeping", "b": "ready"}


def step_twice(residency: Residency) -> dict[str, str]:
    residency.step(), residency.step()
    return states(residency)


def test_with_two_full_queues_a_turn_lasts_as_long_as_its_load_took(
    make: Make, loader: Loader, submit: Callable[..., str]
) -> None:
    residency = make("a", "b", room=1)
    for model in "ab":
        for _ in range(4):
            submit(model)
    residency.slots["a"].load_seconds = 1e6
    residency.run_next("a"), residency.run_next("a")
    assert not residency.step()  # b waits, but a's turn is not over
    turn_is_over(residency, "a")
    assert residency.step()
    residency.step()
    assert states(residency) == {"a": "sleeping", "b": "ready"}
    residency.slots["b"].edit_seconds = residency.slots["a"].edit_seconds
    turn_is_over(residency, "b")
    assert not residency.step()  # b has not had its share yet
    assert loader.events == ["load a", "unload a", "load b"]


def test_a_thousand_edits_of_one_caller_do_not_hold_up_another_s_for_the_other_model(
    make: Make, submit: Callable[..., str], store: EditStore
) -> None:
    residency = make("a", "b", room=2)
    for _ in range(50):
        submit("a", "ann")
    residency.run_next("a"), residency.run_next("a")
    bob = submit("b", "bob")
    ran = [residency.run_next("b"), residency.run_next("b")]
    assert bob in ran


def test_two_callers_get_equal_parts_of_the_worker_although_one_has_company(
    make: Make, submit: Callable[..., str], store: EditStore
) -> None:
    """Two callers wait for one model, and one for the other: a third for each."""
    residency = make("a", "b", room=2)
    callers = {"ann": "a", "bob": "a", "cid": "b"}
    for caller, model in callers.items():
        for _ in range(12):
            submit(model, caller)
    for slot in residency.slots.values():
        slot.edit_seconds = 1.0
    served = []
    for _ in range(12):
        edit = residency.run_next("a")
        assert edit is not None
        served.append(store.get(edit).submission.caller)
        for slot in residency.slots.values():
            slot.edit_seconds = 1.0
    assert all(3 <= served.count(caller) <= 5 for caller in callers), served


def test_a_message_whose_turn_went_to_another_model_is_sent_again(
    make: Make, submit: Callable[..., str], messages: list[str]
) -> None:
    residency = make("a", "b", room=2)
    edit = submit("b")
    assert residency.run_next("a") == edit
    assert messages == ["a"]
    assert residency.run_next("a") is None
    assert messages == ["a"]


def test_a_model_that_cannot_be_loaded_does_not_stop_the_others(
    make: Make, loader: Loader, submit: Callable[..., str], store: EditStore, redis_url: str
) -> None:
    bad = UnsupportedModel("/secret/models/b.safetensors is a LoRA; see /secret/x.")
    loader.errors["b"] = [bad] * 5
    residency = make("a", "b", room=2)
    assert states(residency) == {"a": "ready", "b": "failed"}
    assert residency.slots["b"].failure == "b.safetensors is a LoRA; see x."
    edit = submit("a")
    submit("b")
    assert not residency.step()  # not again at once
    assert residency.run_next("a") == edit


def test_a_model_whose_files_are_bad_is_not_loaded_in_vain(make: Make, loader: Loader) -> None:
    outline = loader.outline

    def look(slot: Slot) -> Outline:
        if slot.name == "b":
            raise UnsupportedModel("b is a VAE alone.")
        return outline(slot)

    loader.outline = look  # type: ignore[method-assign]
    residency = make("a", "b", room=2)
    assert states(residency) == {"a": "ready", "b": "failed"}
    assert loader.events == ["load a"]


def test_without_any_model_that_can_be_loaded_a_worker_does_not_start(
    make: Make, loader: Loader
) -> None:
    loader.errors = {name: [UnsupportedModel(f"no {name}")] for name in "ab"}
    with pytest.raises(UnsupportedModel, match="no b"):
        make("a", "b", room=2)


def test_a_model_that_runs_out_of_memory_gets_the_device_and_is_tried_once_more(
    make: Make, loader: Loader, submit: Callable[..., str]
) -> None:
    loader.errors["b"] = [OutOfMemory("no room")]
    residency = make("a", "b", room=2)
    assert states(residency) == {"a": "ready", "b": "sleeping"}
    submit("b")
    while residency.step():
        pass
    assert states(residency) == {"a": "sleeping", "b": "ready"}
    assert loader.events == ["load a", "load b", "unload a", "load b"]


def test_a_model_that_has_no_room_alone_has_failed(
    make: Make, loader: Loader, submit: Callable[..., str]
) -> None:
    loader.errors["b"] = [OutOfMemory("no room")] * 2
    residency = make("a", "b", room=2)
    edit = submit("b")
    while residency.step():
        pass
    assert states(residency)["b"] == "failed"
    assert residency.slots["b"].failure == "The device has no room for it."
    again = submit("a")
    while residency.step():
        pass
    assert residency.run_next("a") == again != edit  # the other is back


def test_a_model_that_another_worker_serves_displaces_no_busy_one(
    make: Make, submit: Callable[..., str], store: EditStore, model: Any
) -> None:
    residency = make("a", "b", room=1)
    store.announce("v", model.model_copy(update={"id": "b"}))  # v has b alone
    for name in "aaabb":
        submit(name)
    residency.run_next("a")
    turn_is_over(residency, "a")
    assert not residency.step()
    store.withdraw("v", model.model_copy(update={"id": "b"}))  # it leaves
    assert residency.step()
    assert states(residency)["a"] == "leaving"


def test_unequal_workers_share_a_queue_and_lose_nothing(
    make: Make, submit: Callable[..., str], store: EditStore
) -> None:
    workers = [make("a", room=1, worker="one"), make("a", "b", room=2, worker="two")]
    edits = [submit(model) for model in "aabaabab"]

    def work(residency: Residency) -> list[str]:
        return list(iter(lambda: residency.run_next("a"), None))

    with ThreadPoolExecutor(2) as pool:
        ran = [edit for found in pool.map(work, workers) for edit in found]
    assert sorted(ran) == sorted(edits)
    assert all(store.get(edit).completed_at is not None for edit in edits)


@pytest.mark.usefixtures("edits_run")
def test_a_worker_that_stops_hands_the_edits_of_all_its_models_back(
    make: Make, loader: Loader, submit: Callable[..., str], store: EditStore
) -> None:
    residency = make("a", "b", room=2)
    edits = [submit("a"), submit("b")]
    both = threading.Barrier(2)

    def stop() -> None:
        both.wait(PATIENCE)
        residency.stop()

    for editor in loader.editors.values():
        editor.during("editing", stop)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(residency.run_next, "ab"))
    for edit in edits:
        record = store.get(edit)
        assert (record.status, record.attempt) == (EditStatus.QUEUED, 0)
    assert residency.run_next("a") is None


@pytest.mark.usefixtures("edits_run")
def test_a_canceled_edit_stops_and_the_other_model_s_goes_on(
    make: Make, loader: Loader, submit: Callable[..., str], store: EditStore
) -> None:
    residency = make("a", "b", room=2)
    first, second = submit("a"), submit("b")
    loader.editors["a"].during("editing", lambda: store.cancel(first, caller="ann"))
    residency.run_next("a"), residency.run_next("b")
    assert store.get(first).status is EditStatus.CANCELED
    assert store.get(second).status is EditStatus.SUCCEEDED


@pytest.mark.usefixtures("edits_run")
def test_a_suspect_runs_alone_whatever_its_model(
    make: Make,
    loader: Loader,
    submit: Callable[..., str],
    store: EditStore,
    let_lease_run_out: Callable[[str], None],
) -> None:
    residency = make("a", "b", room=2)
    suspect = submit("a")
    store.claim("a")
    let_lease_run_out(suspect)
    store.reclaim_expired_leases({})
    submit("b")
    alone: list[int] = []
    loader.editors["a"].during(
        "editing", lambda: alone.append(sum(s.in_flight for s in residency.slots.values()))
    )
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(residency.run_next, "ab"))
    assert alone == [1]


def test_states_are_announced_as_they_are(
    make: Make, loader: Loader, submit: Callable[..., str], store: EditStore, redis_url: str
) -> None:
    loader.errors["c"] = [UnsupportedModel("c is a VAE alone.")] * 5
    residency = make("a", "c", "b", room=1)
    residency.slots["c"].state = SlotState.FAILED
    residency.slots["c"].failure = "c is a VAE alone."
    slots = list(residency.slots.values())
    loading = LoadingAnnouncer(store, "w", "a", started=0.0)
    announcer = ModelsAnnouncer(store, "w", slots, loading=loading)
    residency.changed = announcer.announce_now
    announcer.start()

    def announced() -> dict[str, tuple[str, str | None]]:
        found = StatsReader(store._redis).read().queues
        return {one.model: (one.state.value, one.load_error) for one in found}

    failed = ("failed", "c is a VAE alone.")
    until(lambda: len(announced()) == 3, "the announcements")
    assert announced() == {"a": ("ready", None), "b": ("sleeping", None), "c": failed}
    seen: list[Any] = []
    load = loader.load
    loader.load = lambda slot: (seen.append(announced()), load(slot))[1]  # type: ignore
    submit("b")
    while residency.step():
        pass
    assert seen == [{"a": ("sleeping", None), "b": ("loading", None), "c": failed}]
    assert announced() == {"a": ("sleeping", None), "b": ("ready", None), "c": failed}
    announcer.stop()
    assert {state for state, _ in announced().values()} == {"sleeping"}
