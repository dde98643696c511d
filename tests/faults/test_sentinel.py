"""A failover among Sentinels with an edit in flight, in plain text and with TLS everywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.ledger import Ledger
from tests.faults.report import Report
from tests.support.certificates import make_server_certificate
from tests.support.receiver import Receiver
from tests.support.redis_servers import Group, Tls, running_group
from tests.support.service import SMALL_WORKER, Service
from tests.support.waiting import until


@pytest.fixture(params=["plain", "TLS"])
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Group]:
    tls = Tls(*make_server_certificate(tmp_path)) if request.param == "TLS" else None
    with running_group(tmp_path / "group", tls) as group:
        until(lambda: group.ready, "the group to know its members")
        yield group


@pytest.fixture
def service(group: Group, tmp_path: Path) -> Iterator[Service]:
    """Run a service that knows only the Sentinels; the test itself looks at the replica."""
    service = Service(tmp_path, group.replica.url, worker=SMALL_WORKER, REDIS_URL=group.url)
    try:
        service.start()
        service.have_workers(1)
        yield service
    finally:
        service.stop()


def test_edits_in_flight_outlive_a_failover(
    service: Service, group: Group, photo: bytes, receiver: Receiver, report: Report
) -> None:
    ledger = Ledger(service, photo, receiver)
    hold = service.data / "hold"
    hold.touch()
    running = ledger.submit(metadata={"hold": str(hold)})
    waiting = ledger.submit()
    service.runs(running, "editing")
    with group.master.client() as client:
        client.execute_command("WAIT", 1, 10_000)  # what a replica never got would be lost
    group.master.kill()
    new = ledger.submit()  # until the Sentinels have agreed it is answered 503, and sent again
    assert ledger.refusals[503]
    hold.unlink()
    found = ledger.settle()
    over = " over TLS" if service.env["REDIS_URL"].startswith("rediss") else ""
    report.add(f"failover among Sentinels{over}, `kill -9` of the master", 1, found)
    assert found.ended == {"succeeded": 3}, (running, waiting, new)
    assert not found.lost
    assert not found.duplicates
    assert found.attempts == 3  # the worker kept its lease
