"""Workers that are killed, hang, run out of memory or are shut down."""

import signal
import threading
from pathlib import Path

import pytest

from core.store import keys
from core.store.claims import LEASE_SECONDS
from housekeeper.maintenance import ROUND_SECONDS
from tests.faults.ledger import Ledger
from tests.faults.report import Report
from tests.faults.stack import Stack, running_stack
from tests.support.receiver import Receiver

STAGES = ("loading", "tuning", "inverting", "editing", "decoding", "written", "finished")
NEXT_ATTEMPT = 30.0  # seconds, on a machine that is not busy


def test_an_edit_whose_worker_is_killed_at_any_stage_ends_exactly_once(
    stack: Stack, ledger: Ledger, report: Report
) -> None:
    # A third, so that a new attempt need not wait for a process to import torch.
    with stack.replacing_workers(3) as dead:
        for stage in STAGES:
            harm = {"harm": "kill", "at": stage, "attempts": "1"}
            ledger.submit(f"a cat {stage}", inner_steps=1, metadata=harm)
        ledger.submit_many(6)
        found = ledger.settle()
    assert len(dead) == len(STAGES)
    report.add("`kill -9` of a worker, once at each stage", len(dead), found)
    assert found.ended == {"succeeded": len(STAGES) + 6}
    # Killed after its record was finished, it needs no other attempt.
    assert found.attempts == found.edits + len(STAGES) - 1
    assert LEASE_SECONDS + 2 * ROUND_SECONDS < NEXT_ATTEMPT  # the report has what it took


@pytest.mark.slow  # tests/e2e/test_lost_workers.py does it once, with its lease moved
def test_a_worker_that_hangs_and_wakes_publishes_nothing(
    stack: Stack, ledger: Ledger, report: Report
) -> None:
    asleep = []
    for stage in ("editing", "written"):
        ledger.submit(metadata={"harm": "stop", "at": stage, "attempts": "1"})
        stack.until(lambda: [one for one in stack.workers if one.stopped], "a worker to hang")
        asleep += [one for one in stack.workers if one.stopped]
        stack.workers = [one for one in stack.workers if not one.stopped]
        stack.have_workers(2)
    try:
        first = ledger.settle()  # the others have run both
    finally:
        for worker in asleep:
            worker.send(signal.SIGCONT)
    for worker in asleep:
        late = worker.says("ended", status="stale: another attempt has it")
        assert late["edit"] in ledger.accepted
        worker.stop()
    found = ledger.settle()
    report.add("a worker hangs and wakes after its lease", len(asleep), found)
    assert found.ended == first.ended == {"succeeded": 2}


def test_an_edit_that_kills_its_worker_fails_and_hurts_nobody_else(
    tmp_path: Path, photo: bytes, receiver: Receiver, report: Report
) -> None:
    # Several edits in flight in one worker: each death ends all of them.
    with running_stack(tmp_path / "s", workers=1, BARET_CONCURRENCY="4") as stack:
        ledger = Ledger(stack, photo, receiver)
        with stack.replacing_workers(1) as dead:
            slow = {"pace": "0.1"}
            poison = ledger.submit(metadata=slow | {"harm": "kill", "at": "editing"})
            ledger.submit_many(7, metadata=slow)
            found = ledger.settle()
        report.add("a poison edit among others in flight, `kill -9` at each attempt", 3, found)
        assert len(dead) == 3
        assert found.ended == {"succeeded": 7, "failed": 1}
        assert stack.edit(poison)["error"]["code"] == "worker_lost"


def test_a_device_without_room_is_asked_for_less(
    stack: Stack, ledger: Ledger, report: Report
) -> None:
    ledger.submit(metadata={"max_rows": "5"}, inner_steps=1)
    hopeless = ledger.submit(metadata={"max_rows": "0"})
    ledger.submit_many(3)
    found = ledger.settle()
    report.add("out of memory on the device", 2, found)
    assert found.ended == {"succeeded": 4, "failed": 1}
    assert stack.edit(hopeless)["error"]["code"] == "out_of_memory"
    assert all(worker.lives for worker in stack.workers)


def test_a_rolling_deploy_loses_nothing_and_costs_no_attempt(
    stack: Stack, ledger: Ledger, report: Report
) -> None:
    ledger.submit_many(12, metadata={"pace": "0.04"})
    for old in list(stack.workers):
        stack.start_worker().says("consuming")
        old.send(signal.SIGTERM)
        assert old.ends() == 0
        ledger.submit_many(4, metadata={"pace": "0.04"})
    stack.restart_api()
    found = ledger.settle()
    report.add("SIGTERM of every worker and of the API, one after another", 3, found)
    assert found.ended == {"succeeded": 20}
    assert found.attempts == 20  # an attempt that was handed back does not count


def test_messages_that_come_many_times_run_nothing_twice(
    stack: Stack, ledger: Ledger, report: Report
) -> None:
    copies = 5
    with stack.second_housekeeper():
        ids = ledger.submit_many(8, metadata={"pace": "0.05"})
        stack.resend_messages(ids, copies)
        stack.kill(stack.workers[0])
        stack.have_workers(2)
        found = ledger.settle()
    report.add(
        "messages delivered many times, two housekeepers, a worker killed", copies * len(ids), found
    )
    assert found.ended == {"succeeded": 8}


def test_a_webhook_under_way_when_its_housekeeper_is_killed_keeps_its_id(
    stack: Stack, ledger: Ledger, report: Report, receiver: Receiver
) -> None:
    path = "/held"
    receiver.held[path] = threading.Event()  # the receiver gets it and does not answer
    ledger.submit(webhook_url=receiver.url + path)
    stack.until(lambda: receiver.at(path), "the webhook to be in progress")
    stack.kill(stack.housekeeper)
    receiver.held.pop(path).set()
    stack.start_housekeeper()
    for lane in (keys.LANES, *stack.redis.keys(keys.lane("*"))):
        for member in stack.redis.zrange(lane, 0, -1):
            stack.redis.zadd(lane, {member: 1})  # its lease of a minute has expired
    found = ledger.settle()
    report.add("`kill -9` of the housekeeper between record and webhook", 1, found)
    ids = [one.headers["webhook-id"] for one in receiver.at(path)]
    assert len(ids) == 2 and len(set(ids)) == 1
