"""Many edits while everything is killed at random: the ledger is complete to the last one."""

import random
import threading
import time
from collections import Counter

import psutil
import pytest

from tests.faults.ledger import Ledger
from tests.faults.report import Report
from tests.faults.stack import Stack


def kill_at_random(stack: Stack, over: threading.Event, *, every: float, seed: int) -> Counter[str]:
    """Kill a part every few seconds and have it started again; what was killed how often."""
    dice, killed = random.Random(seed), Counter[str]()
    while not over.wait(dice.uniform(0.5, 1.5) * every):
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


@pytest.mark.parametrize(
    ("edits", "seconds", "every"),
    [
        (60, 20, 3.0),
        pytest.param(400, 120, 5.0, marks=[pytest.mark.slow, pytest.mark.timeout(600)]),
        pytest.param(2000, 600, 5.0, marks=[pytest.mark.slow, pytest.mark.timeout(1500)]),
    ],
)
def test_every_accepted_edit_ends_once_whatever_is_killed(
    stack: Stack, ledger: Ledger, report: Report, edits: int, seconds: int, every: float
) -> None:
    over = threading.Event()
    killed: list[Counter[str]] = []
    killer = threading.Thread(
        target=lambda: killed.append(kill_at_random(stack, over, every=every, seed=1))
    )
    started = time.monotonic()
    with stack.tended():
        killer.start()
        try:
            for _ in range(edits):
                ledger.submit()
                behind = started + seconds * len(ledger.accepted) / edits - time.monotonic()
                time.sleep(max(0.0, behind))
        finally:
            over.set()
            killer.join()
        found = ledger.settle(within=300)
    counts = ", ".join(f"{part} {count}" for part, count in sorted(killed[0].items()))
    times = killed[0].total()
    report.add(f"random `kill -9` for {seconds} s: {counts}", times, found)
    # An edit may lose three workers by chance; it then says so.
    assert found.ended.keys() <= {"succeeded", "failed"}
    assert found.ended["succeeded"] >= 0.99 * edits


@pytest.mark.parametrize("edits", [30, pytest.param(600, marks=pytest.mark.slow)])
def test_memory_stays_flat(stack: Stack, ledger: Ledger, report: Report, edits: int) -> None:
    parts = [stack.api, stack.housekeeper, *stack.workers]
    ledger.submit_many(20)
    ledger.settle()
    before = [psutil.Process(part.pid).memory_info().rss for part in parts]
    ledger.submit_many(edits)
    found = ledger.settle()
    after = [psutil.Process(part.pid).memory_info().rss for part in parts]
    grown = [round((b - a) / 2**20, 1) for a, b in zip(before, after, strict=True)]
    report.add(f"none; memory grew by {max(grown)} MiB at most", 0, found)
    assert max(grown) < 40
