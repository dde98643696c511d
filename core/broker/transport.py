"""A Celery transport that lets a worker read only one thing: that one more edit waits.

Anyone who can write to Redis can write any message, and Celery believes what it reads: a message
names its own task, its compression, its time limits and what is sent to which queue afterwards,
and a malformed one ends the worker. So each is checked before Celery sees it: one that names our
task and an edit's id is rewritten with nothing else in it, any other is dropped. That loses
nothing, because order lives in the store (docs/decisions/0002-order-lives-in-the-store.md).
"""

import base64
import json
import time
import uuid
from collections.abc import Iterable
from functools import cached_property
from queue import Empty
from typing import Any

from kombu.transport import redis as kombu_redis
from redis import ConnectionPool, Redis
from redis.exceptions import ResponseError
from redis.sentinel import Sentinel

from core.ids import is_edit_id
from core.telemetry.logs import get_logger

log = get_logger(__name__)

RUN_EDIT = "baret.run_edit"
MAX_BYTES = 16 * 1024  # of a message; ours have about 1 kB
LOG_PAUSE_SECONDS = 1.0  # between two log lines about dropped messages, however many there are


def rewrite_message(item: bytes, queue: str) -> bytes | None:
    """Return our own message, rewritten from its edit's id; None for anything else."""
    if len(item) > MAX_BYTES:
        return None
    try:
        message = json.loads(item)
        if message["headers"]["task"] != RUN_EDIT:
            return None
        (edit_id,), _, _ = json.loads(base64.b64decode(message["body"], validate=True))
        return _message(edit_id, queue) if is_edit_id(edit_id) else None
    # Not JSON, UTF-8 or base64 (kinds of ValueError); another shape; nested too deeply.
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def _message(edit_id: str, queue: str) -> bytes:
    """Return a message in kombu's form, with only what Celery's protocol 2 needs."""
    task_id = str(uuid.uuid4())
    body = base64.b64encode(json.dumps([[edit_id], {}, {}]).encode()).decode()
    message = {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": RUN_EDIT, "id": task_id, "ignore_result": True},
        "properties": {
            "body_encoding": "base64",
            # Made by this worker: one from outside might be another message's.
            "delivery_tag": task_id,
            "delivery_info": {"exchange": "", "routing_key": queue},
        },
    }
    return json.dumps(message).encode()


class Channel(kombu_redis.Channel):  # type: ignore[misc]
    """kombu's channel, which reads only our own messages."""

    _dropped, _next_log_at = 0, 0.0  # monotonic

    @cached_property
    def client(self) -> "Redis":
        """The connection that messages are read from; it checks each of them."""
        client: Redis = self._create_client(asynchronous=True)
        client.set_response_callback("BRPOP", self._check)
        return client

    def _check(self, popped: list[bytes] | None, **_: Any) -> tuple[bytes, bytes] | None:
        """Return what BRPOP popped: key and message, or None as if there had been nothing."""
        if not popped:
            return None
        queue = popped[0].decode()
        message = rewrite_message(popped[1], queue)
        if message is None:
            self._log_dropped(queue)
            return None
        return popped[0], message

    def _log_dropped(self, queue: str) -> None:
        """Log that messages were dropped, without their contents: strangers must not write logs."""
        self._dropped += 1
        if time.monotonic() >= self._next_log_at:
            log.warning("messages dropped: not ours", queue=queue, count=self._dropped)
            self._next_log_at, self._dropped = time.monotonic() + LOG_PAUSE_SECONDS, 0

    def _queue_bind(self, *_: Any) -> None:
        """Do nothing: our messages name their list, and a routing table in Redis could lie."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except ResponseError as error:
            self._repair(error, self.active_queues)
            raise Empty from error

    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:
        try:
            super()._put(queue, message, **options)
        except ResponseError as error:
            self._repair(error, [queue])
            super()._put(queue, message, **options)

    def _size(self, queue: str) -> int:
        try:
            return int(super()._size(queue))
        except ResponseError as error:
            self._repair(error, [queue])
            return 0

    def _repair(self, error: ResponseError, queues: Iterable[str]) -> None:
        """Delete keys with a queue's name that are not lists: they would stop all messages."""
        if "WRONGTYPE" not in str(error):
            raise error
        with self.conn_or_acquire() as client:
            for queue in queues:
                if client.type(queue) not in (b"list", b"none"):
                    client.delete(queue)
                    log.warning("deleted a queue's key that is not a list", queue=queue)


class SentinelChannel(Channel, kombu_redis.SentinelChannel):  # type: ignore[misc]
    """The same by way of Sentinels, which are a transport option.

    kombu itself takes them from a list of URLs. When a connection breaks it goes on to the next of
    them, by that URL's transport: its own, which would read any message.
    """

    from_transport_options = (*kombu_redis.SentinelChannel.from_transport_options, "sentinels")
    sentinels: tuple[tuple[str, int], ...] = ()

    def _sentinel_managed_pool(self, asynchronous: bool = False) -> ConnectionPool:
        options = self._connparams(asynchronous)
        del options["host"], options["port"]
        manager = Sentinel(self.sentinels, sentinel_kwargs=self.sentinel_kwargs)  # type: ignore[no-untyped-call]
        # kombu closes these.
        if asynchronous:
            self._async_sentinel_manager = manager
        else:
            self._sentinel_manager = manager
        client: Redis = manager.master_for(  # type: ignore[no-untyped-call]
            self.master_name, **options
        )
        return client.connection_pool


class Transport(kombu_redis.Transport):  # type: ignore[misc]
    """kombu's transport, with our channel."""

    Channel = Channel


class SentinelTransport(kombu_redis.SentinelTransport):  # type: ignore[misc]
    """The same by way of Sentinels."""

    Channel = SentinelChannel
