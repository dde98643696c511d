"""A worker's place for one of its models, and the state that it is in."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from core.schema import Model
from core.settings import Settings
from worker.runner import Runner


class SlotState(Enum):
    """What a worker has of a model."""

    SLEEPING = auto()  # not loaded
    LOADING = auto()
    READY = auto()  # loaded, and edits are claimed for it
    LEAVING = auto()  # loaded, but only the edits that run are finished
    FAILED = auto()


@dataclass(frozen=True)
class Resident:
    """A loaded model."""

    described: Model
    runner: Runner
    bytes: int  # that its weights take, measured
    edits_at_once: int  # that fill the device
    close: Callable[[], None]  # frees what it holds of the device


@dataclass(frozen=True)
class Outline:
    """What is known of a model without loading it."""

    described: Model
    bytes: int  # that its weights will take, by their number


@dataclass
class Slot:
    """One model. The residency guards it with its lock."""

    settings: Settings
    state: SlotState = SlotState.SLEEPING
    described: Model | None = None  # None until its files have been looked at
    resident: Resident | None = None
    bytes: int = 0  # that it takes, or will
    in_flight: int = 0  # edits
    edit_seconds: float = 1.0  # that an edit took of late
    load_seconds: float | None = None  # that loading took last
    ready_since: float = 0.0  # monotonic
    used_at: float = 0.0  # when an edit was claimed or ended last; monotonic
    loading_since: float = 0.0  # monotonic
    tried: bool = False  # whether it has been loaded, or tried to
    needs_all: bool = False  # it did not fit beside others, although it should have
    failure: str = ""  # why it could not be loaded, for callers
    failed_at: float = 0.0  # monotonic

    @property
    def name(self) -> str:
        """The model's public name."""
        return self.settings.model_name
