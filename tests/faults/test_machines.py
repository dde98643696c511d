"""The service on several machines, with callers of two priorities, while workers come and go.

    pytest -s tests/faults/test_machines.py

prints the figures of docs/scale.md.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.faults.callers import Caller, Throughput, table
from tests.faults.ledger import merged
from tests.faults.machines import Machines, running_machines
from tests.faults.report import Report
from tests.support.dashboard import PANELS, as_grafana_sends, may_be_empty, scaling_query
from tests.support.receiver import Receiver, running_receiver
from tests.support.waiting import until

pytestmark = pytest.mark.slow

PHOTOS, DRAWINGS = "photos", "drawings"
# An edit takes about five seconds, but little of the processor: workers must not share a speed.
PACE = {"pace": "0.1"}
# Attempts that begin between the acceptance of an edit that its caller waits for and its own: one
# of each of the two other interactive callers, one batch edit, and what a killed and a drained
# worker had, which returns to the head of the queue.
MAX_CLAIMS_AHEAD = 5
MIN_BUSY = 0.85  # share of the workers' time; the rest is spent between two edits


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[Machines]:
    with running_machines(tmp_path, default_model=PHOTOS) as machines:
        yield machines


@pytest.fixture
def receiver(machines: Machines) -> Iterator[Receiver]:
    with running_receiver(machines.own_address) as running:
        yield running


def put_to_sleep(machines: Machines, caller: Caller) -> None:
    """End the only worker of drawings, and wait until an edit waits for a sleeping model."""
    (only,) = [one for one in machines.workers if one.lines("model loaded", model=DRAWINGS)]
    machines.drain_worker(only)
    until(lambda: drawings(caller)["state"] == "sleeping", "drawings to sleep")
    until(lambda: queued(caller), "an edit that waits for drawings")
    (edit,) = queued(caller)
    assert edit["eta_seconds"] >= drawings(caller)["cold_start_seconds"] > 0


def wake(machines: Machines) -> None:
    """Start a worker of drawings when the chart's scaling would."""
    none = f'max(baret_workers{{model="{DRAWINGS}"}}) == 0'
    wanted = f"({scaling_query(DRAWINGS)}) > 0 and {none}"
    until(lambda: machines.prometheus.query(wanted), "the chart's scaling to ask for a worker")
    machines.add_worker(DRAWINGS)


def drawings(caller: Caller) -> dict[str, Any]:
    (model,) = [one for one in caller.get("/v1/status")["models"] if one["id"] == DRAWINGS]
    return dict(model)


def queued(caller: Caller) -> list[dict[str, Any]]:
    return list(caller.get("/v1/edits", status="queued")["data"])


def test_200_edits_of_five_callers_end_while_workers_come_and_go(
    machines: Machines, photo: bytes, receiver: Receiver, report: Report
) -> None:
    shop, archive, ann, ben, cy = callers = [
        Caller(name, machines, photo, receiver, number % 2)
        for number, name in enumerate(("shop", "archive", "ann", "ben", "cy"))
    ]
    killed, drained = machines.add_worker(PHOTOS), machines.add_worker(PHOTOS)
    machines.add_worker(DRAWINGS)
    throughput = Throughput(PHOTOS, receiver)
    with ThreadPoolExecutor() as pool:
        sent = [
            pool.submit(shop.send, 70, PHOTOS, metadata=PACE),
            pool.submit(archive.send, 40, PHOTOS, metadata=PACE, priority="batch"),
            pool.submit(archive.send, 30, DRAWINGS, metadata=PACE, priority="batch"),
            pool.submit(ann.send_one_by_one, 20, PHOTOS, metadata=PACE),
            pool.submit(ben.send_one_by_one, 20, PHOTOS, metadata=PACE),
            pool.submit(cy.send_one_by_one, 20, DRAWINGS, metadata=PACE),
        ]
        throughput.watch(2, ends=24)
        machines.add_worker(PHOTOS)
        throughput.watch(3, ends=36)
        put_to_sleep(machines, cy)
        wake(machines)
        machines.kill_worker(killed)
        throughput.watch(2, ends=24)
        machines.drain_worker(drained)
        throughput.watch(1, ends=15)
        for one in sent:
            one.result()
        found = merged(caller.ledger.settle() for caller in callers)
    report.add("200 edits on 13 machines; workers added, killed, drained, from zero", 4, found)
    assert found.ended == {"succeeded": 200}
    assert found.attempts <= 201  # the killed worker had at most one edit

    courses = {caller.name: caller.courses() for caller in callers}
    every = list(chain.from_iterable(courses.values()))
    ahead = {
        name: max(one.claims_ahead(every) for one in courses[name]) for name in ("ann", "ben", "cy")
    }
    stretches = throughput.stretches(every)
    print(table(stretches, courses, ahead))
    assert max(ahead.values()) <= MAX_CLAIMS_AHEAD
    # However fast the machine: edits are made by all workers all the time.
    assert min(one.busy for one in stretches) > MIN_BUSY
    assert stretches[1].rate > stretches[-1].rate

    empty = [
        name
        for name, query in PANELS.items()
        if not machines.prometheus.query(as_grafana_sends(query)) and not may_be_empty(query)
    ]
    assert empty == []


def test_a_worker_that_is_cut_off_publishes_nothing_and_goes_on_once_it_is_back(
    machines: Machines, photo: bytes, receiver: Receiver, report: Report
) -> None:
    caller = Caller("dora", machines, photo, receiver, 0)
    service, ledger = caller.service, caller.ledger
    alone = machines.add_worker(PHOTOS)
    hold = machines.data / "hold"
    hold.touch()
    edit = ledger.submit(model=PHOTOS, metadata={"hold": str(hold)})
    service.runs(edit, "editing")
    other = machines.add_worker(PHOTOS)
    live = service.live_workers()
    with machines.cut_off(alone):
        other.says("started", edit=edit, attempt=2)  # its lease has expired
        until(lambda: service.live_workers() == live - 1, "the loss to be noticed")
        until(lambda: machines.prometheus.query('up{job="baret-worker"} == 0'), "a lost scrape")
        hold.unlink()
        assert service.ended(edit)["metrics"]["attempts"] == 2
    assert alone.says("ended", edit=edit)["status"] == "stale: another attempt has it"
    until(lambda: service.live_workers() == live, "the worker to be back")
    machines.drain_worker(other)
    again = ledger.submit(model=PHOTOS)
    found = ledger.settle()
    report.add("a worker's machine is cut off from the network, and comes back", 1, found)
    assert found.ended == {"succeeded": 2}
    assert alone.lines("started", edit=again)
