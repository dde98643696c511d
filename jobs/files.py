"""Pictures in an object store: a local folder by default, S3, GCS or Azure by URL.

Keys are `<edit id>/<name>`; `obstore` writes aside and renames, so nothing half-written is read.
"""

import hashlib
import re
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from jobs.errors import StoreUnavailable
from jobs.ids import is_edit_id
from jobs.schema import Submission

_INVERSIONS = re.compile(r"_inversions/[0-9a-f]{32}/[0-9a-f]{64}")


class Kept(NamedTuple):
    """A file in the store."""

    name: str  # under the prefix asked for
    size: int  # bytes
    modified: datetime


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
    """

    def __init__(self, url: str):
        """Open the store at `url` (`file:///…`, `s3://…`, `gs://…`, `az://…`)."""
        self._store: ObjectStore
        if url.startswith("file:"):
            folder = Path(unquote(urlsplit(url).path))
            self._store = LocalStore(folder, mkdir=True, automatic_cleanup=True)
        else:
            self._store = from_url(url)

    def put(self, edit_id: str, name: str, data: bytes) -> None:
        """Write a picture whole, or not at all."""
        try:
            obstore.put(self._store, f"{edit_id}/{name}", data)
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store cannot be written.") from error

    def get(self, edit_id: str, name: str) -> bytes | None:
        """The picture's bytes; None where there is none."""
        try:
            return bytes(obstore.get(self._store, f"{edit_id}/{name}").bytes())
        except (FileNotFoundError, ValueError):  # ValueError: the name leads out of the store
            return None
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store does not answer.") from error

    def delete(self, prefix: str) -> None:
        """Delete every picture of an edit, or whatever else lies under a prefix."""
        try:
            for batch in obstore.list(self._store, prefix=prefix):
                obstore.delete(self._store, [meta["path"] for meta in batch])
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store does not answer.") from error

    def list(self, prefix: str) -> list[Kept]:
        """What lies under a prefix, the oldest first."""
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
        try:
            obstore.delete(self._store, f"{edit_id}/{name}")
        except FileNotFoundError:
            pass
        except (BaseError, OSError) as error:
            raise StoreUnavailable("The picture store does not answer.") from error

    def check_writable(self) -> None:
        """Raise unless a small object can be written."""
        self.put("_ready", "probe", b"ready")
