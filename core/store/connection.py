"""The connection to Redis, its errors as our own, and the Lua scripts.

What Redis holds is trusted no more than a request: a stranger who writes there can spoil an edit, a
key or a delivery, but must not take the rest of the service along.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from traceback import extract_tb
from typing import Any

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry
from redis.sentinel import Sentinel

from core.circuit_breaker import CircuitBreaker
from core.errors import StoreDamaged, StoreFull, StoreUnavailable
from core.redis_address import SentinelAddress, sentinel_address, tls_options, uses_tls
from core.schema import LEGAL_MOVES
from core.store import keys
from core.telemetry.logs import get_logger

log = get_logger(__name__)

TIMEOUT_SECONDS = 2  # to connect, and for an answer
OPEN_SECONDS = 1.0  # that the circuit breaker stays open after a timeout

# What reading a damaged value raises. The errors of pydantic, json and decoding are kinds of
# ValueError.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError)

_SCRIPTS = Path(__file__).parent / "lua"
# Put before every script, in this order.
_SHARED = ("turns", "quotas", "deliveries", "batch_counts", "prelude", "batches")
_MOVES = json.dumps({a: dict.fromkeys(to, True) for a, to in LEGAL_MOVES.items()})


class _Retry(Retry):
    """Tries again if a connection broke; a client's connections share a circuit breaker."""

    def __init__(self) -> None:
        super().__init__(
            ExponentialWithJitterBackoff(base=0.05, cap=0.5), 3, (redis.ConnectionError,)
        )
        self._breaker = CircuitBreaker(timeout=TIMEOUT_SECONDS, open_seconds=OPEN_SECONDS)
        self._this_thread = threading.local()

    def __deepcopy__(self, memo: object) -> "_Retry":
        """Return itself: every connection gets a copy of the client's."""
        return self

    def call_with_retry(self, do: Callable[[], Any], *args: Any, **kwargs: Any) -> Any:
        """Return what `do` returns, unless the circuit breaker is open."""
        if getattr(self._this_thread, "calling", False):  # connecting is a call within a call
            return super().call_with_retry(do, *args, **kwargs)
        if not self._breaker.allow():
            raise redis.TimeoutError("not tried: Redis has just timed out")
        self._this_thread.calling = True
        try:
            answer = super().call_with_retry(do, *args, **kwargs)
        except redis.TimeoutError:
            self._breaker.record_timeout()
            raise
        finally:
            self._this_thread.calling = False
        self._breaker.reset()
        return answer


def connect(url: str) -> "redis.Redis":
    """Return a pooled, thread-safe connection that gives up within seconds.

    With Sentinels, each new connection goes to the server that they then name as the master.
    """
    options: dict[str, Any] = {
        "decode_responses": True,
        "encoding_errors": "replace",  # one damaged value must not hide the others
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "health_check_interval": 15,
        "retry": _Retry(),
    }
    if (at := sentinel_address(url)) is None:
        return redis.Redis.from_url(url, **options)
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        at.sentinels, sentinel_kwargs=sentinel_options(at, url)
    )
    client: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]
        at.master, **master_options(at, url), **options
    )
    return client


def sentinel_options(at: SentinelAddress, url: str) -> dict[str, Any]:
    """Return the options of the connections to Sentinels, as redis-py and kombu take them."""
    return {
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "retry": None,  # the next Sentinel is asked instead
        "username": at.sentinel_login.username,
        "password": at.sentinel_login.password,
        **_tls(url),
    }


def master_options(at: SentinelAddress, url: str) -> dict[str, Any]:
    """Return the options of the connections to the server that the Sentinels name."""
    login = at.server_login
    return {"username": login.username, "password": login.password, "db": at.db, **_tls(url)}


def _tls(url: str) -> dict[str, Any]:
    return {"ssl": True, **tls_options(url)} if uses_tls(url) else {}


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turn the errors of Redis into our own; used as a decorator."""
    try:
        yield
    except redis.RedisError as error:
        if "WRONGTYPE" in str(error):
            raise _damaged(error) from error
        if isinstance(error, redis.OutOfMemoryError):
            raise StoreFull("Redis is full; tell the service's operator.") from error
        if isinstance(error, NoPermissionError):  # which command or key; no value
            log.error("Redis does not let its user do this", reason=str(error))
        raise StoreUnavailable("Redis does not answer; try again in a few seconds.") from error
    except UNREADABLE as error:
        if isinstance(error, TypeError) and _is_wrong_call(error):
            raise
        raise _damaged(error) from error


def _is_wrong_call(error: TypeError) -> bool:
    """Return whether the decorated function was called with wrong arguments: a bug of ours.

    Then the traceback ends with the call: here, and in the decorator's wrapper.
    """
    return len(extract_tb(error.__traceback__)) == 2


def _damaged(error: Exception) -> StoreDamaged:
    # The place in the code, not the value: its author must not write our log.
    # After this module's and the decorator's.
    *_, place = extract_tb(error.__traceback__)[:3]
    where = f"{Path(place.filename).name}:{place.lineno}"
    log.error("Redis holds a value that cannot be read", where=where, reason=type(error).__name__)
    return StoreDamaged("The service's own records are damaged; tell its operator.")


# Refused while Redis is at its `maxmemory`. Scripts that run, end or delete edits are not.
_REFUSED_WHEN_FULL = (
    *("create_upload", "reserve_upload", "submit", "create_batch", "acquire_idempotency"),
    *("preview", "probe"),
)


@cache
def _texts() -> dict[str, str]:
    """Return the text of every script, by its name."""
    shared = [(_SCRIPTS / f"{name}.lua").read_text() for name in _SHARED]
    prelude = keys.lua_definitions() + "".join(shared)
    return {
        path.stem: _head(path.stem) + prelude + path.read_text()
        for path in _SCRIPTS.glob("*.lua")
        if path.stem not in _SHARED
    }


class Scripts:
    """All scripts, each behind the prelude. Nothing is sent before one is run."""

    def __init__(self, client: redis.Redis):
        self._scripts = {name: client.register_script(text) for name, text in _texts().items()}

    def run(self, script: str, *arguments: str | float) -> Any:
        """Run a script and return what it returns."""
        return self._scripts[script](args=[_MOVES, *arguments])

    def queue(self, pipeline: Any, script: str, *arguments: str | float) -> None:
        """Add a script to a pipeline, which returns what it returns."""
        self._scripts[script](args=[_MOVES, *arguments], client=pipeline)

    def write(self, *command: str | float) -> Any:
        """Run a command even if Redis is full, because it frees memory or needs little."""
        return self.run("write", *command)


class RedisStore:
    """Base of what reads and writes edits: a connection and the scripts."""

    def __init__(self, client: redis.Redis):
        # The library's types cannot say that decode_responses makes every answer text.
        self._redis: Any = client
        scripts = Scripts(client)
        self._run, self._write, self._queue = scripts.run, scripts.write, scripts.queue


def _head(script: str) -> str:
    # A full Redis refuses a script before it begins, not in the middle.
    return "#!lua\n" if script in _REFUSED_WHEN_FULL else "#!lua flags=allow-oom\n"
