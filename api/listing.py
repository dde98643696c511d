"""Pages of a caller's edits: filters, and cursors that say nothing of what they hold."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Self

from fastapi import Request
from pydantic import BaseModel, Field

from api.errors import InvalidRequest, ValidationFailed
from api.validation import pointer
from jobs.ids import is_edit_id
from jobs.schema import Edit, EditStatus, FieldError, Record
from jobs.store import EditStore

# A filter that fits nothing must not read a caller's whole history in one request.
MOST_LOOKED_AT = 1000


class Page(BaseModel):
    """Some edits, the newest first."""

    data: list[Edit]
    next_cursor: str | None = Field(
        None,
        description="for the next page; null at the end. With a filter a page may hold fewer than "
        "`limit` edits although more follow",
    )


@dataclass(frozen=True)
class Wanted:
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


def page_of(
    store: EditStore, caller: str, *, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[list[Record], str | None]:
    """At most `limit` edits after the cursor, and the cursor that follows them.

    Raises:
        InvalidRequest: the cursor is not one that was given out.
    """
    before = _read_cursor(cursor) if cursor is not None else None
    found: list[Record] = []
    last = None
    records = store.newest_first(caller, before=before)
    for record in islice(records, MOST_LOOKED_AT):
        last = record.submission.id
        if wanted.fits(record):
            found.append(record)
            if len(found) == limit:
                break
    more = last is not None and next(records, None) is not None
    return found, _make_cursor(last) if more and last else None


def _make_cursor(edit_id: str) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(edit_id.removeprefix("edit_"))).decode()


def _read_cursor(cursor: str) -> str:
    try:
        edit_id = "edit_" + base64.urlsafe_b64decode(cursor).hex()
    except (binascii.Error, ValueError):
        edit_id = ""
    if not is_edit_id(edit_id):
        raise InvalidRequest("This cursor was not given out; begin without one.")
    return edit_id
