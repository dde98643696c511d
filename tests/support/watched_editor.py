"""The real editor, which a test can interrupt between two UNet calls."""

from collections.abc import Callable
from typing import Any

from baret import Editor, EditResult, Progress
from baret.model.stable_diffusion import StableDiffusion

Action = Callable[[], Any]


class WatchedEditor(Editor):
    """An editor that records the stage of every step, and calls functions between steps.

    The runner's own callback comes first, so a step that it stops is not recorded.
    """

    def __init__(self, model: StableDiffusion):
        super().__init__(model)
        self.steps: list[str] = []  # the stage of each UNet call, at last "decoding"
        self._actions: dict[int | str, Action] = {}

    def during(self, step: int | str, action: Action) -> None:
        """Call a function during the step of this number (from 1), or of this stage."""
        self._actions[step] = action

    def edit(self, *args: Any, on_progress: Any = None, **kwargs: Any) -> EditResult:
        """Edit, with a callback around the given one."""

        def watched(progress: Progress) -> None:
            on_progress(progress)
            self.steps.append(progress.stage)
            for step in (len(self.steps), progress.stage):
                if action := self._actions.pop(step, None):
                    action()

        return super().edit(*args, on_progress=watched, **kwargs)


class Failing:
    """An editor that always raises an error."""

    def __init__(self, error: Exception):
        self._error = error

    def edit(self, *_: object, **__: object) -> None:
        raise self._error
