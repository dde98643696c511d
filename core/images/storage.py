"""Pictures in an object store: a local folder by default, S3, GCS or Azure by URL.

Keys are `<edit id>/<name>`; `obstore` writes aside and renames, so nothing half-written is read.
Every part of a key is a plain word (`_key`), so that no caller's text leads anywhere else, whatever
the layers above let through.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from core.circuit_breaker import CircuitBreaker
from core.errors import StoreUnavailable
from core.ids import is_edit_id
from core.schema import Submission

_INVERSIONS = re.compile(r"_inversions/[0-9a-f]{32}/[0-9a-f]{64}")

if TYPE_CHECKING:  # at run time obstore has no such names
    from obstore.store import ClientConfig, RetryConfig

TIMEOUT_SECONDS = 10.0  # that a store may take for one request: 25 MB at 20 Mbit/s
OPEN_SECONDS = 5.0  # that a store which did not answer in time is not asked again
AT_ONCE = 16  # operations of a process; a store that hangs must not take every thread
PLACE_SECONDS = 1.0  # that one waits for the end of others

# An address with http:// is its operator's own choice. obstore's own retries would go on for three
# minutes: those who can wait do so themselves.
_CLIENT: "ClientConfig" = {
    "connect_timeout": "3s",
    "timeout": timedelta(seconds=TIMEOUT_SECONDS),
    "allow_http": True,
}
_RETRY: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)}


class StoredObject(NamedTuple):
    """A file in the store."""

    name: str  # under the prefix asked for
    size: int  # bytes
    modified: datetime


# A part of a key: of ids and digests, with an extension where it is a picture's. No `.` begins it.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
MAX_PARTS = 6


def _key(*texts: str) -> str:
    """The key, or the prefix of whole parts, that the texts make together.

    Raises:
        ValueError: it is none, such as an empty one, which would name everything there is.
    """
    key = "/".join(texts)
    parts = key.split("/")
    if len(parts) > MAX_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"No key of the picture store: {key[:200]!r}")
    return key


def inversions_of(submission: Submission) -> str:
    """The prefix of what a caller's edits keep of a picture beside themselves."""
    caller = hashlib.sha256(submission.caller.encode()).hexdigest()[:32]
    return f"_inversions/{caller}/{submission.input.sha256}"


def is_deletable_prefix(prefix: str) -> bool:
    """Whether a prefix is an edit's, or one of `inversions_of`, and nothing wider."""
    return is_edit_id(prefix) or _INVERSIONS.fullmatch(prefix) is not None


class ImageStorage:
    """Bytes by edit and name.

    Raises:
        StoreUnavailable: from any method, when the store does not answer or is full.
        ValueError: from any method, where a name is none that this service gives.
    """

    def __init__(self, url: str):
        """Open the store at `url` (`file:///…`, `s3://…`, `gs://…`, `az://…`)."""
        self._store: ObjectStore
        if url.startswith("file:"):
            folder = Path(unquote(urlsplit(url).path))
            self._store = LocalStore(folder, mkdir=True, automatic_cleanup=True)
        else:
            self._store = from_url(url, client_options=_CLIENT, retry_config=_RETRY)
        self._breaker = CircuitBreaker(timeout=TIMEOUT_SECONDS, open_seconds=OPEN_SECONDS)
        self._places = BoundedSemaphore(AT_ONCE)

    def put(self, edit_id: str, name: str, data: bytes) -> None:
        """Write a picture whole, or not at all."""
        key = _key(edit_id, name)
        with self._asking("The picture store cannot be written."):
            obstore.put(self._store, key, data)

    def get(self, edit_id: str, name: str) -> bytes | None:
        """The picture's bytes; None where there is none."""
        try:
            key = _key(edit_id, name)
        except ValueError:  # nothing is kept under such a name, whatever a record says
            return None
        with suppress(FileNotFoundError), self._asking():
            return bytes(obstore.get(self._store, key).bytes())
        return None

    def delete(self, prefix: str) -> None:
        """Delete every picture of an edit, or whatever else lies under a prefix of whole parts."""
        prefix = _key(prefix)
        with self._asking():
            for batch in obstore.list(self._store, prefix=prefix):
                obstore.delete(self._store, [meta["path"] for meta in batch])

    def list(self, prefix: str) -> list[StoredObject]:
        """What lies under a prefix of whole parts, the oldest first."""
        prefix = _key(prefix)
        with self._asking():
            found = [
                StoredObject(
                    meta["path"].removeprefix(f"{prefix}/"), meta["size"], meta["last_modified"]
                )
                for batch in obstore.list(self._store, prefix=prefix)
                for meta in batch
            ]
        return sorted(found, key=lambda kept: kept.modified)

    def delete_one(self, edit_id: str, name: str) -> None:
        """Delete one; nothing happens where there is none."""
        key = _key(edit_id, name)
        with suppress(FileNotFoundError), self._asking():
            obstore.delete(self._store, key)

    def check_writable(self) -> None:
        """Raise unless a small object can be written."""
        self.put("_ready", "probe", b"ready")

    @contextmanager
    def _asking(self, otherwise: str = "The picture store does not answer.") -> Iterator[None]:
        """What goes wrong inside is our own error; few wait at once, and few of those for nothing.

        Raises:
            StoreUnavailable: with what it means.
            FileNotFoundError: passed on.
        """
        if not self._breaker.allow() or not self._places.acquire(timeout=PLACE_SECONDS):
            raise StoreUnavailable(otherwise)
        started, failed = time.monotonic(), False
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            failed = True
            raise StoreUnavailable(otherwise) from error
        finally:
            self._places.release()
            if failed and time.monotonic() - started >= TIMEOUT_SECONDS:
                self._breaker.record_timeout()
            else:
                self._breaker.reset()
