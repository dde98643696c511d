"""One edit from its claim to its published result. Knows no Celery; safe from several threads."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from baret import Editor, EditResult
from core.errors import EditUnavailable, StaleAttempt, StoreUnavailable
from core.images.keys import INPUT, photo_prefix
from core.images.sandbox import DecoderSandbox
from core.images.storage import ImageStorage
from core.schema import EditStatus, Metrics, Params, Record, Result, Stage
from core.store.claims import Claim
from core.store.edits import EditStore
from core.telemetry.logs import edit_log_context, get_logger
from core.telemetry.tracer import AttemptTrace, Tracer
from worker.attempt import (
    EDITED_SHARE,
    RETRY_SECONDS,
    EditAttempt,
    EditCanceled,
    WorkerStopping,
)
from worker.errors import problem_of
from worker.heartbeat import LeaseRenewer
from worker.inversion_cache import InversionCache
from worker.isolation import SuspectIsolation, WaitUntilAlone
from worker.options import edit_options, edit_warnings
from worker.outputs import ImageEncoder

log = get_logger(__name__)

STORE_PATIENCE = 600.0  # seconds to wait for a store that does not answer


@dataclass(frozen=True)
class RunnerDependencies:
    """What a runner works with."""

    editor: Editor  # with its model loaded
    store: EditStore
    files: ImageStorage
    inversions: InversionCache
    encoder: ImageEncoder
    model: str  # name of the queue to claim from
    notify: Callable[[str], None]  # tells a worker that the edit of this id is queued again
    timeout: float  # seconds after which an edit fails
    patience: float = STORE_PATIENCE
    tracer: Tracer = field(default_factory=Tracer)
    sandbox: DecoderSandbox = field(default_factory=DecoderSandbox)


class Runner:
    """Runs the edits of one model, one after another or from several threads at once."""

    def __init__(self, dependencies: RunnerDependencies):
        self._using = dependencies
        self._store = dependencies.store
        self._isolation = SuspectIsolation()
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Hand running edits back at their next UNet call, and claim no new ones."""
        self._stopping.set()

    def run_next(self) -> str | None:
        """Claim the edit whose turn it is and run it to its end.

        Returns:
            Its id; None if nothing waited.
        """
        claim = self._isolation.claim_and_run(self._claim, self.run)
        return claim.id if claim else None

    def _claim(self) -> Claim | None:
        return None if self._stopping.is_set() else self._store.claim(self._using.model)

    def run(self, claim: Claim, wait: WaitUntilAlone) -> None:
        """Run an edit that was claimed to its end; `wait` is called before it does any work."""
        with edit_log_context(claim.id, attempt=claim.token):
            started = time.monotonic()
            trace = self._using.tracer.attempt(claim.id, claim.token, self._using.model)
            status = "not published"
            try:
                with LeaseRenewer(self._store, claim) as lease:
                    wait()
                    status = self._run(claim, lease, trace)
            finally:
                trace.finish(status)
            log.info("ended", status=status, seconds=round(time.monotonic() - started, 2))

    def _run(self, claim: Claim, lease: LeaseRenewer, trace: AttemptTrace) -> str:
        """Run a claimed edit; return the status published, or why none was."""
        attempt = EditAttempt(
            claim,
            self._store,
            lease,
            self._using.encoder,
            self._stopping,
            trace,
            deadline=time.monotonic() + self._using.timeout,
            patience=self._using.patience,
        )
        try:
            result = self._edit(attempt)
        except EditCanceled:
            return self._publish(claim, EditStatus.CANCELED)
        except WorkerStopping:
            self._store.hand_back(claim)
            self._using.notify(claim.id)
            return "handed back"
        except (StaleAttempt, EditUnavailable):
            return self._handle_lost_lease(claim)
        except Exception as error:
            log.exception("failed")
            trace.record_failure(problem_of(error)["code"])
            return self._publish(claim, EditStatus.FAILED, error=error)
        return self._publish(claim, EditStatus.SUCCEEDED, result=result)

    def _edit(self, attempt: EditAttempt) -> Result:
        attempt.report(Stage.LOADING, 0.0)
        started = time.perf_counter()
        load = partial(self._load, attempt.claim)
        record, data = attempt.retry_until_available(Stage.LOADING, 0.0, load)
        attempt.trace.link(record.submission.traceparent, record.queued_at)
        # The prompt and all else that its caller wrote stay in the record, out of the log.
        log.info("started", model=self._using.model)
        decode = partial(self._using.sandbox.decode, data)
        image = attempt.retry_until_available(Stage.LOADING, 0.0, decode)
        loading = time.perf_counter() - started
        submission = record.submission
        options = edit_options(submission.params)
        inversion = self._using.inversions.find(submission, image, options.inversion)
        size = (submission.input.width, submission.input.height)
        edited = self._using.editor.edit(
            inversion or image,
            submission.prompt,
            options,
            on_progress=lambda progress: attempt.on_progress(progress, size),
        )
        for hint in edited.hints:
            log.info("edit warning", code=hint.code, words=len(hint.words))  # which: the caller's
        attempt.report(Stage.DECODING, EDITED_SHARE)
        result = self._store_result(attempt, submission.params, edited, loading)
        if not edited.inversion_reused:
            self._using.inversions.save(submission, edited.inversion)
        return result

    def _load(self, claim: Claim) -> tuple[Record, bytes]:
        """Read the edit and its image's bytes."""
        record = self._store.get(claim.id)
        data = self._using.files.get(photo_prefix(record.submission), INPUT)
        if data is None:
            raise FileNotFoundError("the image is not in the store")
        return record, data

    def _store_result(
        self, attempt: EditAttempt, params: Params, edited: EditResult, loading: float
    ) -> Result:
        """Store every image; return the result that lists them."""
        started, claim = time.perf_counter(), attempt.claim
        encoded = self._using.encoder.encode_result(edited, params, attempt=claim.token)
        for image in encoded.images:
            stored = image.stored
            put = partial(
                self._using.files.put, claim.id, stored.name, image.data, stored.content_type
            )
            attempt.retry_until_available(Stage.DECODING, EDITED_SHARE, put)
        seconds = {Stage.LOADING: loading} | {Stage(k): v for k, v in edited.seconds.items()}
        seconds[Stage.DECODING] += time.perf_counter() - started
        return Result(
            outputs=[image.stored for image in encoded.outputs],
            artifacts={kind: image.stored for kind, image in encoded.artifacts.items()},
            warnings=edit_warnings(edited.hints),
            metrics=Metrics(
                stage_seconds={stage: round(spent, 4) for stage, spent in seconds.items()},
                reconstruction_psnr=round(edited.reconstruction_psnr, 2),
                inner_steps=edited.inner_steps,
                inversion_reused=edited.inversion_reused,
            ),
        )

    def _publish(
        self,
        claim: Claim,
        status: EditStatus,
        *,
        result: Result | None = None,
        error: Exception | None = None,
    ) -> str:
        """Publish the end, waiting for a Redis that does not answer, because the work is done.

        A worker that is shutting down does not wait: the lease expires and the edit runs again.
        """
        problem = problem_of(error) if error else None
        end = time.monotonic() + self._using.patience
        while True:
            try:
                self._store.finish(claim, status, result=result, error=problem)
                return status.value
            except StaleAttempt:
                return self._handle_lost_lease(claim)
            except StoreUnavailable:
                if self._stopping.is_set() or time.monotonic() > end:
                    log.warning("not published: Redis does not answer")
                    return "not published"
                log.warning("not published yet: Redis does not answer", retry_after=RETRY_SECONDS)
            self._stopping.wait(RETRY_SECONDS)

    def _handle_lost_lease(self, claim: Claim) -> str:
        """Return why the lease was lost; delete the images of an edit that was deleted."""
        try:
            self._store.get(claim.id)
        except EditUnavailable:
            with suppress(StoreUnavailable):  # the housekeeper deletes them too
                self._using.files.delete(claim.id)
            return "stale: the edit was deleted"
        except StoreUnavailable:
            log.warning("cannot tell why the lease was lost: Redis does not answer")
        return "stale: another attempt has it"
