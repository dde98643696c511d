"""The process from its start to its end: load the model once, then take edits until told to stop.

The model is loaded before Celery starts, so no edit is taken by a worker that cannot run it,
and it stays resident. Tasks run in threads: forked children and CUDA do not mix, and the solo
pool does not answer pings during a task.
"""

import os
import socket
import time
import uuid
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from celery import Celery, signals
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from prometheus_client import start_http_server

from baret import Editor
from core.broker.app import make_celery, queue_name, signal_waiting
from core.broker.transport import RUN_EDIT
from core.errors import StoreUnavailable
from core.images.provenance import Marking
from core.images.sandbox import warm_up
from core.images.storage import ImageStorage
from core.settings import Settings
from core.store.connection import connect
from core.store.edits import EditStore
from core.telemetry.logs import configure_logs, get_logger
from core.telemetry.tracing import make_tracer
from worker.announcer import Announcer, describe
from worker.inversion_cache import InversionCache
from worker.metrics import CallMetrics
from worker.outputs import Encoder
from worker.runner import Runner

log = get_logger("worker")


def load_editor(settings: Settings) -> Editor:
    """The editor of the model that the settings name."""
    return Editor.from_pretrained(
        settings.model,
        device=settings.device,
        dtype=settings.dtype,
        content_check=settings.content_check,
        on_call=CallMetrics(settings.model_name).count,
    )


@dataclass(frozen=True)
class Parts:
    """What the process is made of and reaches the outside by: each made from the settings."""

    editor: Callable[[Settings], Editor] = load_editor
    store: Callable[[Settings], EditStore] = lambda settings: EditStore(
        connect(settings.broker_url)
    )
    files: Callable[[Settings], ImageStorage] = lambda settings: ImageStorage(settings.images_url)


def serve(settings: Settings, parts: Parts) -> None:
    """Run until SIGTERM or SIGINT."""
    configure_logs(level=settings.log_level, form=settings.log_format, part="worker")
    # Celery warns of running as root because of pickles, which this worker never opens, and of
    # a default that core/broker/app.py sets by name.
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
    _leave_a_core_free()
    editor = _load(settings, parts.editor)
    store = parts.store(settings)
    _wait_for(store)
    app = make_celery(settings.broker_url)
    files = parts.files(settings)
    runner = Runner(
        editor,
        store,
        files,
        inversions=InversionCache(
            files, editor.model, most_bytes=settings.inversion_cache_mb * 2**20
        ),
        encoder=Encoder(marking, model),
        model=model,
        timeout=settings.edit_timeout,
        signal=lambda edit_id: signal_waiting(app, model, edit_id),
        tracer=tracer,
    )
    name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    if settings.worker_metrics_port:
        start_http_server(settings.worker_metrics_port)
    edits_in_flight = settings.concurrency_limit or editor.edits_at_once
    announcer = Announcer(store, name, describe(editor, model))
    try:
        _consume(app, runner, announcer, model, edits_in_flight, name)
    finally:
        tracer.close()


def _load(settings: Settings, load: Callable[[Settings], Editor]) -> Editor:
    """The editor, ready for its first edit."""
    started = time.perf_counter()
    editor = load(settings)
    editor.warm_up()
    log.info(
        "model loaded",
        model=settings.model_name,
        device=str(editor.model.device),
        dtype=str(editor.model.dtype),
        content_check=editor.model.safety_checker is not None,
        seconds=round(time.perf_counter() - started, 2),
    )
    return editor


def _leave_a_core_free() -> None:
    """Keep one core for the API, Valkey and this process's other threads (editing on a CPU).

    OpenMP's threads spin while they wait for each other; where one of them shares its core, all
    of them stall: measured on 2 cores beside another load, an inversion took 11 to 46 s with two
    threads and 3.4 to 4.9 s with one.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() - 1))


def _wait_for(store: EditStore) -> None:
    while True:
        try:
            store.ping()
            return
        except StoreUnavailable:
            log.warning("waiting for Redis")
            time.sleep(1)


def _consume(
    app: Celery, runner: Runner, announcer: Announcer, model: str, edits_in_flight: int, name: str
) -> None:
    @app.task(name=RUN_EDIT)  # type: ignore[untyped-decorator]
    def run_edit(edit_id: str) -> None:
        """One edit more waits; `edit_id` is the one that was submitted with this message."""
        runner.run_next()

    def ready(**_: Any) -> None:
        announcer.start()
        log.info("consuming", model=model, edits_in_flight=edits_in_flight)

    def leaving(**_: Any) -> None:
        log.info("leaving")
        runner.leave()

    # A receiver of this signal is all it takes for Celery to leave our logs alone.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    signals.worker_ready.connect(ready, weak=False)
    signals.worker_shutting_down.connect(leaving, weak=False)
    worker = app.Worker(
        hostname=f"baret@{name}",
        pool="threads",
        concurrency=edits_in_flight,
        queues=[queue_name(model)],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,  # no banner: what it says is in our own lines
    )
    try:
        worker.start()
    finally:
        announcer.stop()
    log.info("left")
