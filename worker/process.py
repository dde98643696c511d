"""The process from its start to its end: load a model, then serve edits until a signal.

A model is loaded before Celery starts, so that no worker claims an edit it cannot run. A worker's
only model stays loaded; which of several are, `residency` decides.
"""

import os
import socket
import time
import uuid
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import torch
from celery import Celery
from celery.exceptions import CPendingDeprecationWarning, SecurityWarning
from prometheus_client import start_http_server

from baret import Editor
from baret.engine.budget import free_bytes
from baret.engine.engine import start_device_thread
from baret.model.stable_diffusion import find_device
from core.broker.app import make_celery, signal_waiting
from core.errors import StoreUnavailable
from core.ids import new_edit_id
from core.images.provenance import Marking
from core.images.sandbox import warm_up
from core.images.storage import ImageStorage
from core.model_settings import read_each_model
from core.settings import Settings
from core.store.connection import connect
from core.store.edits import EditStore
from core.telemetry.logs import configure_logs, get_logger
from core.telemetry.tracer import Tracer
from core.telemetry.tracing import make_tracer
from worker.announcer import Announcer, LoadingAnnouncer, ModelsAnnouncer, describe_model
from worker.celery_app import Consumption, Queues, consume
from worker.inversion_cache import InversionCache
from worker.metrics import CallMetrics
from worker.model_loader import DeviceLoader, EditorLoader
from worker.options import model_options
from worker.outputs import ImageEncoder
from worker.residency import Residency
from worker.runner import Runner, RunnerDependencies
from worker.slots import Slot

log = get_logger("worker")


MODELS_SHARE = 0.6  # of the device's free memory, for the weights of several models


def load_editor(settings: Settings, device_thread: ThreadPoolExecutor | None = None) -> Editor:
    """Load the editor of the model that the settings name."""
    return Editor.from_pretrained(
        settings.model_path,
        device=settings.device,
        dtype=settings.dtype,
        options=model_options(settings),
        content_check=settings.content_check,
        on_call=CallMetrics(settings.model_name).record,
        device_thread=device_thread,
    )


@dataclass(frozen=True)
class Factories:
    """Functions that make the parts with an outside, each from the settings."""

    editor: Callable[[Settings], Editor] = load_editor
    store: Callable[[Settings], EditStore] = lambda settings: EditStore(
        connect(settings.broker_url)
    )
    files: Callable[[Settings], ImageStorage] = lambda settings: ImageStorage(settings.images_url)
    editor_beside: EditorLoader = load_editor  # of one of several models


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
    models = read_each_model(settings)
    warm_up()
    _reserve_a_core()
    tracer = make_tracer(settings.otlp_endpoint, "worker")
    try:
        worker = _Worker.make(settings, factories, tracer)
        loading = LoadingAnnouncer(worker.store, worker.name, models[0].model_name, started=started)
        loading.start()
        serve_models = _serve_one if len(models) == 1 else _serve_several
        serve_models(models, worker, factories, loading)
    finally:
        tracer.close()


@dataclass(frozen=True)
class _Worker:
    """What the process has besides its models."""

    settings: Settings
    name: str  # unique
    store: EditStore
    files: ImageStorage
    app: Celery
    marking: Marking
    tracer: Tracer

    @classmethod
    def make(cls, settings: Settings, factories: Factories, tracer: Tracer) -> Self:
        marking = Marking.make(
            enabled=settings.mark_outputs,
            certificate=settings.c2pa_certificate,
            key=settings.c2pa_key,
            algorithm=settings.c2pa_algorithm,
        )
        return cls(
            settings,
            name=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}",
            store=factories.store(settings),
            files=factories.files(settings),
            app=make_celery(settings.broker_url),
            marking=marking,
            tracer=tracer,
        )

    def runner(self, settings: Settings, editor: Editor) -> Runner:
        """Return a runner of a loaded model."""
        model, max_bytes = settings.model_name, settings.inversion_cache_mb * 2**20
        return Runner(
            RunnerDependencies(
                editor=editor,
                store=self.store,
                files=self.files,
                inversions=InversionCache(self.files, editor.model, max_bytes=max_bytes),
                encoder=ImageEncoder(self.marking, model),
                model=model,
                notify=lambda edit_id: signal_waiting(self.app, model, edit_id),
                timeout=settings.edit_timeout,
                tracer=self.tracer,
            )
        )

    def consume(self, consumption: Consumption, edits_at_once: int) -> None:
        """Wait for Redis, then consume until a signal."""
        settings = self.settings
        _wait_for_redis(self.store)
        if settings.worker_metrics_port:
            start_http_server(settings.worker_metrics_port)
        in_flight = settings.concurrency_limit or edits_at_once
        consume(self.app, consumption, edits_in_flight=in_flight, name=self.name)


def _serve_one(
    models: Sequence[Settings], worker: _Worker, factories: Factories, loading: LoadingAnnouncer
) -> None:
    """Load the only model, and keep it."""
    (settings,) = models
    editor = _load(settings, factories.editor)
    runner, model = worker.runner(settings, editor), settings.model_name
    described = describe_model(editor, model)
    announcer = Announcer(worker.store, worker.name, described, loading=loading)
    consumption = Consumption(
        models=[model],
        run_next=lambda model: runner.run_next(),
        on_ready=lambda queues: announcer.start(),
        on_shutdown=runner.stop,
        on_stopped=announcer.stop,
    )
    worker.consume(consumption, editor.edits_at_once)


def _serve_several(
    models: Sequence[Settings], worker: _Worker, factories: Factories, loading: LoadingAnnouncer
) -> None:
    """Load the first model, and the others when there is room or it is their turn."""
    thread, settings = start_device_thread(), worker.settings

    def load(settings: Settings, thread: ThreadPoolExecutor) -> Editor:
        return _load(settings, lambda settings: factories.editor_beside(settings, thread))

    free = free_bytes(find_device(settings.device))
    residency = Residency(
        [Slot(model) for model in models],
        worker.store,
        worker.name,
        DeviceLoader(load, worker.runner, thread),
        limit=settings.model_memory_gb * 1e9 or MODELS_SHARE * free,
        notify=lambda model: signal_waiting(worker.app, model, new_edit_id()),
    )
    _wait_for_redis(worker.store)
    first = residency.load_first()
    slots = list(residency.slots.values())
    announcer = ModelsAnnouncer(worker.store, worker.name, slots, loading=loading)

    def on_ready(queues: Queues) -> None:
        def on_changed() -> None:
            queues.consume(residency.ready_models)
            announcer.announce_now()

        residency.changed = on_changed
        announcer.start()
        residency.start()

    def on_stopped() -> None:
        residency.close()
        announcer.stop()

    consumption = Consumption(
        models=residency.ready_models,
        run_next=residency.run_next,
        on_ready=on_ready,
        on_shutdown=residency.stop,
        on_stopped=on_stopped,
    )
    worker.consume(consumption, first.edits_at_once)


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
