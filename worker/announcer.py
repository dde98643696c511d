"""Announces to the API that this worker is loading its model, and then that it consumes."""

import threading
import time
from abc import ABC, abstractmethod
from dataclasses import asdict
from importlib.metadata import version

from baret import EditOptions, Editor
from baret.options import PRESETS
from core.errors import StoreUnavailable
from core.schema import Model, Params, ParamsInput, PresetValues, Size
from core.store.edits import EditStore
from core.store.model_registry import WORKER_SECONDS
from core.telemetry.logs import get_logger

log = get_logger(__name__)


def describe_model(editor: Editor, name: str) -> Model:
    """Return what the front end shows of a model, with the defaults it fills requests in with."""
    presets = {
        name: PresetValues.model_validate(values._asdict()) for name, values in PRESETS.items()
    }
    size = editor.model.native_size
    sampling = asdict(editor.model.sampling)
    defaults = Params.resolve(ParamsInput(preset=EditOptions().preset), presets, sampling)
    return Model(
        id=name,
        native_size=Size(width=size, height=size),
        licence=editor.model.licence,
        default_parameters=defaults.model_dump(mode="json", exclude={"webhook_url"}),
        presets=presets,
    )


class _Repeated(ABC):
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

    def _repeat(self) -> None:
        while True:
            try:
                self._announce()
            except StoreUnavailable:
                log.warning("model not announced: Redis does not answer")
            if self._stop.wait(WORKER_SECONDS / 3):
                return


class LoadingAnnouncer(_Repeated):
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


class Announcer(_Repeated):
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
