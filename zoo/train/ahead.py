"""Makes the next steps' inputs in threads, while the device computes the current step."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Input = TypeVar("Input")
THREADS = 4


class Ahead(Generic[Input]):
    """Calls `make(step)` for the steps that follow the one that was asked for.

    A step's input must depend on its number alone: several are made at once, in any order.
    """

    def __init__(self, make: Callable[[int], Input]):
        """Wait for the first step to be asked for."""
        self._make, self._made = make, dict[int, Future[Input]]()
        self._thread = ThreadPoolExecutor(THREADS, "inputs")

    def __call__(self, step: int) -> Input:
        """Return a step's input, and begin those after it.

        Raises:
            Exception: what `make` raised for this step.
        """
        wanted = range(step, step + 1 + THREADS)
        self._made = {
            at: self._made.get(at) or self._thread.submit(self._make, at) for at in wanted
        }
        return self._made[step].result()
