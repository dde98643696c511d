"""The status machine of edits: statuses, legal moves, priorities in the queue, a run's stages."""

from enum import StrEnum


class EditStatus(StrEnum):
    """The status of an edit. `LEGAL_MOVES` has what may follow each."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether no other status follows."""
        return not LEGAL_MOVES[self]


LEGAL_MOVES: dict[EditStatus, frozenset[EditStatus]] = {
    EditStatus.QUEUED: frozenset({EditStatus.RUNNING, EditStatus.CANCELED, EditStatus.FAILED}),
    # Back to queued: only when the attempt's lease has run out (its worker is lost).
    EditStatus.RUNNING: frozenset(
        {EditStatus.QUEUED, EditStatus.SUCCEEDED, EditStatus.FAILED, EditStatus.CANCELED}
    ),
    EditStatus.SUCCEEDED: frozenset(),
    EditStatus.FAILED: frozenset(),
    EditStatus.CANCELED: frozenset(),
}


class Priority(StrEnum):
    """Which line of its model's queue an edit waits in."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class Stage(StrEnum):
    """The stages of a running edit, in order."""

    LOADING = "loading"
    TUNING = "tuning"
    INVERTING = "inverting"
    EDITING = "editing"
    DETAILING = "detailing"
    DECODING = "decoding"
