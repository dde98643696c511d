"""An edit as the store holds it: what was submitted, what a worker returned, how it stands."""

from datetime import datetime
from typing import Any

from pydantic import Field

from core.schema.base import STRENGTH_NAMES, Strict, Unit
from core.schema.edit import EditWarning, InputImage, Metrics
from core.schema.params import Params
from core.schema.status import EditStatus, Priority, Stage


def owner_of(caller: str, user: str | None) -> str:
    """Return the name of an edit's owner: the caller, or one of its users.

    Neither name has a space, so no two owners have the same name.
    """
    return caller if user is None else f"{caller} {user}"


def is_seen_by(viewer: str, owner: str) -> bool:
    """Return whether one owner sees the edits of another: its own, and a caller its users'."""
    return owner == viewer or owner.startswith(f"{viewer} ")


# From an edit's end until it expires, unless the operator sets another time.
KEEP_SECONDS = 4 * 24 * 3600.0


class Submission(Strict):
    """The part of an edit that does not change after its acceptance."""

    id: str
    created_at: datetime
    caller: str
    base_url: str = Field(
        description="for links in webhooks: the public address or, if none is set, the caller's"
    )
    prompt: str
    model: str
    params: Params
    metadata: dict[str, str]
    input: InputImage
    photo: str | None = Field(
        None, description="prefix of the stored photo; None: the edit's id, by an earlier version"
    )
    keep_seconds: float = Field(KEEP_SECONDS, description="from its end until it expires")
    traceparent: str | None = Field(None, description="the request's span, if traces are on")
    user: str | None = Field(None, description="of the caller, if a user token made it")
    priority: Priority = Priority.INTERACTIVE

    @property
    def owner(self) -> str:
        """Whose it is."""
        return owner_of(self.caller, self.user)


class StoredImage(Strict):
    """An image in the object store: an output before its address is signed, or an artifact."""

    name: str
    strength: float | None = Field(None, validation_alias=STRENGTH_NAMES)
    width: int
    height: int
    content_type: str
    sha256: str
    bytes: int


class Result(Strict):
    """What a worker hands in with the final status."""

    outputs: list[StoredImage] = Field(default_factory=list)
    artifacts: dict[str, StoredImage] = Field(default_factory=dict)
    warnings: list[EditWarning] = Field(default_factory=list)
    metrics: Metrics = Field(default_factory=Metrics)


class Record(Strict):
    """An edit as the store holds it."""

    submission: Submission
    status: EditStatus
    stage: Stage | None = None
    progress: Unit = 0.0
    attempt: int = 0
    queued_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    result: Result | None = None
    error: dict[str, Any] | None = None
    version: int = 0
