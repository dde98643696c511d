"""Celery: it carries ids to workers, one queue per model. The store keeps order and leases.

A message says "one more edit waits for this model"; the worker that receives it claims the edit
whose turn it is (docs/decisions/0002-order-lives-in-the-store.md). So a message that is lost or
delivered twice costs nothing, and a stranger's is worth no more (core/broker/transport.py).
"""

from ssl import CERT_REQUIRED
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.utils.url import as_url

from core.broker.transport import RUN_EDIT, SentinelTransport, Transport
from core.redis_address import SentinelAddress, sentinel_address, tls_options, uses_tls
from core.store.connection import sentinel_options

RECONNECT_SECONDS = 4  # at most, between two tries to reach Redis again


class _Connection(Connection):  # type: ignore[misc]  # the library ships no types
    """Tries again often: Celery's own pauses grow to half a minute and cannot be configured."""

    def _ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        kwargs |= {"interval_max": min(RECONNECT_SECONDS, kwargs.get("interval_max", 30))}
        return super()._ensure_connection(*args, **kwargs)


class _Amqp(AMQP):  # type: ignore[misc]
    Connection = _Connection


def queue_name(model: str) -> str:
    """Return the name of a model's Celery queue."""
    return f"edits.{model}"


def model_of(queue: str) -> str:
    """Return the model whose queue this is."""
    return queue.removeprefix("edits.")


def make_celery(broker_url: str) -> Celery:
    """Return the Celery application that the API, the housekeeper and the workers use."""
    at = sentinel_address(broker_url)
    transport = SentinelTransport if at else Transport
    app = Celery(
        "baret",
        broker=_sentinel_url(at) if at else broker_url,
        set_as_current=False,
        amqp=_Amqp,
    )
    app.conf.update(
        # Results live in the store; Celery's own would be a second source of truth.
        task_ignore_result=True,
        result_backend=None,
        # Messages are data: nothing executable is ever unpacked, and a worker reads only what our
        # transport lets through.
        broker_transport=f"{transport.__module__}:{transport.__name__}",
        # kombu's own default for `rediss://` trusts any certificate; the URL may still say so.
        broker_use_ssl=_tls(broker_url),
        task_serializer="json",
        accept_content=["json"],
        # A message counts while its edit runs, so a worker that is stopped gives it back.
        task_acks_late=True,
        # A worker fetches no message that it has no free place for.
        worker_prefetch_multiplier=1,
        # Chords, gossip and events are not used; without them an idle worker is silent.
        worker_send_task_events=False,
        task_send_sent_event=False,
        # Anyone who can publish to Redis could stop all workers with a broadcast. The store knows
        # which worker serves what (GET /v1/models, /readyz).
        worker_enable_remote_control=False,
        # Our own structured logs.
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        # A Redis that comes back after minutes finds its workers still trying.
        broker_connection_max_retries=None,
        # A message lost on a broken connection must not lie unacknowledged in a running worker.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_transport_options={
            # The lease decides when a worker is lost, not a broker's timeout. So nothing of a
            # message stays in Redis after its delivery that could be tampered with.
            "ack_emulation": False,
            # One list per queue: the store keeps the order, so priorities mean nothing.
            "priority_steps": [0],
            # A dead connection is noticed within seconds.
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 15,
            **(_sentinel_options(at, broker_url) if at else {}),
        },
        # A failed publish returns quickly; the housekeeper sends the message later.
        task_publish_retry_policy={"max_retries": 2, "interval_start": 0.1, "interval_max": 0.5},
    )
    return app


def _sentinel_url(at: SentinelAddress) -> str:
    """Return the URL in kombu's form. The first Sentinel stands for all."""
    host, port = at.sentinels[0]
    login = at.server_login
    return str(as_url("sentinel", host, port, login.username, login.password, str(at.db)))


def _sentinel_options(at: SentinelAddress, url: str) -> dict[str, Any]:
    return {
        "sentinels": at.sentinels,
        "master_name": at.master,
        "sentinel_kwargs": sentinel_options(at, url),
    }


def _tls(url: str) -> dict[str, Any] | None:
    return {"ssl_cert_reqs": CERT_REQUIRED, **tls_options(url)} if uses_tls(url) else None


def signal_waiting(app: Celery, model: str, edit_id: str) -> None:
    """Tell one worker of `model` that an edit waits. The id is for its log."""
    app.send_task(RUN_EDIT, args=[edit_id], queue=queue_name(model))
