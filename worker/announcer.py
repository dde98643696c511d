"""Announces to the front end that a live worker has loaded this model and consumes its queue."""

import threading
from dataclasses import asdict

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


class Announcer:
    """A thread that repeats the announcement until `stop` is called."""

    def __init__(self, store: EditStore, worker: str, model: Model):
        self._store, self._worker, self._model = store, worker, model
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="announcer", daemon=True)

    def start(self) -> None:
        """Start announcing; call this once the worker consumes."""
        self._thread.start()

    def stop(self) -> None:
        """Stop announcing and withdraw the announcement."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self._store.withdraw(self._worker, self._model)
        except StoreUnavailable:
            log.warning("announcement not withdrawn: Redis does not answer; it expires by itself")

    def _repeat(self) -> None:
        while True:
            try:
                self._store.announce(self._worker, self._model)
            except StoreUnavailable:
                log.warning("model not announced: Redis does not answer")
            if self._stop.wait(WORKER_SECONDS / 3):
                return
