"""What a worker takes off a Celery queue: that one more edit waits, and nothing else.

Whoever can write to Redis can write any message, and Celery believes what it reads: a message
names its own task, its compression, its time limits and what is sent to which queue afterwards,
and one that is misshapen ends the worker. So each is judged before Celery sees it: one that says
our task and an edit's id is written anew with nothing else in it, any other is dropped. That
loses nothing, because order lives in the store (docs/decisions/0002-order-lives-in-the-store.md).
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
from redis import Redis
from redis.exceptions import ResponseError

from core.ids import is_edit_id
from core.telemetry.logs import get_logger

log = get_logger(__name__)

RUN_EDIT = "baret.run_edit"
MAX_BYTES = 16 * 1024  # of a message; ours have about 1 kB
QUIET_SECONDS = 1.0  # between two lines about dropped messages, however many there are


def only_ours(item: bytes, queue: str) -> bytes | None:
    """A message of ours, written anew from its edit's id; None for whatever else it is."""
    if len(item) > MAX_BYTES:
        return None
    try:
        told = json.loads(item)
        if told["headers"]["task"] != RUN_EDIT:
            return None
        (edit_id,), _, _ = json.loads(base64.b64decode(told["body"], validate=True))
        return _message(edit_id, queue) if is_edit_id(edit_id) else None
    # No JSON, no UTF-8, no base64 (kinds of ValueError); another shape; nested too deeply.
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def _message(edit_id: str, queue: str) -> bytes:
    """As kombu keeps one: what Celery's protocol 2 cannot do without."""
    task_id = str(uuid.uuid4())
    body = base64.b64encode(json.dumps([[edit_id], {}, {}]).encode()).decode()
    message = {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": RUN_EDIT, "id": task_id, "ignore_result": True},
        "properties": {
            "body_encoding": "base64",
            # Of this worker's own making: one from outside might be another message's.
            "delivery_tag": task_id,
            "delivery_info": {"exchange": "", "routing_key": queue},
        },
    }
    return json.dumps(message).encode()


class Channel(kombu_redis.Channel):  # type: ignore[misc]
    """kombu's, which reads none but our own messages."""

    _dropped, _quiet_until = 0, 0.0

    @cached_property
    def client(self) -> "Redis":
        """The connection that messages come from, with a judge in it."""
        client: Redis = self._create_client(asynchronous=True)
        client.set_response_callback("BRPOP", self._judged)
        return client

    def _judged(self, popped: list[bytes] | None, **_: Any) -> tuple[bytes, bytes] | None:
        """What BRPOP popped: key and message, or None as if it had been nothing."""
        if not popped:
            return None
        queue = popped[0].decode()
        message = only_ours(popped[1], queue)
        if message is None:
            self._note_dropped(queue)
            return None
        return popped[0], message

    def _note_dropped(self, queue: str) -> None:
        """Say so, but not what it said: who writes messages shall not write our log."""
        self._dropped += 1
        if time.monotonic() >= self._quiet_until:
            log.warning("messages dropped: not ours", queue=queue, count=self._dropped)
            self._quiet_until, self._dropped = time.monotonic() + QUIET_SECONDS, 0

    def _queue_bind(self, *_: Any) -> None:
        """Keep no routing table in Redis: our messages name their list, and a table could lie."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except ResponseError as error:
            self._mend(error, self.active_queues)
            raise Empty from error

    def _put(self, queue: str, message: dict[str, Any], **options: Any) -> None:
        try:
            super()._put(queue, message, **options)
        except ResponseError as error:
            self._mend(error, [queue])
            super()._put(queue, message, **options)

    def _size(self, queue: str) -> int:
        try:
            return int(super()._size(queue))
        except ResponseError as error:
            self._mend(error, [queue])
            return 0

    def _mend(self, error: ResponseError, queues: Iterable[str]) -> None:
        """Delete what has a queue's name and is no list: it would stop all messages for good."""
        if "WRONGTYPE" not in str(error):
            raise error
        with self.conn_or_acquire() as client:
            for queue in queues:
                if client.type(queue) not in (b"list", b"none"):
                    client.delete(queue)
                    log.warning("deleted: a queue's name, but no list", queue=queue)


class Transport(kombu_redis.Transport):  # type: ignore[misc]
    """kombu's, with our channel."""

    Channel = Channel
