"""Workers that hang or shut down in the middle of an edit; tests/faults kills them."""

import signal
from collections.abc import Callable
from typing import Any

from core.store import keys
from tests.support.receiver import Receiver
from tests.support.samples import MIDDLING
from tests.support.service import Process, Service

Submit = Callable[..., str]


def assert_published_once(
    service: Service, receiver: Receiver, edit: dict[str, Any], *, by_attempt: int
) -> None:
    """Assert one end in the stream, one webhook, and the images of that attempt."""
    assert edit["status"] == "succeeded"
    assert edit["metrics"]["attempts"] == by_attempt
    (done,) = service.events(edit["id"], "done")
    assert done["status"] == "succeeded"
    service.until(service.webhooks_settled, "the webhook to be delivered")
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
    # Move its lease into the past; tests/faults waits for one to expire.
    service.redis.zadd(keys.RUNNING, {edit_id: 1})
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
    # Without a housekeeper only the message that the worker sends can start the edit again.
    service.housekeeper.send(signal.SIGSTOP)
    try:
        leaving.send(signal.SIGTERM)
        assert leaving.ends() == 0
        assert leaving.says("ended", edit=edit_id, status="handed back")
        (other,) = [worker for worker in workers if worker is not leaving]
        assert other.says("started", edit=edit_id)
    finally:
        service.housekeeper.send(signal.SIGCONT)
    edit = service.ended(edit_id)
    assert other.says("ended", edit=edit_id)["status"] == "succeeded"
    # The attempt that was handed back does not count (core/store/lua/hand_back.lua).
    assert_published_once(service, receiver, edit, by_attempt=1)
