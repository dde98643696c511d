"""The real editor, which a test can interrupt between two uses of the device."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from baret import Editor, EditResult, Progress
from baret.model.stable_diffusion import StableDiffusion

Action = Callable[[], Any]


class WatchedEditor(Editor):
    """Records the stage of every step, and runs a test's actions between steps.

    The runner's callback is called first. If it raises, the step is not recorded.
    """

    def __init__(self, model: StableDiffusion, device_thread: ThreadPoolExecutor | None = None):
        super().__init__(model, device_thread=device_thread)
        self.steps: list[str] = []  # one stage for each use of the device
        self._actions: dict[int | str, Action] = {}

    def during(self, step: int | str, action: Action) -> None:
        """Run an action during a step: a step's number (from 1), or the first step of a stage."""
        self._actions[step] = action

    def edit(self, *args: Any, on_progress: Any = None, **kwargs: Any) -> EditResult:
        """Edit, and run the actions."""

        def watched(progress: Progress) -> None:
            on_progress(progress)
            self.steps.append(progress.stage)
            for step in (len(self.steps), progress.stage):
                if action := self._actions.pop(step, None):
                    action()

        return super().edit(*args, on_progress=watched, **kwargs)


class Failing:
    """Replaces the editor, and raises what an editor may raise."""

    def __init__(self, error: Exception):
        self._error = error

    def edit(self, *_: object, **__: object) -> None:
        raise self._error
