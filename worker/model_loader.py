"""Looking at a model's files, and loading the model beside others on the device of a worker."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from baret import Editor
from baret.engine.budget import release_memory
from baret.model.description import LoadOptions
from baret.model.loading import inspect_model
from baret.model.stable_diffusion import dtype_on, find_device
from core.settings import Settings
from core.telemetry.logs import get_logger
from worker.announcer import describe_model, describe_unloaded
from worker.options import model_options
from worker.runner import Runner
from worker.slots import Outline, Resident, Slot

log = get_logger("worker")

EditorLoader = Callable[[Settings, ThreadPoolExecutor], Editor]


@dataclass(frozen=True)
class DeviceLoader:
    """Loads models that share one device, and one thread for the work on it."""

    load_editor: EditorLoader
    make_runner: Callable[[Settings, Editor], Runner]
    device_thread: ThreadPoolExecutor

    def outline(self, slot: Slot) -> Outline:
        """Return what a model's files say, without reading its weights.

        Raises:
            ModelError: it cannot be used.
        """
        settings = slot.settings
        dtype = dtype_on(settings.dtype, find_device(settings.device))
        options = LoadOptions(**asdict(model_options(settings)), dtype=dtype)
        description = inspect_model(settings.model_path, options)
        description.raise_problem()
        described = describe_unloaded(description, slot.name, description.licence)
        return Outline(described, description.memory(dtype))

    def load(self, slot: Slot) -> Resident:
        """Load a model and make it ready for its first edit.

        Raises:
            ModelError: it cannot be used.
            OutOfMemory: the device has no room for it.
        """
        settings = slot.settings
        try:
            editor = self.load_editor(settings, self.device_thread)
        except Exception:
            release_memory(find_device(settings.device))
            raise

        return Resident(
            described=describe_model(editor, slot.name),
            runner=self.make_runner(settings, editor),
            bytes=editor.model.weight_bytes,
            edits_at_once=editor.edits_at_once,
            close=editor.close,
        )
