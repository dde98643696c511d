"""Telling the front end that this model has a live, consuming worker with its weights loaded."""

import threading

from baret import EditOptions, Editor
from baret.options import PRESETS
from core.errors import StoreUnavailable
from core.schema import Model, Params, ParamsInput, PresetValues, Size
from core.store.edits import EditStore
from core.store.model_registry import WORKER_SECONDS
from core.telemetry.logs import get_logger

log = get_logger(__name__)


def describe(editor: Editor, name: str) -> Model:
    """What the front end shows of a model, and fills requests in with."""
    presets = {name: PresetValues(**values._asdict()) for name, values in PRESETS.items()}
    size = editor.model.native_size
    defaults = Params.resolve(ParamsInput(preset=EditOptions().preset), presets)
    return Model(
        id=name,
        native_size=Size(width=size, height=size),
        licence=editor.model.licence,
        default_parameters=defaults.model_dump(mode="json", exclude={"webhook_url"}),
        presets=presets,
    )


class Announcer:
    """A thread that repeats the announcement until it is stopped."""

    def __init__(self, store: EditStore, worker: str, model: Model):
        self._store, self._worker, self._model = store, worker, model
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="announcer", daemon=True)

    def start(self) -> None:
        """Begin, once the worker consumes."""
        self._thread.start()

    def stop(self) -> None:
        """End, and take the announcement back."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._store.withdraw(self._worker, self._model)
        except StoreUnavailable:
            log.warning("not withdrawn: the store does not answer; it lapses by itself")

    def _repeat(self) -> None:
        while True:
            try:
                self._store.announce(self._worker, self._model)
            except StoreUnavailable:
                log.warning("not announced: the store does not answer")
            if self._stop.wait(WORKER_SECONDS / 3):
                return
