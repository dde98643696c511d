"""The process from its start to its end: load the model once, then serve edits until a signal.

The model is loaded before Celery starts, so that no worker claims an edit it cannot run, and it
stays resident.
"""

import os
import socket
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from prometheus_client import start_http_server

from baret import Editor
from core.broker.app import make_celery, signal_waiting
from core.errors import StoreUnavailable
from core.images.provenance import Marking
from core.images.sandbox import warm_up
from core.images.storage import ImageStorage
from core.settings import Settings
from core.store.connection import connect
from core.store.edits import EditStore
from core.telemetry.logs import configure_logs, get_logger
from core.telemetry.tracing import make_tracer
from worker.announcer import Announcer, LoadingAnnouncer, describe_model
from worker.celery_app import consume
from worker.inversion_cache import InversionCache
from worker.metrics import CallMetrics
from worker.options import model_options
from worker.outputs import ImageEncoder
from worker.runner import Runner, RunnerDependencies

log = get_logger("worker")


def load_editor(settings: Settings) -> Editor:
    """Load the editor of the model that the settings name."""
    return Editor.from_pretrained(
        settings.model_path,
        device=settings.device,
        dtype=settings.dtype,
        options=model_options(settings),
        content_check=settings.content_check,
        on_call=CallMetrics(settings.model_name).record,
    )


@dataclass(frozen=True)
class Factories:
    """Functions that make the parts with an outside, each from the settings."""

    editor: Callable[[Settings], Editor] = load_editor
    store: Callable[[Settings], EditStore] = lambda settings: EditStore(
        connect(settings.broker_url)
    )
    files: Callable[[Settings], ImageStorage] = lambda settings: ImageStorage(settings.images_url)


def serve(settings: Settings, factories: Factories, *, started: float | None = None) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        settings: of the process.
        factories: of its parts.
        started: when the process started, by the monotonic clock; None: now.
    """
    started = time.monotonic() if started is None else started
    configure_logs(level=settings.log_level, form=settings.log_format, part="worker")
    # Celery warns of running as root because of pickles, which this worker never opens, and of
    # a default that core/broker/app.py sets explicitly.
    warnings.simplefilter("ignore", SecurityWarning)
    warnings.simplefilter("ignore", CPendingDeprecationWarning)
    model = settings.model_name
    tracer = make_tracer(settings.otlp_endpoint, "worker")
    marking = Marking.make(
        enabled=settings.mark_outputs,
        certificate=settings.c2pa_certificate,
        key=settings.c2pa_key,
        algorithm=settings.c2pa_algorithm,
    )
    warm_up()
    _reserve_a_core()
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    store = factories.store(settings)
    loading = LoadingAnnouncer(store, name, model, started=started)
    loading.start()
    editor = _load(settings, factories.editor)
    _wait_for_redis(store)
    app = make_celery(settings.broker_url)
    files = factories.files(settings)
    runner = Runner(
        RunnerDependencies(
            editor=editor,
            store=store,
            files=files,
            inversions=InversionCache(
                files, editor.model, max_bytes=settings.inversion_cache_mb * 2**20
            ),
            encoder=ImageEncoder(marking, model),
            model=model,
            notify=lambda edit_id: signal_waiting(app, model, edit_id),
            timeout=settings.edit_timeout,
            tracer=tracer,
        )
    )
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port)
    try:
        consume(
            app,
            runner,
            Announcer(store, name, describe_model(editor, model), loading=loading),
            model=model,
            edits_in_flight=settings.concurrency_limit or editor.edits_at_once,
            name=name,
        )
    finally:
        tracer.close()


def _load(settings: Settings, load: Callable[[Settings], Editor]) -> Editor:
    """Load the editor and make it ready for its first edit."""
    started = time.perf_counter()
    editor = load(settings)
    editor.warm_up()
    log.info(
        "model loaded",
        model=settings.model_name,
        device=str(editor.model.device),
        dtype=str(editor.model.dtype),
        content_check=editor.model.safety_checker is not None,
        **_findings(editor),
        seconds=round(time.perf_counter() - started, 2),
    )
    return editor


def _findings(editor: Editor) -> dict[str, object]:
    """Return what was found out about the model, for the log; log what is doubtful of it."""
    description = editor.model.description
    if description is None or description.prediction is None:
        return {}
    for note in description.notes:
        log.warning("model note", note=note)
    return {
        "kind": description.kind,
        "prediction": description.prediction.type,
        "found_by": description.prediction.found_by,
        "zero_snr": description.prediction.zero_snr,
        "distilled_by": description.distilled_by,
        "additions": description.additions,
    }


def _reserve_a_core() -> None:
    """Leave one core to the API, Valkey and this process's other threads when editing on a CPU.

    OpenMP's threads spin while they wait for each other. If one of them shares its core, all of
    them stall: on 2 cores beside another load, an inversion took 11 to 46 s with two threads and
    3.4 to 4.9 s with one.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() - 1))


def _wait_for_redis(store: EditStore) -> None:
    while True:
        try:
            store.ping()
            return
        except StoreUnavailable:
            log.warning("waiting for Redis")
            time.sleep(1)
