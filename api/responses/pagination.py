"""Pages of a caller's edits: filters, and cursors that nobody else can make or use."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Self

from fastapi import Request
from pydantic import BaseModel, Field

from api.problems.errors import InvalidRequest, ValidationFailed
from api.problems.field_errors import pointer
from core.ids import is_edit_id
from core.schema import Edit, EditStatus, FieldError, Record
from core.store.edits import EditStore

# A filter that fits nothing must not read a caller's whole history in one request.
MAX_LOOKED_AT = 1000

_ID_BYTES = 16
_SIGNATURE_BYTES = 17  # 136 bits; with the id a whole number of base64's groups, so no padding


class Page(BaseModel):
    """Some edits, the newest first."""

    data: list[Edit]
    next_cursor: str | None = Field(
        None,
        description="for the next page; null at the end. With a filter a page may hold fewer than "
        "`limit` edits although more follow",
    )


@dataclass(frozen=True)
class EditFilter:
    """Which edits a page is to hold."""

    status: EditStatus | None
    metadata: Mapping[str, str]

    @classmethod
    def of(cls, request: Request, status: EditStatus | None) -> Self:
        """With what `?metadata[key]=value` asks for; FastAPI has no words for such names.

        Raises:
            ValidationFailed: a key twice, or one with brackets of its own.
        """
        metadata: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name.startswith("metadata[") and name.endswith("]"):
                key = name[len("metadata[") : -1]
                if key in metadata or set(key) & set("[]"):
                    where = pointer(["metadata", key])
                    detail = "Give each key once, without brackets in it: metadata[key]=value."
                    raise ValidationFailed([FieldError(pointer=where, detail=detail)])
                metadata[key] = value
        return cls(status, metadata)

    def fits(self, record: Record) -> bool:
        """Whether the edit is one of them."""
        own = record.submission.metadata
        return self.status in (None, record.status) and all(
            own.get(key) == value for key, value in self.metadata.items()
        )


class Cursors:
    """Makes and reads cursors: the id of a page's last edit, signed for its caller."""

    def __init__(self, secret: bytes):
        self._secret = secret

    def make(self, caller: str, edit_id: str) -> str:
        """The cursor of the page that follows an edit."""
        place = bytes.fromhex(edit_id.removeprefix("edit_"))
        message = place + caller.encode()  # the first is always as long
        signature = hmac.new(self._secret, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(place + signature).decode()

    def read(self, caller: str, cursor: str) -> str:
        """The edit that a page follows.

        Raises:
            InvalidRequest: the cursor was not given out to this caller.
        """
        try:
            edit_id = f"edit_{base64.urlsafe_b64decode(cursor)[:_ID_BYTES].hex()}"
        except (binascii.Error, ValueError):
            edit_id = ""
        # Compared as it was made: base64 has several spellings of the same bytes.
        ours = is_edit_id(edit_id) and hmac.compare_digest(
            self.make(caller, edit_id).encode(), cursor.encode(errors="replace")
        )
        if not ours:
            raise InvalidRequest("This cursor was not given out; begin without one.")
        return edit_id


def fetch_page(
    store: EditStore, caller: str, *, wanted: EditFilter, limit: int, before: str | None
) -> tuple[list[Record], str | None]:
    """At most `limit` edits before the id, and the last one looked at, where more follow it."""
    found: list[Record] = []
    last = None
    records = store.newest_first(caller, before=before)
    for record in islice(records, MAX_LOOKED_AT):
        last = record.submission.id
        if wanted.fits(record):
            found.append(record)
            if len(found) == limit:
                break
    more = last is not None and next(records, None) is not None
    return found, last if more else None
