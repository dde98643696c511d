"""Lines on the terminal that show how far the edits are; nothing if there is no terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from cli.edit.backend import EditProgress
from cli.terminal import console

# What people read for a stage.
_WORDS = {
    "queued": "waits for a worker",
    "running": "starts",
    "loading": "reads the photo",
    "tuning": "tunes the text to the photo",
    "inverting": "inverts the photo",
    "editing": "edits",
    "detailing": "adds detail",
    "decoding": "writes the image",
}
_WIDTH = max(map(len, _WORDS.values()))


class Display:
    """The lines of all edits that are being made, and one of them together."""

    def __init__(self, progress: Progress | None, total: int):
        """Show nothing without a `progress`."""
        self._progress = progress
        self._all = self._add(f"{total} photos", total, "") if total > 1 else None

    def _add(self, name: str, total: float, stage: str) -> TaskID | None:
        if self._progress is None:
            return None
        return self._progress.add_task(name, total=total, stage=stage.ljust(_WIDTH), left="")

    @contextmanager
    def line(self, name: str) -> Iterator["Line"]:
        """Show a line while inside."""
        task = self._add(name, 1.0, "")
        try:
            yield Line(self._progress, task)
        finally:
            if self._progress is not None and task is not None:
                self._progress.remove_task(task)

    def count(self) -> None:
        """Count one photo as done."""
        if self._progress is not None and self._all is not None:
            self._progress.advance(self._all)

    def say(self, text: str) -> None:
        """Print a line above the others."""
        target = console() if self._progress is None else self._progress.console
        target.print(text, soft_wrap=True)


class Line:
    """The line of one edit."""

    def __init__(self, progress: Progress | None, task: TaskID | None):
        """Show nothing without a `progress`."""
        self._progress, self._task = progress, task

    def show(self, now: EditProgress) -> None:
        """Show how far the edit is."""
        if self._progress is None or self._task is None:
            return
        stage = _WORDS.get(now.stage, now.stage)
        if now.ahead:
            stage = f"waits, {now.ahead} ahead of it"
        self._progress.update(
            self._task,
            completed=now.fraction,
            stage=stage.ljust(_WIDTH),
            left=time_left(now.seconds_left),
        )


def time_left(seconds: float | None) -> str:
    """Return a time in words: `12 s left`, `3 min left`."""
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s left"
    minutes = round(seconds / 60)
    return f"{minutes} min left" if minutes < 90 else f"{minutes / 60:.1f} h left"


@contextmanager
def display(total: int, *, quiet: bool) -> Iterator[Display]:
    """Show the progress of several photos while inside, unless quiet or not on a terminal."""
    target = console()
    if quiet or not target.is_terminal:
        yield Display(None, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        TextColumn("{task.fields[stage]}", style="dim", markup=False),
        BarColumn(24),
        TaskProgressColumn(),
        TextColumn("{task.fields[left]}", markup=False),
    )
    with Progress(*columns, console=target, transient=True) as progress:
        yield Display(progress, total)
