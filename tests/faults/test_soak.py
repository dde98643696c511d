"""Many edits while processes are killed at random: the ledger accounts for every edit."""

import threading
import time
from collections import Counter

import psutil
import pytest

from core.store import keys
from tests.faults.ledger import Ledger
from tests.faults.random_kills import kill_at_random
from tests.faults.report import Report
from tests.faults.stack import Stack


@pytest.mark.parametrize(
    ("edits", "seconds", "every"),
    [
        (40, 15, 5),
        pytest.param(400, 120, 17, marks=pytest.mark.slow),
        pytest.param(2000, 600, 17, marks=pytest.mark.slow),
    ],
)
def test_every_accepted_edit_ends_once_whatever_is_killed(
    stack: Stack, ledger: Ledger, report: Report, edits: int, seconds: int, every: int
) -> None:
    def ended() -> int:
        return int(stack.redis.zcard(keys.EXPIRING))

    over = threading.Event()
    killed: list[Counter[str]] = []
    killer = threading.Thread(
        target=lambda: killed.append(kill_at_random(stack, over, ended, every=every, seed=1))
    )
    started = time.monotonic()
    with stack.replacing_workers():
        killer.start()
        try:
            for _ in range(edits):
                ledger.submit()
                behind = started + seconds * len(ledger.accepted) / edits - time.monotonic()
                time.sleep(max(0.0, behind))
        finally:
            over.set()
            killer.join()
        found = ledger.settle()
    counts = ", ".join(f"{part} {count}" for part, count in sorted(killed[0].items()))
    times = killed[0].total()
    report.add(f"random `kill -9` for {seconds} s: {counts}", times, found)
    # An edit may lose three workers by chance; then it fails and says so.
    assert found.ended.keys() <= {"succeeded", "failed"}
    assert found.ended["succeeded"] >= 0.99 * edits


@pytest.mark.parametrize("edits", [20, pytest.param(600, marks=pytest.mark.slow)])
def test_memory_stays_flat(stack: Stack, ledger: Ledger, report: Report, edits: int) -> None:
    parts = [stack.api, stack.housekeeper, *stack.workers]
    ledger.submit_many(10)
    ledger.settle()
    before = [psutil.Process(part.pid).memory_info().rss for part in parts]
    ledger.submit_many(edits)
    found = ledger.settle()
    after = [psutil.Process(part.pid).memory_info().rss for part in parts]
    grown = [round((b - a) / 2**20, 1) for a, b in zip(before, after, strict=True)]
    report.add(f"none; memory grew by {max(grown)} MiB at most", 0, found)
    assert max(grown) < 40
