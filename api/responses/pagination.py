"""Pages of a caller's edits, filtered by status and metadata."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from fastapi import Request
from pydantic import BaseModel, Field

from api.problems.errors import ValidationFailed
from api.problems.field_errors import pointer
from core.schema import Edit, EditStatus, FieldError, Record
from core.store.edits import EditStore


class Page(BaseModel):
    """A page of edits, newest first."""

    data: list[Edit]
    next_cursor: str | None = Field(
        None,
        description="for the next page; null on the last one. With a filter, a page may hold fewer "
        "than `limit` edits even if more follow",
    )


@dataclass(frozen=True)
class EditFilter:
    """Which edits a page holds."""

    status: EditStatus | None
    metadata: Mapping[str, str]
    user: str | None = None

    @classmethod
    def of(cls, request: Request, status: EditStatus | None, user: str | None) -> Self:
        """Add the filters `?metadata[key]=value`; FastAPI cannot declare such names.

        Raises:
            ValidationFailed: a key occurs twice or has brackets itself.
        """
        metadata: dict[str, str] = {}
        for name, value in request.query_params.multi_items():
            if name.startswith("metadata[") and name.endswith("]"):
                key = name[len("metadata[") : -1]
                if key in metadata or set(key) & set("[]"):
                    detail = "Give each key once, without brackets in it: metadata[key]=value."
                    error = FieldError(pointer=pointer(["metadata", key]), detail=detail)
                    raise ValidationFailed([error])
                metadata[key] = value
        return cls(status, metadata, user)


def fetch_page(
    store: EditStore, owner: str, *, edit_filter: EditFilter, limit: int, before: str | None
) -> tuple[list[Record], str | None]:
    """Fetch at most `limit` edits older than the edit `before`, in one round trip.

    Returns:
        The edits, and the id of the last one looked at if more follow it.
    """
    page = store.page(
        owner,
        before=before,
        limit=limit,
        status=edit_filter.status,
        metadata=edit_filter.metadata,
    )
    records = [one for one in page.records if edit_filter.user in (None, one.submission.user)]
    return records, page.continue_after
