"""One run of an edit: the checks at every UNet call, its progress, and its patience with stores."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from baret import Preview, Progress
from core.errors import DecoderUnavailable, StaleAttempt, StoreUnavailable
from core.schema import Stage
from core.store.claims import Claim
from core.store.edits import EditStore
from core.telemetry.logs import get_logger
from core.telemetry.tracer import AttemptTrace
from worker.errors import EditTimeout
from worker.heartbeat import LeaseRenewer
from worker.outputs import ImageEncoder

log = get_logger(__name__)

T = TypeVar("T")

LOADING_SHARE = 0.02  # of the progress: the image is loaded
EDITED_SHARE = 0.99  # of the progress: only the outputs are still to be stored
RETRY_SECONDS = 2.0  # between two attempts to reach a store


class EditCanceled(Exception):
    """The caller has canceled the edit."""


class WorkerStopping(Exception):
    """This worker is shutting down."""


@dataclass(frozen=True)
class EditAttempt:
    """What a running edit checks and reports at every UNet call."""

    claim: Claim
    store: EditStore
    lease: LeaseRenewer
    encoder: ImageEncoder
    stopping: threading.Event
    trace: AttemptTrace
    deadline: float  # time.monotonic()
    patience: float  # seconds to wait for a store that does not answer

    def report(self, stage: Stage, progress: float) -> None:
        """Store how far the edit is.

        Raises:
            EditCanceled, WorkerStopping, EditTimeout, StaleAttempt: why the edit must stop now.
        """
        self.trace.enter_stage(stage)
        if self.stopping.is_set():
            raise WorkerStopping
        if self.lease.lost:
            raise StaleAttempt("The lease went to another attempt.")
        if time.monotonic() > self.deadline:
            raise EditTimeout
        try:
            canceled = self.store.report(self.claim, stage, progress)
        except StoreUnavailable:
            return  # The edit goes on. Whether it may still publish is decided at its end.
        if canceled:
            raise EditCanceled

    def retry_until_available(self, stage: Stage, progress: float, operation: Callable[[], T]) -> T:
        """Call `operation` until the service it needs answers, and return its result.

        The edit keeps its lease while it waits.

        Raises:
            StoreUnavailable, DecoderUnavailable: it did not answer within `patience`.
            EditCanceled, WorkerStopping, EditTimeout, StaleAttempt: as `report`.
        """
        end = time.monotonic() + self.patience
        while True:
            try:
                return operation()
            except (StoreUnavailable, DecoderUnavailable) as error:
                if time.monotonic() > end:
                    raise
                log.warning("waiting for an unavailable service", reason=str(error))
            self.stopping.wait(RETRY_SECONDS)
            self.report(stage, progress)

    def on_progress(self, progress: Progress, size: tuple[int, int]) -> None:
        """Report the editor's progress; `size` is the photo's."""
        share = LOADING_SHARE + (EDITED_SHARE - LOADING_SHARE) * progress.fraction
        self.report(Stage(progress.stage), share)
        if progress.preview is not None:
            with suppress(StoreUnavailable):
                self.store.preview(self.claim, self._preview(progress.preview, share, size))

    def _preview(self, preview: Preview, share: float, size: tuple[int, int]) -> dict[str, Any]:
        """Return the data of a `preview` event."""
        return {
            "strength": preview.strength,
            "interpolation": preview.strength,  # its former name
            "progress": share,
            "image": self.encoder.preview_uri(preview.image, size),
        }
