"""Pictures in an object store: a local folder by default, S3, GCS or Azure by URL.

Keys are `<edit id>/<name>`; `obstore` writes aside and renames, so nothing half-written is read.
Every part of a key is a plain word (`_key`), so that no caller's text leads anywhere else, whatever
the layers above let through.
"""

import hashlib
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from jobs.errors import StoreUnavailable
from jobs.ids import is_edit_id
from jobs.schema import Submission

_INVERSIONS = re.compile(r"_inversions/[0-9a-f]{32}/[0-9a-f]{64}")

if TYPE_CHECKING:  # at run time obstore has no such names
    from obstore.store import ClientConfig, RetryConfig

# obstore's own retries go on for three minutes: those who can wait do so themselves.
_CLIENT: "ClientConfig" = {"connect_timeout": "3s", "timeout": "30s"}
_RETRY: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}


class Kept(NamedTuple):
    """A file in the store."""

    name: str  # under the prefix asked for
    size: int  # bytes
    modified: datetime


# A part of a key: of ids and digests, with an extension where it is a picture's. No `.` begins it.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
MOST_PARTS = 6


def _key(*texts: str) -> str:
    """The key, or the prefix of whole parts, that the texts make together.

    Raises:
        ValueError: it is none, such as an empty one, which would name everything there is.
    """
    key = "/".join(texts)
    parts = key.split("/")
    if len(parts) > MOST_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"No key of the picture store: {key[:200]!r}")
    return key


def inversions_of(submission: Submission) -> str:
    """The prefix of what a caller's edits keep of a picture beside themselves."""
    caller = hashlib.sha256(submission.caller.encode()).hexdigest()[:32]
    return f"_inversions/{caller}/{submission.input.sha256}"


def holds_one_edits_pictures(prefix: str) -> bool:
    """Whether a prefix is an edit's, or one of `inversions_of`, and nothing wider."""
    return is_edit_id(prefix) or _INVERSIONS.fullmatch(prefix) is not None


class PictureFiles:
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

    def put(self, edit_id: str, name: str, data: bytes) -> None:
        """Write a picture whole, or not at all."""
        key = _key(edit_id, name)
        try:
            obstore.put(self._store, key, data)
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store cannot be written.") from error

    def get(self, edit_id: str, name: str) -> bytes | None:
        """The picture's bytes; None where there is none."""
        try:
            key = _key(edit_id, name)
        except ValueError:  # nothing is kept under such a name, whatever a record says
            return None
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store does not answer.") from error

    def delete(self, prefix: str) -> None:
        """Delete every picture of an edit, or whatever else lies under a prefix of whole parts."""
        prefix = _key(prefix)
        try:
            for batch in obstore.list(self._store, prefix=prefix):
                obstore.delete(self._store, [meta["path"] for meta in batch])
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store does not answer.") from error

    def list(self, prefix: str) -> list[Kept]:
        """What lies under a prefix of whole parts, the oldest first."""
        prefix = _key(prefix)
        try:
            found = [
                Kept(meta["path"].removeprefix(f"{prefix}/"), meta["size"], meta["last_modified"])
                for batch in obstore.list(self._store, prefix=prefix)
                for meta in batch
            ]
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store does not answer.") from error
        return sorted(found, key=lambda kept: kept.modified)

    def delete_one(self, edit_id: str, name: str) -> None:
        """Delete one; nothing happens where there is none."""
        key = _key(edit_id, name)
        try:
            obstore.delete(self._store, key)
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store does not answer.") from error

    def check_writable(self) -> None:
        """Raise unless a small object can be written."""
        self.put("_ready", "probe", b"ready")
