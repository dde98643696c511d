"""Celery's part of the worker: the task, the signals and the options it consumes with."""

from typing import Any

from celery import Celery, signals

from core.broker.app import queue_name
from core.broker.transport import RUN_EDIT
from core.telemetry.logs import get_logger
from worker.announcer import Announcer
from worker.runner import Runner

log = get_logger("worker")


def consume(
    app: Celery,
    runner: Runner,
    announcer: Announcer,
    *,
    model: str,
    edits_in_flight: int,
    name: str,
) -> None:
    """Consume a model's queue until SIGTERM or SIGINT.

    Args:
        app: the Celery application.
        runner: runs the edits.
        announcer: announces the model while the worker consumes.
        model: whose queue to consume.
        edits_in_flight: edits that run at once, each in a thread.
        name: of this worker, unique.
    """

    @app.task(name=RUN_EDIT)  # type: ignore[untyped-decorator]
    def run_edit(edit_id: str) -> None:
        """Run the edit whose turn it is.

        A message says that one more edit waits; `edit_id` is the one it was sent with.
        """
        runner.run_next()

    def on_ready(**_: Any) -> None:
        announcer.start()
        log.info("consuming", model=model, edits_in_flight=edits_in_flight)

    def on_shutdown(**_: Any) -> None:
        log.info("shutting down")
        runner.stop()

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
        queues=[queue_name(model)],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,  # our own log lines say what the banner would
    )
    try:
        worker.start()
    finally:
        announcer.stop()
    log.info("stopped")
