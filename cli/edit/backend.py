"""What makes an edit: a model in this process, or a server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class EditJob:
    """One edit to make."""

    data: bytes = field(repr=False)  # of the photo's file
    prompt: str
    params: Mapping[str, Any]  # as in the API


@dataclass(frozen=True)
class EditProgress:
    """How far an edit is."""

    stage: str  # "queued", or a stage as in the API
    fraction: float  # 0–1
    seconds_left: float | None = None
    ahead: int | None = None  # edits, while queued


@dataclass(frozen=True)
class EditImages:
    """The images of an edit, encoded, and what is known of it."""

    outputs: tuple[tuple[float, bytes], ...]  # strength and image
    artifacts: Mapping[str, bytes] = field(default_factory=dict)  # by kind
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)  # for --json and the manifest


Report = Callable[[EditProgress], None]


class Backend(Protocol):
    """Makes edits, from one or several threads. Used in a `with`."""

    at_once: int  # edits that it makes side by side
    model: str  # for the manifest; empty: the server's default
    preparation: str  # what people read while it loads; empty if it takes no time

    def __enter__(self) -> Self:
        """Load or connect.

        Raises:
            ModelUnusable, ServiceAway, Refused: it cannot make edits.
        """

    def __exit__(self, *_: object) -> None: ...

    def check(self, prompt: str, params: Mapping[str, Any]) -> None:
        """Check as much of a request as can be checked before anything is loaded or sent.

        Raises:
            Refused: it cannot be made.
        """

    def edit(self, job: EditJob, report: Report) -> EditImages:
        """Make an edit. What `report` raises cancels it and is passed on.

        Raises:
            CliError: it was not made.
        """

    def cancel_all(self) -> None:
        """Cancel the edits that other threads are waiting for; their `edit` raises soon."""
