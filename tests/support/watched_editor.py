"""The real editor, which a test can interrupt between two UNet calls."""

from collections.abc import Callable
from typing import Any

from baret import Editor, EditResult, Progress
from baret.model.stable_diffusion import StableDiffusion

Action = Callable[[], Any]


class WatchedEditor(Editor):
    """Keeps the stage of every step it is let do, and acts between two of them when told to.

    The runner's own callback is asked first, as always: a step that it forbids is not kept.
    """

    def __init__(self, model: StableDiffusion):
        super().__init__(model)
        self.steps: list[str] = []  # the stage of each UNet call, at last "decoding"
        self._actions: dict[int | str, Action] = {}

    def during(self, step: int | str, action: Action) -> None:
        """Have something happen during the step of this number (from 1), or of this stage."""
        self._actions[step] = action

    def edit(self, *args: Any, on_progress: Any = None, **kwargs: Any) -> EditResult:
        """Edit as ever."""

        def watched(progress: Progress) -> None:
            on_progress(progress)
            self.steps.append(progress.stage)
            for step in (len(self.steps), progress.stage):
                if action := self._actions.pop(step, None):
                    action()

        return super().edit(*args, on_progress=watched, **kwargs)


class Failing:
    """Stands where the editor is and raises what an editor may raise."""

    def __init__(self, error: Exception):
        self._error = error

    def edit(self, *_: object, **__: object) -> None:
        raise self._error
