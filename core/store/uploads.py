"""Uploads: photos that are sent to a signed URL, ahead of their edit.

An upload's record lives until its URL expires, or until `submit.lua` accepts the edit that uses it,
in the same move: each makes one edit. Its bytes are counted and due for deletion from the
beginning, so that nothing is left of those that no edit uses.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import UploadNotFound, UploadUsed
from core.ids import is_upload_id, new_upload_id
from core.images.keys import upload_prefix
from core.schema import is_seen_by
from core.store import keys
from core.store.connection import RedisStore, redis_errors
from core.store.edits import over_quota

URL_SECONDS = 3600
LATE_SECONDS = 3600  # that a request which began in time may go on: longer than the API's may
MIN_COUNTED = 1_000_000  # bytes: what bounds a caller's images also bounds how many uploads wait


@dataclass(frozen=True)
class PendingUpload:
    """An upload that no edit has used."""

    id: str
    caller: str  # who holds its bytes
    owner: str  # whose edits may use it: the caller's, or one of its users'
    content_type: str
    max_bytes: int
    is_exact: bool  # whether it must have as many bytes, not only at most
    is_direct: bool  # whether it is sent to the image storage, past the API
    expires_at: datetime


class Uploads(RedisStore):
    """The records of all uploads. Its methods block for milliseconds and are thread-safe.

    Raises:
        StoreUnavailable: from any method, when Redis does not answer.
    """

    @redis_errors()
    def create(self, upload: PendingUpload, *, limit: int = 0) -> None:
        """Note an upload.

        Args:
            upload: it.
            limit: how many bytes the caller's images may take; 0: any number.

        Raises:
            QuotaExceeded: they would take more.
            StoreFull: Redis has no room for it.
        """
        outcome = self._run(
            "create_upload",
            upload.id,
            upload_prefix(upload.id),
            upload.caller,
            max(upload.max_bytes, MIN_COUNTED),
            limit,
            URL_SECONDS * 1000,
            (URL_SECONDS + LATE_SECONDS) * 1000,
            *_fields(upload),
        )
        if outcome == "over_quota":
            raise over_quota("images in the image storage", limit)

    @redis_errors()
    def get(self, upload_id: str, *, owner: str | None = None) -> PendingUpload:
        """Return an upload.

        Args:
            upload_id: `upl_…`.
            owner: who must see it; None: anybody, for the one who has its signed URL.

        Raises:
            UploadNotFound: there is none, or it is another owner's.
        """
        fields = self._redis.hgetall(keys.upload(upload_id)) if is_upload_id(upload_id) else {}
        if not fields or not (owner is None or is_seen_by(owner, fields["owner"])):
            raise UploadNotFound("You have no upload with this id that waits for its edit.")
        return PendingUpload(
            id=upload_id,
            caller=fields["caller"],
            owner=fields["owner"],
            content_type=fields["content_type"],
            max_bytes=int(fields["max_bytes"]),
            is_exact=fields["is_exact"] == "1",
            is_direct=fields["is_direct"] == "1",
            expires_at=datetime.fromtimestamp(int(fields["expires"]), UTC),
        )

    @redis_errors()
    def claim(self, upload_id: str, sha256: str) -> None:
        """Note which image is about to be stored; the same one may be sent again.

        Raises:
            UploadUsed: another image was sent before.
            UploadNotFound: the upload has expired, or an edit has used it.
        """
        outcome = self._run("claim_upload", upload_id, sha256)
        if outcome == "none":
            raise UploadNotFound("The upload has expired, or an edit has used it.")
        if outcome == "used":
            raise UploadUsed("Another image was sent to this upload before. Create a new upload.")


def new_upload(
    *,
    caller: str,
    owner: str,
    content_type: str,
    max_bytes: int,
    is_exact: bool,
    is_direct: bool,
) -> PendingUpload:
    """Return an upload that begins now; the arguments are its fields."""
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=URL_SECONDS)
    return PendingUpload(
        id=new_upload_id(),
        caller=caller,
        owner=owner,
        content_type=content_type,
        max_bytes=max_bytes,
        is_exact=is_exact,
        is_direct=is_direct,
        expires_at=expires_at,
    )


def _fields(upload: PendingUpload) -> list[str | int]:
    """Return the record's fields and values, in turn."""
    values: dict[str, Any] = {
        "caller": upload.caller,
        "owner": upload.owner,
        "content_type": upload.content_type,
        "max_bytes": upload.max_bytes,
        "is_exact": int(upload.is_exact),
        "is_direct": int(upload.is_direct),
        "expires": int(upload.expires_at.timestamp()),
    }
    return [part for pair in values.items() for part in pair]
