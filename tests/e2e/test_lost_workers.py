"""Workers that are stopped or told to leave in the middle of an edit; tests/faults kills them."""

import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from housekeeper.maintenance import LOST_MESSAGE_SECONDS
from tests.support.receiver import Receiver
from tests.support.samples import MIDDLING
from tests.support.service import Process, Service
from tests.support.waiting import until

Submit = Callable[..., str]


def assert_published_once(
    service: Service, receiver: Receiver, edit: dict[str, Any], *, by_attempt: int
) -> None:
    """One end in the stream, one webhook, the pictures of that attempt."""
    assert edit["status"] == "succeeded"
    assert edit["metrics"]["attempts"] == by_attempt
    (done,) = service.events(edit["id"], "done")
    assert done["status"] == "succeeded"
    until(service.webhooks_settled, "the webhook to be delivered")
    assert [one.headers["webhook-id"] for one in receiver.received] == [
        f"msg_{edit['id'].removeprefix('edit_')}_succeeded"
    ]
    (output,) = edit["outputs"]
    assert f"/{by_attempt}-output-0.png?" in output["url"]
    assert service.http.get(output["url"]).status_code == 200


def test_a_worker_that_wakes_after_its_lease_has_gone_publishes_nothing(
    service: Service, workers: list[Process], submit: Submit, receiver: Receiver
) -> None:
    edit_id = submit(**MIDDLING, webhook_url=receiver.url)
    stopped = service.runs(edit_id)
    stopped.send(signal.SIGSTOP)
    # Its lease is moved into the past: tests/faults waits for one.
    service.redis.zadd("baret:running", {edit_id: 1})
    (other,) = [worker for worker in workers if worker is not stopped]
    other.says("started", edit=edit_id, attempt=2)

    stopped.send(signal.SIGCONT)
    ended = stopped.says("ended", edit=edit_id)
    assert ended["status"] == "stale: another attempt has it"
    edit = service.ended(edit_id)
    assert other.says("ended", edit=edit_id)["status"] == "succeeded"
    assert_published_once(service, receiver, edit, by_attempt=2)


def test_a_worker_that_is_told_to_leave_hands_its_edit_to_another(
    service: Service, workers: list[Process], submit: Submit, receiver: Receiver
) -> None:
    edit_id = submit(**MIDDLING, webhook_url=receiver.url)
    leaving = service.runs(edit_id)
    leaving.send(signal.SIGTERM)
    assert leaving.ends() == 0
    handed_back = leaving.says("ended", edit=edit_id, status="handed back")

    edit = service.ended(edit_id)
    (other,) = [worker for worker in workers if worker is not leaving]
    assert other.says("ended", edit=edit_id)["status"] == "succeeded"
    # The attempt that was handed back does not count (core/store/lua/hand_back.lua).
    assert_published_once(service, receiver, edit, by_attempt=1)
    # A message went out with it: neither its lease (12 s) nor the housekeeper (5 s) was waited for.
    taken_over = other.says("started", edit=edit_id)
    assert moment(taken_over) - moment(handed_back) < timedelta(seconds=LOST_MESSAGE_SECONDS)


def moment(line: dict[str, Any]) -> datetime:
    """When a line was logged."""
    return datetime.fromisoformat(line["timestamp"])
