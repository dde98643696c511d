"""Announces to the API that this worker is loading its model, and then that it consumes."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version

from baret import EditOptions, Editor
from baret.model.description import ModelDescription, Sampling
from baret.options import PRESETS
from core.errors import StoreUnavailable
from core.schema import Model, Params, ParamsInput, PresetValues, Size
from core.store.edits import EditStore
from core.store.model_registry import WORKER_SECONDS
from core.telemetry.logs import get_logger
from worker.slots import Slot, SlotState

log = get_logger(__name__)


def describe_model(editor: Editor, name: str) -> Model:
    """Return what the front end shows of a model, with the defaults it fills requests in with."""
    model = editor.model
    return _describe(name, model.native_size, model.sampling, model.licence)


def describe_unloaded(description: ModelDescription, name: str, licence: str) -> Model:
    """Return the same of a model that is not loaded, by what its files say."""
    return _describe(name, description.native_size or 0, description.sampling, licence)


def _describe(name: str, size: int, sampling: Sampling, licence: str) -> Model:
    presets = {
        name: PresetValues.model_validate(values._asdict()) for name, values in PRESETS.items()
    }
    asked = ParamsInput(preset=EditOptions().preset)
    defaults = Params.resolve(asked, presets, asdict(sampling))
    return Model(
        id=name,
        native_size=Size(width=size, height=size),
        licence=licence,
        default_parameters=defaults.model_dump(mode="json", exclude={"webhook_url"}),
        presets=presets,
    )


class Repeated(ABC):
    """A thread that repeats an announcement until it is stopped."""

    def __init__(self, name: str):
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def start(self) -> None:
        """Start announcing."""
        self._thread.start()

    def stop(self) -> None:
        """Stop announcing. What was announced last counts for some seconds more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @abstractmethod
    def _announce(self) -> None:
        """Announce once."""

    def _announce_or_log(self) -> None:
        try:
            self._announce()
        except StoreUnavailable:
            log.warning("model not announced: Redis does not answer")

    def _repeat(self) -> None:
        while True:
            self._announce_or_log()
            if self._stop.wait(WORKER_SECONDS / 3):
                return


class LoadingAnnouncer(Repeated):
    """Announces that this worker is loading its model."""

    def __init__(self, store: EditStore, worker: str, model: str, *, started: float):
        """Announce the model of a worker that started at this time of the monotonic clock."""
        super().__init__("loading announcer")
        self._store, self._worker, self._model = store, worker, model
        self.started = started
        self._since: float | None = None

    def _announce(self) -> None:
        if self._since is None:
            self._since = self._store.now() - (time.monotonic() - self.started)
        self._store.announce_loading(self._worker, self._model, since=self._since)


class ModelsAnnouncer(Repeated):
    """Announces what a worker of several models has of each."""

    def __init__(
        self,
        store: EditStore,
        worker: str,
        slots: Sequence[Slot],
        *,
        loading: LoadingAnnouncer,
    ):
        """Announce models, in the place of the announcement that the first is being loaded."""
        super().__init__("announcer")
        self._store, self._worker, self._slots = store, worker, slots
        self._loading = loading
        self._started_in: float | None = None
        self._first: str | None = None  # the model that was loaded when the worker began to consume
        self._announcing = threading.Lock()

    def start(self) -> None:
        """Start announcing; call this once the worker consumes."""
        self._loading.stop()
        self._started_in = time.monotonic() - self._loading.started
        self._first = next((s.name for s in self._slots if s.state is SlotState.READY), None)
        log.info("cold start", model=self._first, seconds=round(self._started_in, 1))
        super().start()

    def stop(self) -> None:
        """Stop announcing and withdraw the announcements."""
        super().stop()
        try:
            for slot in self._slots:
                self._store.withdraw_model(self._worker, slot.name)
        except StoreUnavailable:
            log.warning("announcement not withdrawn: Redis does not answer; it expires by itself")

    def announce_now(self) -> None:
        """Announce a change at once, if the worker consumes."""
        if self._thread.is_alive() and not self._stop.is_set():
            self._announce_or_log()

    def _announce(self) -> None:
        with self._announcing:
            for slot in self._slots:
                self._announce_one(slot)

    def _announce_one(self, slot: Slot) -> None:
        described = slot.described
        if slot.state is SlotState.FAILED:
            self._store.announce_failed(self._worker, slot.name, slot.failure)
        elif described is None:
            return
        elif slot.state is SlotState.READY:
            is_first = slot.name == self._first
            self._store.announce(
                self._worker,
                described,
                version=version("baret"),
                started_in=self._started_in if is_first else None,
                loaded_in=slot.load_seconds,
            )
        else:
            loading = slot.state is SlotState.LOADING
            since = self._store.now() - (time.monotonic() - slot.loading_since)
            self._store.announce_standby(
                self._worker, described, loading_since=since if loading else None
            )


class Announcer(Repeated):
    """Announces that this worker consumes with its model loaded."""

    def __init__(
        self,
        store: EditStore,
        worker: str,
        model: Model,
        *,
        loading: LoadingAnnouncer | None = None,
    ):
        """Announce a model, in the place of the announcement that it is being loaded."""
        super().__init__("announcer")
        self._store, self._worker, self._model = store, worker, model
        self._loading = loading
        self._started_in: float | None = None

    def start(self) -> None:
        """Start announcing; call this once the worker consumes."""
        if self._loading is not None:
            self._loading.stop()
            self._started_in = time.monotonic() - self._loading.started
            log.info("cold start", model=self._model.id, seconds=round(self._started_in, 1))
        super().start()

    def stop(self) -> None:
        """Stop announcing and withdraw the announcement."""
        super().stop()
        try:
            self._store.withdraw(self._worker, self._model)
        except StoreUnavailable:
            log.warning("announcement not withdrawn: Redis does not answer; it expires by itself")

    def _announce(self) -> None:
        self._store.announce(
            self._worker, self._model, version=version("baret"), started_in=self._started_in
        )
