"""One edit from claim to published result. Knows no Celery; safe from several threads."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from baret import (
    EditOptions,
    Editor,
    EditResult,
    Hint,
    InversionOptions,
    Preview,
    Progress,
)
from baret.heatmaps import attention_sheet
from core.errors import DecoderUnavailable, EditUnavailable, StaleAttempt, StoreUnavailable
from core.images.keys import INPUT, artifact_stem, output_stem
from core.images.sandbox import DecoderSandbox
from core.images.storage import ImageStorage
from core.schema import (
    EditStatus,
    EditWarning,
    Metrics,
    OutputFormat,
    Params,
    Record,
    Result,
    Stage,
    WarningCode,
)
from core.store.claims import Claim
from core.store.edits import EditStore
from core.telemetry.logs import edit_log_context, get_logger
from core.telemetry.tracing import AttemptTrace, Tracer
from worker.errors import EditTimeout, problem_of
from worker.heartbeat import LeaseRenewer
from worker.inversion_cache import InversionCache
from worker.isolation import SuspectIsolation, Wait
from worker.outputs import Encoded, Encoder

log = get_logger(__name__)

T = TypeVar("T")

LOADED = 0.02  # share of the progress when the picture is there
STORE_PATIENCE = 600.0  # seconds that an edit waits for a store which does not answer
STORE_PAUSE = 2.0  # seconds between two tries


class Canceled(Exception):
    """The caller has asked to stop."""


class Leaving(Exception):
    """This worker is shutting down."""


@dataclass(frozen=True)
class _Attempt:
    """What a running edit checks and reports at every UNet call."""

    claim: Claim
    store: EditStore
    lease: LeaseRenewer
    encoder: Encoder
    leaving: threading.Event
    trace: AttemptTrace
    deadline: float  # time.monotonic()
    patience: float  # seconds that a store may not answer

    def report(self, stage: Stage, progress: float) -> None:
        """Tell the store how far the edit is.

        Raises:
            Canceled, Leaving, EditTimeout, StaleAttempt: why the edit must stop now.
        """
        self.trace.enter_stage(stage)
        if self.leaving.is_set():
            raise Leaving
        if self.lease.lost:
            raise StaleAttempt("The lease went to another attempt.")
        if time.monotonic() > self.deadline:
            raise EditTimeout
        try:
            canceled = self.store.report(self.claim, stage, progress)
        except StoreUnavailable:
            return  # the edit goes on; whether it may still publish is decided at its end
        if canceled:
            raise Canceled

    def patiently(self, stage: Stage, progress: float, do: Callable[[], T]) -> T:
        """What `do` gives; while what it needs is not there the edit waits, and its lease is kept.

        Raises:
            StoreUnavailable, DecoderUnavailable: it did not answer for as long as that.
            Canceled, Leaving, EditTimeout, StaleAttempt: as `report`.
        """
        end = time.monotonic() + self.patience
        while True:
            try:
                return do()
            except (StoreUnavailable, DecoderUnavailable) as error:
                if time.monotonic() > end:
                    raise
                log.warning("waiting for what it needs", reason=str(error))
            self.leaving.wait(STORE_PAUSE)
            self.report(stage, progress)

    def on_progress(self, progress: Progress, size: tuple[int, int]) -> None:
        """For the editor; `size` is the photo's."""
        share = LOADED + (0.99 - LOADED) * progress.fraction
        self.report(Stage(progress.stage), share)
        if progress.preview is not None:
            with suppress(StoreUnavailable):
                self.store.preview(self.claim, self._preview(progress.preview, share, size))

    def _preview(self, preview: Preview, share: float, size: tuple[int, int]) -> dict[str, Any]:
        """What the stream tells of a preview."""
        return {
            "interpolation": preview.interpolation,
            "progress": share,
            "image": self.encoder.small_uri(preview.image, size),
        }


class Runner:
    """Runs the edits of one model, one after another or from several threads at once."""

    def __init__(  # noqa: PLR0913 - each is a part of its own that __main__ makes
        self,
        editor: Editor,
        store: EditStore,
        files: ImageStorage,
        *,
        inversions: InversionCache,
        encoder: Encoder,
        model: str,
        timeout: float,
        signal: Callable[[str], None],
        patience: float = STORE_PATIENCE,
        tracer: Tracer | None = None,
        decoding: DecoderSandbox = DecoderSandbox(),  # noqa: B008
    ):
        """Take what an edit needs.

        Args:
            editor: with its model loaded.
            store: of the edits.
            files: of the pictures.
            inversions: kept from earlier edits.
            encoder: of the results.
            model: name of the queue to take from.
            timeout: seconds after which an edit is given up.
            signal: tells another worker that the edit of this id waits again.
            patience: seconds that an edit waits for a store which does not answer.
            tracer: of the attempts; None keeps no traces.
            decoding: what reading a photo may take.
        """
        self._editor, self._store, self._files = editor, store, files
        self._inversions, self._encoder = inversions, encoder
        self._model, self._timeout, self._signal = model, timeout, signal
        self._patience, self._tracer = patience, tracer or Tracer()
        self._decoding, self._door = decoding, SuspectIsolation()
        self._leaving = threading.Event()

    def leave(self) -> None:
        """Hand running edits back at their next UNet call, and take no new ones."""
        self._leaving.set()

    def run_next(self) -> str | None:
        """Claim the edit that has waited longest and see it to its end.

        Returns:
            Its id; None where nothing waited.
        """
        claim = self._door.enter(self._claim, self._run_traced)
        return claim.id if claim else None

    def _claim(self) -> Claim | None:
        return None if self._leaving.is_set() else self._store.claim(self._model)

    def _run_traced(self, claim: Claim, wait: Wait) -> None:
        with edit_log_context(claim.id, attempt=claim.token):
            started = time.monotonic()
            trace = self._tracer.attempt(claim.id, claim.token, self._model)
            status = "not published"
            try:
                with LeaseRenewer(self._store, claim) as lease:
                    wait()
                    status = self._run(claim, lease, trace)
            finally:
                trace.finish(status)
            log.info("ended", status=status, seconds=round(time.monotonic() - started, 2))

    def _run(self, claim: Claim, lease: LeaseRenewer, trace: AttemptTrace) -> str:
        """Run a claimed edit and publish its end: the status published, or why none was."""
        attempt = _Attempt(
            claim,
            self._store,
            lease,
            self._encoder,
            self._leaving,
            trace,
            deadline=time.monotonic() + self._timeout,
            patience=self._patience,
        )
        try:
            result = self._edit(attempt)
        except Canceled:
            return self._finish(claim, EditStatus.CANCELED)
        except Leaving:
            self._store.hand_back(claim)
            self._signal(claim.id)
            return "handed back"
        except (StaleAttempt, EditUnavailable):
            return self._lost(claim)
        except Exception as error:
            log.exception("failed")
            trace.record_failure(problem_of(error)["code"])
            return self._finish(claim, EditStatus.FAILED, error=error)
        return self._finish(claim, EditStatus.SUCCEEDED, result=result)

    def _finish(
        self,
        claim: Claim,
        status: EditStatus,
        *,
        result: Result | None = None,
        error: Exception | None = None,
    ) -> str:
        """Publish the end, waiting for a store that does not answer: the work is done.

        A worker that is to leave waits no longer; the edit's lease runs out, and it is run again.
        """
        problem = problem_of(error) if error else None
        end = time.monotonic() + self._patience
        while True:
            try:
                self._store.finish(claim, status, result=result, error=problem)
                return status.value
            except StaleAttempt:
                return self._lost(claim)
            except StoreUnavailable:
                if self._leaving.is_set() or time.monotonic() > end:
                    log.warning("not published: the store does not answer")
                    return "not published"
                log.warning("not published yet: the store does not answer", retry_after=STORE_PAUSE)
            self._leaving.wait(STORE_PAUSE)

    def _lost(self, claim: Claim) -> str:
        """Why the lease was lost; what this attempt may have written of a deleted edit goes."""
        try:
            self._store.get(claim.id)
        except EditUnavailable:
            with suppress(StoreUnavailable):  # the housekeeper deletes them too
                self._files.delete(claim.id)
            return "stale: the edit was deleted"
        except StoreUnavailable:
            log.warning("not known who has the edit: the store does not answer")
        return "stale: another attempt has it"

    def _edit(self, attempt: _Attempt) -> Result:
        attempt.report(Stage.LOADING, 0.0)
        started = time.perf_counter()
        record, data = attempt.patiently(Stage.LOADING, 0.0, lambda: self._load(attempt.claim))
        attempt.trace.link(record.submission.traceparent, record.queued_at)
        log.info("started", model=self._model)  # what its caller wrote is in the record alone
        decode = partial(self._decoding.decode, data)
        image = attempt.patiently(Stage.LOADING, 0.0, decode)
        loading = time.perf_counter() - started
        submission = record.submission
        options = edit_options(submission.params)
        inversion = self._inversions.find(submission, image, options.inversion)
        size = (submission.input.width, submission.input.height)
        edited = self._editor.edit(
            inversion or image,
            submission.prompt,
            options,
            on_progress=lambda progress: attempt.on_progress(progress, size),
        )
        for hint in edited.hints:
            log.info("warned", code=hint.code, words=hint.words)
        attempt.report(Stage.DECODING, 0.99)
        result = self._store_result(attempt, record, edited, loading)
        if not edited.inversion_reused:
            self._inversions.keep(submission, edited.inversion)
        return result

    def _load(self, claim: Claim) -> tuple[Record, bytes]:
        """The edit, and its picture's bytes."""
        record = self._store.get(claim.id)
        data = self._files.get(claim.id, INPUT)
        if data is None:
            raise FileNotFoundError("the picture is not in the store")
        return record, data

    def _store_result(
        self, attempt: _Attempt, record: Record, edited: EditResult, loading: float
    ) -> Result:
        """Write every picture under names of this attempt, then say what there is."""
        started, claim = time.perf_counter(), attempt.claim
        params = record.submission.params
        outputs = [
            self._encoder.encode(
                output.image,
                output_stem(claim.token, i),
                params.output_format,
                quality=params.quality,
                interpolation=output.interpolation,
            )
            for i, output in enumerate(edited.outputs)
        ]
        artifacts = self._artifacts(claim, edited) if params.artifacts else {}
        for encoded in (*outputs, *artifacts.values()):
            put = partial(self._files.put, claim.id, encoded.stored.name, encoded.data)
            attempt.patiently(Stage.DECODING, 0.99, put)
        seconds = {Stage.LOADING: loading} | {Stage(k): v for k, v in edited.seconds.items()}
        seconds[Stage.DECODING] += time.perf_counter() - started
        return Result(
            outputs=[encoded.stored for encoded in outputs],
            artifacts={kind: encoded.stored for kind, encoded in artifacts.items()},
            warnings=edit_warnings(edited.hints),
            metrics=Metrics(
                stage_seconds={stage: round(spent, 4) for stage, spent in seconds.items()},
                reconstruction_psnr=round(edited.reconstruction_psnr, 2),
                inner_steps=edited.inner_steps,
                inversion_reused=edited.inversion_reused,
            ),
        )

    def _artifacts(self, claim: Claim, edited: EditResult) -> dict[str, Encoded]:
        first = edited.outputs[0]
        images = {"reconstruction": edited.reconstruction}
        if first.transition is not None:
            images["transition"] = first.transition
        if first.attention:
            images["attention"] = attention_sheet(first.attention)
        return {
            kind: self._encoder.encode(
                image, artifact_stem(claim.token, kind), OutputFormat.PNG, quality=100
            )
            for kind, image in images.items()
        }


def edit_options(params: Params) -> EditOptions:
    """The service's parameters as the method's options; the preset is in them already."""
    return EditOptions(
        interpolation=params.interpolations,
        self_attention_until=params.self_attention_until,
        cross_attention_until=params.cross_attention_until,
        artifacts=params.artifacts,
        previews=params.previews,
        inversion=InversionOptions(
            num_inference_steps=params.num_inference_steps,
            guidance_scale=params.guidance_scale,
            inner_steps=params.inner_steps,
        ),
    )


def edit_warnings(hints: tuple[Hint, ...]) -> list[EditWarning]:
    """The method's hints as the service's warnings."""
    return [
        EditWarning(code=WarningCode(hint.code), detail=hint.detail, words=list(hint.words))
        for hint in hints
    ]
