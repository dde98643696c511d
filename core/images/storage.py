"""Images in an object store: a local folder by default; S3, GCS or Azure by URL.

Keys are `<prefix>/<name>` (`core.images.keys`). `obstore` writes to a temporary name and renames,
so a reader never sees half a file.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError, GenericError
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store, from_url

from core.circuit_breaker import CircuitBreaker
from core.errors import ImageTooLarge, StoreUnavailable
from core.images.keys import PROBE, object_key

if TYPE_CHECKING:  # at run time obstore has no such names
    from obstore import Attributes
    from obstore.store import ClientConfig, RetryConfig

TIMEOUT_SECONDS = 10.0  # for one request: 25 MB at 20 Mbit/s
OPEN_SECONDS = 5.0  # how long requests fail at once after a timeout
MAX_CONCURRENT = 16  # operations of a process; a store that hangs must not take every thread
ATTEMPTS = 5  # to write into a folder that others empty and remove at the same time
SLOT_SECONDS = 1.0  # how long an operation waits for others to end

# Plain http:// is the operator's own choice. obstore's default retries go on for three minutes;
# callers that can wait retry themselves.
_CLIENT: "ClientConfig" = {
    "connect_timeout": "3s",
    "timeout": timedelta(seconds=TIMEOUT_SECONDS),
    "allow_http": True,
}
_RETRY: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)}


class StoredObject(NamedTuple):
    """A listed object."""

    name: str  # relative to the listed prefix
    size: int  # bytes
    modified: datetime


class SignedPut(NamedTuple):
    """A store's own URL to which one object may be sent."""

    url: str
    headers: dict[str, str]  # that the request needs


class ImageStorage:
    """Bytes by prefix (an edit's id, mostly) and name.

    Raises:
        StoreUnavailable: from any method, if the store does not answer or is full.
        ValueError: from any method but `get`, if the key is not valid.
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
        self._slots = BoundedSemaphore(MAX_CONCURRENT)

    def put(self, prefix: str, name: str, data: bytes, content_type: str | None = None) -> None:
        """Write an object whole, or not at all.

        Args:
            prefix: of its key.
            name: the rest of its key.
            data: its bytes.
            content_type: what the store's own URL says it is; a folder keeps no types.
        """
        key = object_key(prefix, name)
        attributes: Attributes | None = None
        if content_type is not None and self.signs_urls:
            attributes = {"Content-Type": content_type}
        with self._request("The image storage cannot be written to."):
            for attempt in range(ATTEMPTS):
                try:
                    obstore.put(self._store, key, data, attributes=attributes)
                    return
                except GenericError:
                    # A deletion beside this has removed the folder between its making and its use.
                    if not isinstance(self._store, LocalStore) or attempt == ATTEMPTS - 1:
                        raise

    def get(self, prefix: str, name: str, *, max_bytes: int | None = None) -> bytes | None:
        """Return an object's bytes, or None if it does not exist.

        Raises:
            ImageTooLarge: it has more than `max_bytes`; they are not read.
        """
        try:
            key = object_key(prefix, name)
        except ValueError:  # nothing is stored under such a name, whatever a record says
            return None
        with suppress(FileNotFoundError), self._request():
            found = obstore.get(self._store, key)
            size = found.meta["size"]
            if max_bytes is not None and size > max_bytes:
                raise ImageTooLarge(f"The image has {size} bytes; at most {max_bytes} may be sent.")
            return bytes(found.bytes())
        return None

    @property
    def signs_urls(self) -> bool:
        """Return whether the store has URLs of its own: a folder has none."""
        return isinstance(self._store, S3Store | GCSStore | AzureStore)

    def sign_put(self, prefix: str, name: str, *, seconds: int) -> SignedPut:
        """Return the store's own URL to send an object to.

        Raises:
            TypeError: it has none.
        """
        url = self._sign("PUT", object_key(prefix, name), seconds)
        is_azure = isinstance(self._store, AzureStore)
        return SignedPut(url, {"x-ms-blob-type": "BlockBlob"} if is_azure else {})

    def sign_get(self, prefix: str, name: str, *, seconds: int) -> str:
        """Return the store's own URL to read an object at.

        Raises:
            TypeError: it has none.
        """
        return self._sign("GET", object_key(prefix, name), seconds)

    def _sign(self, method: Literal["GET", "PUT"], key: str, seconds: int) -> str:
        store = self._store
        if not isinstance(store, S3Store | GCSStore | AzureStore):
            raise TypeError("A folder signs no URLs.")
        with self._request("The image storage signs no URLs."):
            return obstore.sign(store, method, key, timedelta(seconds=seconds))

    def delete(self, prefix: str) -> None:
        """Delete every object under a prefix of whole parts, also while others delete there."""
        prefix = object_key(prefix)
        with self._request():
            whole = False
            while not whole:
                whole = True
                for batch in obstore.list(self._store, prefix=prefix):
                    try:
                        obstore.delete(self._store, [meta["path"] for meta in batch])
                    except FileNotFoundError:  # another has deleted one of them
                        whole = False

    def list(self, prefix: str) -> list[StoredObject]:
        """List the objects under a prefix of whole parts, oldest first."""
        prefix = object_key(prefix)
        with self._request():
            objects = [
                StoredObject(
                    meta["path"].removeprefix(f"{prefix}/"), meta["size"], meta["last_modified"]
                )
                for batch in obstore.list(self._store, prefix=prefix)
                for meta in batch
            ]
        return sorted(objects, key=lambda item: item.modified)

    def delete_one(self, prefix: str, name: str) -> None:
        """Delete one object. Does nothing if it does not exist."""
        key = object_key(prefix, name)
        with suppress(FileNotFoundError), self._request():
            obstore.delete(self._store, key)

    def check_writable(self) -> None:
        """Raise unless a small object can be written."""
        self.put(*PROBE, b"ready")

    @contextmanager
    def _request(self, message: str = "The image storage does not answer.") -> Iterator[None]:
        """Bound the number of requests, fail fast after a timeout, and translate errors.

        Raises:
            StoreUnavailable: the request failed, or was not sent; with this message.
            FileNotFoundError: passed on.
        """
        if not self._breaker.allow() or not self._slots.acquire(timeout=SLOT_SECONDS):
            raise StoreUnavailable(message)
        started, failed = time.monotonic(), False
        try:
            yield
        except FileNotFoundError:
            raise
        except (BaseError, OSError) as error:
            failed = True
            raise StoreUnavailable(message) from error
        finally:
            self._slots.release()
            if failed and time.monotonic() - started >= TIMEOUT_SECONDS:
                self._breaker.record_timeout()
            else:
                self._breaker.reset()
