"""Redis killed, unreachable, hanging, full, and with a clock that jumps."""

import signal
import time

import pytest

from core.store import keys
from core.store.connection import TIMEOUT_SECONDS
from tests.faults.ledger import Ledger
from tests.faults.report import Report
from tests.faults.stack import Stack


def assert_unavailable(stack: Stack, path: str) -> float:
    """Assert that a request is answered 503, and return the seconds it took."""
    started = time.monotonic()
    answer = stack.http.get(path)
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "unavailable"
    assert int(answer.headers["retry-after"]) > 0
    return time.monotonic() - started


def assert_consuming_again(ledger: Ledger, stack: Stack) -> None:
    edit_id = ledger.submit()
    stack.until(lambda: stack.edit(edit_id)["started_at"], "a new edit to be started")


@pytest.mark.parametrize("times", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_what_was_accepted_outlives_a_kill_of_redis(
    stack: Stack, ledger: Ledger, report: Report, times: int
) -> None:
    for _ in range(times):
        ledger.submit_many(4, metadata={"pace": "0.05"})
        stack.valkey.kill()  # at once after the last 202
        stack.valkey.start()
    assert_consuming_again(ledger, stack)
    found = ledger.settle()
    report.add("`kill -9` of Redis, started again at once", times, found)
    assert found.ended == {"succeeded": 4 * times + 1}


@pytest.mark.parametrize("away", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_everybody_comes_back_after_redis_was_away(
    stack: Stack, ledger: Ledger, report: Report, away: int
) -> None:
    with stack.holding_edits() as hold:
        ids = ledger.submit_many(4, metadata={"hold": hold, "pace": "0.1"})
        stack.wait_until_held(ids, count=1)
        stack.valkey.kill()
    back_at = time.monotonic() + away
    for path in (f"/v1/edits/{ids[0]}", "/v1/edits", "/readyz", f"/v1/edits/{ids[0]}/events"):
        assert_unavailable(stack, path)
    assert stack.http.get("/healthz").is_success
    time.sleep(max(0.0, back_at - time.monotonic()))
    stack.valkey.start()
    assert_consuming_again(ledger, stack)
    found = ledger.settle()
    report.add(f"Redis away for {away} s", 1, found)
    assert found.ended == {"succeeded": 5}
    assert found.attempts == 5  # no worker was lost, so nothing ran again


def test_a_redis_that_hangs_holds_nobody_up(stack: Stack, ledger: Ledger, report: Report) -> None:
    with stack.holding_edits() as hold:
        ids = ledger.submit_many(4, metadata={"hold": hold, "pace": "0.1"})
        stack.wait_until_held(ids, count=1)
        stack.valkey.send(signal.SIGSTOP)
    try:
        for path in (f"/v1/edits/{ids[0]}", "/v1/edits", "/readyz", f"/v1/edits/{ids[0]}?wait=30"):
            assert_unavailable(stack, path)
        seconds = [assert_unavailable(stack, "/v1/edits") for _ in range(50)]
        # Most are refused at once. One that reaches a Redis that hangs takes at least its time-out.
        assert sorted(seconds)[25] < TIMEOUT_SECONDS
    finally:
        stack.valkey.send(signal.SIGCONT)
    assert_consuming_again(ledger, stack)
    found = ledger.settle()
    report.add("Redis hangs (SIGSTOP)", 1, found)
    assert found.ended == {"succeeded": 5}


def test_a_full_redis_refuses_new_edits_and_lets_running_ones_end(
    stack: Stack, ledger: Ledger, report: Report, photo: bytes
) -> None:
    with stack.holding_edits() as hold:
        ids = ledger.submit_many(2, metadata={"hold": hold})
        stack.wait_until_held(ids, count=2)
        stack.redis.config_set("maxmemory", 1_000_000)
    try:
        answer = stack.http.post("/v1/edits", data={"prompt": "a cat"}, files={"image": photo})
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "unavailable"
        for one in ids:
            assert stack.ended(one)["status"] == "succeeded"
        time.sleep(3)
        assert all(worker.lives for worker in stack.workers)
    finally:
        stack.redis.config_set("maxmemory", 0)
    assert_consuming_again(ledger, stack)
    found = ledger.settle()
    report.add("Redis full (`noeviction`)", 1, found)
    assert found.ended == {"succeeded": 3}


@pytest.mark.parametrize("hours", [1, pytest.param(-1, marks=pytest.mark.slow)])
def test_a_clock_that_jumps_runs_nothing_twice_and_forgets_nothing(
    stack: Stack, ledger: Ledger, report: Report, hours: int
) -> None:
    # A jump of Redis's clock is the same as moving the times of its leases the other way.
    ids = ledger.submit_many(2, metadata={"pace": "0.2"})
    stack.until(lambda: all(stack.edit(one)["started_at"] for one in ids), "both to start")
    for one, until_ms in stack.redis.zrange(keys.RUNNING, 0, -1, withscores=True):
        stack.redis.zadd(keys.RUNNING, {one: until_ms - hours * 3_600_000})
    if hours < 0:  # a lost worker's lease must not last for an hour
        stack.kill(stack.workers[0])
        stack.have_workers(2)
    found = ledger.settle()
    report.add(f"the clock jumps by {hours:+} h", 1, found)
    assert found.ended == {"succeeded": 2}
    assert found.gap < 3600 / 2  # the lost worker's lease was cut to its length
