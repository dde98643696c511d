"""Which of a worker's models is served next: start-time fair queuing, as callers are in a queue.

A model's share of the worker is its weight, the number of callers who wait for it
(docs/decisions/0025-one-worker-several-models.md). Knows no store, no clock and no threads.
"""

from collections.abc import Collection


class ModelTurns:
    """The virtual times of the models. One thread at a time may use it."""

    def __init__(self) -> None:
        self._clock = 0.0  # the start of the turn that was used last
        self._ends: dict[str, float] = {}  # of the last turn of each model
        self._starts: dict[str, float] = {}  # of the next turn of each model that edits wait for

    def note_waiting(self, models: Collection[str]) -> None:
        """Note for which models edits wait now. One that comes new starts at the clock."""
        self._starts = {
            model: self._starts.get(model, max(self._clock, self._ends.get(model, 0.0)))
            for model in models
        }

    def in_order(self, models: Collection[str]) -> list[str]:
        """Return those of these models that edits wait for, the next one first."""
        return sorted(self._starts.keys() & models, key=lambda model: (self._starts[model], model))

    def is_before(self, model: str, other: str) -> bool:
        """Return whether it is this model's turn before the other's; nothing may wait for that."""
        never = float("inf")
        return self._starts.get(model, never) < self._starts.get(other, never)

    def charge(self, model: str, seconds: float, weight: float) -> None:
        """Use a model's turn, and put its next one behind it.

        Args:
            model: of an edit that is claimed.
            seconds: that the edit is expected to take.
            weight: of the model.
        """
        start = self._starts.pop(model, max(self._clock, self._ends.get(model, 0.0)))
        self._clock = max(self._clock, start)
        self._ends[model] = start + seconds / weight
        self._starts[model] = self._ends[model]
