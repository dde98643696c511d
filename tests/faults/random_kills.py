"""Parts of the service that are killed at random and started again."""

import random
import threading
from collections import Counter
from collections.abc import Callable

from tests.faults.stack import Stack


def kill_at_random(
    stack: Stack, over: threading.Event, count: Callable[[], int], *, every: int, seed: int
) -> Counter[str]:
    """Kill and restart a random part whenever about `every` more edits are counted.

    Kills follow the edits and not the clock, so that a slow machine does not lose more workers
    per edit.

    Returns:
        How often each part was killed.
    """
    dice, killed = random.Random(seed), Counter[str]()
    due = 0.0
    while not over.wait(0.1):
        counted = count()
        if counted < due:
            continue
        due = counted + dice.uniform(0.5, 1.5) * every
        part = dice.choice(["worker", "worker", "worker", "api", "housekeeper", "redis"])
        killed[part] += 1
        if part == "worker" and stack.workers:
            stack.kill(dice.choice(stack.workers))
        elif part == "api":
            stack.kill(stack.api)
            stack.start_api()
        elif part == "housekeeper":
            stack.kill(stack.housekeeper)
            stack.start_housekeeper()
        elif part == "redis":
            stack.valkey.kill()
            stack.valkey.start()
    return killed
