"""A batch of edits: as its caller sees it, and as the store holds it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from core.schema.base import Strict, Unit
from core.schema.edit import Edit

MAX_BATCH_EDITS = 10_000
LINES_PER_PAGE = 100  # of a batch, as they are stored and read


@dataclass(frozen=True)
class BatchPlace:
    """The line of a batch that an edit is made from."""

    batch_id: str
    line: int


class BatchStatus(StrEnum):
    """The status of a batch."""

    IN_PROGRESS = "in_progress"
    CANCELING = "canceling"
    COMPLETED = "completed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """Whether no other status follows."""
        return self not in (BatchStatus.IN_PROGRESS, BatchStatus.CANCELING)


class BatchEvent(StrEnum):
    """The events of a batch that its webhook is called for: its end."""

    COMPLETED = "batch.completed"
    CANCELED = "batch.canceled"
    EXPIRED = "batch.expired"


class RequestCounts(Strict):
    """How many edits of a batch have ended."""

    total: int = Field(description="edits of the batch")
    completed: int = Field(0, description="succeeded")
    failed: int = Field(0, description="failed, or were not accepted")
    canceled: int = Field(0, description="canceled, or not begun when the batch was")


class BatchUrls(Strict):
    """Addresses of the batch and of what can be done with it."""

    self: str = Field(description="the batch")
    cancel: str = Field(description="for a POST that cancels it")
    results: str = Field(description="its results so far, as JSON lines")


class Batch(Strict):
    """The public resource."""

    id: str = Field(description="opaque; ids sort by time")
    object: Literal["batch"] = "batch"
    status: BatchStatus
    created_at: datetime = Field(description="when it was accepted")
    started_at: datetime | None = Field(None, description="when its first edit was queued")
    canceling_at: datetime | None = Field(None, description="when it began to stop")
    completed_at: datetime | None = Field(
        None, description="when its last edit ended, whatever the outcomes; null until then"
    )
    deadline_at: datetime = Field(
        description="what has not ended by then is canceled, and the batch is `expired`"
    )
    expires_at: datetime | None = Field(
        None, description="once it has ended: when it is deleted. Its edits expire as others do"
    )
    request_counts: RequestCounts
    progress: Unit = Field(0.0, description="share of its edits that have ended")
    eta_seconds: Annotated[float, Field(ge=0)] | None = Field(
        None, description="until it ends, by what its edits took so far; null if unknown"
    )
    blocked: dict[str, Any] | None = Field(
        None, description="why its next edit cannot be queued now: a problem; null if it can"
    )
    webhook_url: str | None = Field(None, description="address that is called when it ends")
    metadata: dict[str, str] = Field(description="your own keys and values")
    urls: BatchUrls


class BatchResult(Strict):
    """What became of one edit of a batch: a line of its results."""

    index: int = Field(description="its place in the batch, from 0")
    custom_id: str | None = Field(None, description="as it was sent; null if none was")
    edit: Edit | None = Field(None, description="null if it was not accepted, or has been deleted")
    error: dict[str, Any] | None = Field(
        None, description="why there is no image: a problem; null if the edit succeeded"
    )


class NewBatch(Strict):
    """The part of a batch that does not change after its acceptance, without its lines."""

    id: str
    caller: str
    key_id: str = Field("", description="of the key that it came with; its edits are accepted by")
    base_url: str
    webhook_url: str = ""
    metadata: dict[str, str] = Field(default_factory=dict)
    total: int
    keep_seconds: float = Field(description="from its end until it expires")


class BatchRecord(Strict):
    """A batch as the store holds it."""

    new: NewBatch
    status: BatchStatus
    created_at: datetime
    started_at: datetime | None = None
    canceling_at: datetime | None = None
    completed_at: datetime | None = None
    deadline_at: datetime
    expires_at: datetime | None = None
    counts: RequestCounts
    next_line: int = Field(0, description="the first that has neither an edit nor a problem")
    blocked: dict[str, Any] | None = None
