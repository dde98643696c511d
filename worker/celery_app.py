"""Celery's part of the worker: the task, the signals and the options it consumes with."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery, signals

from core.broker.app import model_of, queue_name
from core.broker.transport import RUN_EDIT
from core.telemetry.logs import get_logger

log = get_logger("worker")


@dataclass(frozen=True)
class Consumption:
    """What a worker consumes, and what it does meanwhile."""

    models: Sequence[str]  # whose queues to consume at first
    run_next: Callable[[str], object]  # runs the edit whose turn it is; takes the message's model
    on_ready: Callable[["Queues"], None]  # called once the worker consumes
    on_shutdown: Callable[[], None]  # called at SIGTERM or SIGINT
    on_stopped: Callable[[], None]  # called when nothing is consumed any more


class Queues:
    """The queues that a running worker consumes; they can be changed from any thread."""

    def __init__(self, consumer: Any, models: Sequence[str]):
        """Take Celery's consumer and the models whose queues it consumes."""
        self._consumer, self._open = consumer, set(models)
        self._changing = threading.Lock()

    def consume(self, models: Sequence[str]) -> None:
        """Consume the queues of these models from now on, and no others."""
        with self._changing:
            for model in self._open - set(models):
                self._consumer.call_soon(self._consumer.cancel_task_queue, queue_name(model))
            for model in set(models) - self._open:
                self._consumer.call_soon(self._consumer.add_task_queue, queue_name(model))
            self._open = set(models)


def consume(app: Celery, consumption: Consumption, *, edits_in_flight: int, name: str) -> None:
    """Consume models' queues until SIGTERM or SIGINT.

    Args:
        app: the Celery application.
        consumption: of what.
        edits_in_flight: edits that run at once, each in a thread.
        name: of this worker, unique.
    """
    models = consumption.models

    @app.task(name=RUN_EDIT, bind=True)  # type: ignore[untyped-decorator]
    def run_edit(task: Any, edit_id: str) -> None:
        """Run the edit whose turn it is.

        A message says that one more edit waits; `edit_id` is the one it was sent with.
        """
        consumption.run_next(model_of(task.request.delivery_info["routing_key"]))

    def on_ready(sender: Any, **_: Any) -> None:
        consumption.on_ready(Queues(sender, models))
        log.info("consuming", model=", ".join(models), edits_in_flight=edits_in_flight)

    def on_shutdown(**_: Any) -> None:
        log.info("shutting down")
        consumption.on_shutdown()

    # Celery leaves our logs alone if this signal has any receiver.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    signals.worker_ready.connect(on_ready, weak=False)
    signals.worker_shutting_down.connect(on_shutdown, weak=False)
    worker = app.Worker(
        hostname=f"baret@{name}",
        # Threads: forked children and CUDA do not mix, and the solo pool answers no pings during
        # a task.
        pool="threads",
        concurrency=edits_in_flight,
        queues=[queue_name(model) for model in models],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,  # our own log lines say what the banner would
    )
    try:
        worker.start()
    finally:
        consumption.on_stopped()
    log.info("stopped")
