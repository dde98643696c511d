"""Edits photos side by side, reports on each as it ends, and stops on Ctrl-C."""

import os
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.edit.backend import Backend, EditImages, EditJob, EditProgress
from cli.edit.compare import strip
from cli.edit.manifest import Manifest, digest_of
from cli.edit.photos import Photo
from cli.edit.progress import Display, display
from cli.edit.results import Destination, write
from cli.errors import CliError, ExitCode, Stopped
from cli.stopping import terminated_as_interrupted
from cli.terminal import console, print_bytes, print_json, print_result, say
from core.images.provenance import Marking
from core.images.sandbox import DecoderSandbox
from core.schema import OutputFormat

THREAD = "edit"  # name of those that make edits
STOP_SECONDS = 10.0  # for running edits to notice that they are canceled


@dataclass(frozen=True)
class Batch:
    """What to edit, and what to write."""

    photos: Sequence[Photo]
    destinations: Sequence[Destination]  # of each photo
    prompt: str
    params: Mapping[str, Any]
    manifest: Manifest | None = None  # of the folder of results, if there is one
    again: bool = False  # make again what the manifest has
    compare: bool = False
    artifacts: Path | None = None  # their folder
    as_json: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one photo."""

    photo: Photo
    files: Sequence[Path] = ()
    data: bytes | None = None  # for standard output
    warnings: Sequence[str] = ()
    report: Mapping[str, Any] = field(default_factory=dict)  # for --json
    error: CliError | None = None
    crash: BaseException | None = None
    made: bool = True  # False: an earlier run has made it


class _Canceled(Exception):
    """Raised in an edit's progress once the command is to stop."""


class BatchRun:
    """One run over all photos."""

    def __init__(self, batch: Batch, backend: Backend, shown: Display):
        """Take what to edit, with what, and where to show how far it is."""
        self._batch, self._backend, self._display = batch, backend, shown
        self._waiting = deque(zip(batch.photos, batch.destinations, strict=True))
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._lock = threading.Lock()  # of the manifest

    def run(self) -> ExitCode:
        """Edit all photos; return the exit code.

        Raises:
            CliError: of a single photo, or one that every photo would meet.
            Stopped: by Ctrl-C.
        """
        count = min(self._backend.at_once, len(self._batch.photos))
        threads = [
            threading.Thread(target=self._work, name=THREAD, daemon=True) for _ in range(count)
        ]
        try:
            with terminated_as_interrupted():
                for thread in threads:
                    thread.start()
                return self._collect()
        except BaseException as error:
            self._end(threads)
            if isinstance(error, KeyboardInterrupt):
                raise Stopped from error
            raise

    def _work(self) -> None:
        """Edit photos until none waits; the body of a thread."""
        while not self._stop.is_set():
            try:
                photo, destination = self._waiting.popleft()
            except IndexError:
                return
            try:
                outcome = self._edit(photo, destination)
            except _Canceled:
                return
            except CliError as error:
                outcome = Outcome(photo, error=error)
            except BaseException as error:  # raised again where it is seen
                outcome = Outcome(photo, crash=error)
            self._outcomes.put(outcome)

    def _collect(self) -> ExitCode:
        """Take the outcomes as they come, and report each."""
        total, made, failed = len(self._batch.photos), 0, 0
        for _ in range(total):
            outcome = self._next()
            if outcome.crash is not None:
                raise outcome.crash
            self._report(outcome)
            if outcome.error is not None and (total == 1 or outcome.error.ends_all):
                raise outcome.error
            self._display.count()
            made += outcome.made and outcome.error is None
            failed += outcome.error is not None
        if total > 1:
            self._sum_up(made, total - made - failed, failed)
        return ExitCode.FAILED if failed else ExitCode.DONE

    def _next(self) -> Outcome:
        while True:
            try:
                # A wait without an end would not notice Ctrl-C on every platform.
                return self._outcomes.get(timeout=0.5)
            except queue.Empty:
                continue

    def _end(self, threads: Sequence[threading.Thread]) -> None:
        """Cancel what runs, and wait until it has ended."""
        self._stop.set()
        self._backend.cancel_all()
        end = time.monotonic() + STOP_SECONDS
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, end - time.monotonic()))
        if any(thread.is_alive() for thread in threads):
            # One is deep in a long step, which nothing can end but the end of the process.
            say("baret: stopped")
            sys.stdout.flush()
            os._exit(ExitCode.STOPPED)

    def _edit(self, photo: Photo, destination: Destination) -> Outcome:
        batch, backend = self._batch, self._backend
        job = EditJob(photo.read(), batch.prompt, batch.params)
        digest = ""
        if batch.manifest is not None:
            digest = digest_of(job, model=backend.model, out=destination.out or Path())
            files = None if batch.again else batch.manifest.files_of(digest)
            if files is not None:
                return Outcome(photo, files, made=False, report=_report(photo, files))
        try:
            with self._display.line(photo.name) as line:

                def report(now: EditProgress) -> None:
                    if self._stop.is_set():
                        raise _Canceled
                    line.show(now)

                images = backend.edit(job, report)
            outcome = self._write(photo, destination, job, images)
        except CliError as error:
            self._note(photo, digest, (), {"error": str(error)})
            raise
        self._note(photo, digest, outcome.files, {"edit": images.details})
        return outcome

    def _write(
        self, photo: Photo, destination: Destination, job: EditJob, images: EditImages
    ) -> Outcome:
        """Write all images of an edit."""
        batch = self._batch
        paths = destination.paths([strength for strength, _ in images.outputs])
        for path, (_, data) in zip(paths, images.outputs, strict=bool(paths)):
            write(path, data)
        extra: dict[str, Any] = {}
        if batch.compare:
            extra["compare"] = str(self._write_strip(destination, job, images))
        if batch.artifacts is not None:
            name = (destination.out or Path("stdin")).stem
            files = {kind: batch.artifacts / f"{name}-{kind}.png" for kind in images.artifacts}
            for kind, path in files.items():
                write(path, images.artifacts[kind])
            extra["artifacts"] = {kind: str(path) for kind, path in files.items()}
        return Outcome(
            photo,
            paths,
            None if paths else images.outputs[0][1],
            images.warnings,
            _report(photo, paths) | extra | {"edit": images.details},
        )

    def _write_strip(self, destination: Destination, job: EditJob, images: EditImages) -> Path:
        sheet = strip(DecoderSandbox().decode(job.data), images.outputs, job.prompt)
        path = destination.beside("compare").with_suffix(".png")
        model = str(images.details.get("model", ""))
        write(path, Marking().encode(sheet, OutputFormat.PNG, quality=100, model=model))
        return path

    def _note(
        self, photo: Photo, digest: str, files: Sequence[Path], details: Mapping[str, Any]
    ) -> None:
        if self._batch.manifest is not None:
            with self._lock:
                self._batch.manifest.add(photo.name, digest, files, details=details)

    def _report(self, outcome: Outcome) -> None:
        """Print what became of a photo."""
        batch, name = self._batch, outcome.photo.name
        if outcome.error is not None:
            if len(batch.photos) > 1 and not outcome.error.ends_all:
                self._display.say(f"{name}: {outcome.error}")
            if batch.as_json:
                print_json(_report(outcome.photo, ()) | {"error": str(outcome.error)})
            return
        if not batch.quiet:
            for warning in outcome.warnings:
                self._display.say(f"{name}: {warning}")
        if outcome.data is not None:
            print_bytes(outcome.data)
        elif batch.as_json:
            print_json(outcome.report)
        elif outcome.made:
            for file in outcome.files:
                print_result(str(file))

    def _sum_up(self, made: int, before: int, failed: int) -> None:
        if self._batch.quiet:
            return
        parts = [f"{made} edited"]
        if before:
            parts.append(f"{before} edited before (--again edits them again)")
        if failed:
            parts.append(f"{failed} failed")
        self._display.say(", ".join(parts) + ".")


def _report(photo: Photo, files: Sequence[Path]) -> dict[str, Any]:
    return {"photo": photo.name, "files": [str(file) for file in files]}


def run(batch: Batch, backend: Backend) -> ExitCode:
    """Edit all photos with a backend; see `BatchRun.run`."""
    backend.check(batch.prompt, batch.params)
    with ExitStack() as stack:
        with _loading(backend, quiet=batch.quiet):
            stack.enter_context(backend)
        shown = stack.enter_context(display(len(batch.photos), quiet=batch.quiet))
        return BatchRun(batch, backend, shown).run()


@contextmanager
def _loading(backend: Backend, *, quiet: bool) -> Iterator[None]:
    """Show that the model is being loaded, which may take a while."""
    target = console()
    try:
        with ExitStack() as stack:
            if target.is_terminal and backend.preparation and not quiet:
                stack.enter_context(target.status(backend.preparation))
            yield
    except KeyboardInterrupt as error:
        raise Stopped from error
