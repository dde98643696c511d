"""Edits that do not succeed, and the webhook of every end."""

import json
from collections.abc import Callable

from standardwebhooks import Webhook

from core.images.keys import new_photo_prefix
from tests.support.receiver import Receiver
from tests.support.samples import LONG, QUICK
from tests.support.service import Process, Service

Submit = Callable[..., str]


def webhooks(service: Service, receiver: Receiver) -> list[tuple[str, str, str]]:
    """Check the signature of every webhook received, and return (type, id, status) of each."""
    service.until(service.webhooks_settled, "the webhooks to be delivered")
    hook = Webhook(service.http.get("/v1/webhooks/secret").json()["secret"])
    bodies = [hook.verify(one.body, dict(one.headers)) for one in receiver.received]
    return [(body["type"], body["data"]["id"], body["data"]["status"]) for body in bodies]


def test_a_running_edit_is_canceled_at_once_and_its_worker_runs_the_next(
    service: Service, worker: Process, submit: Submit, receiver: Receiver
) -> None:
    edit_id = submit(**LONG, webhook_url=receiver.url)
    assert service.runs(edit_id) is worker
    service.cancel(edit_id)
    edit = service.ended(edit_id)
    # tests/worker counts the UNet calls that follow; the whole edit would take minutes.
    assert edit["progress"] < 1
    assert (edit["status"], edit["outputs"], edit["error"]) == ("canceled", [], None)

    following = service.ended(submit(**QUICK))
    assert following["status"] == "succeeded"
    assert worker.says("started", edit=following["id"])
    assert webhooks(service, receiver) == [("edit.canceled", edit_id, "canceled")]


def test_a_broken_edit_fails_with_a_problem_and_its_worker_lives_on(
    service: Service, worker: Process, submit: Submit, receiver: Receiver
) -> None:
    before = submit(**LONG)
    broken = submit(**QUICK, webhook_url=receiver.url)
    whole = submit(**QUICK)
    service.files.delete(new_photo_prefix(broken))
    service.cancel(before)

    edit = service.ended(broken)
    assert (edit["status"], edit["outputs"]) == ("failed", [])
    assert (edit["error"]["code"], edit["error"]["type"]) == (
        "model_error",
        "/docs/problems/model_error",
    )
    assert str(service.data) not in str(edit["error"])
    assert service.ended(whole)["status"] == "succeeded"
    assert worker.lives
    assert worker.lines("started", edit=whole)
    assert webhooks(service, receiver) == [("edit.failed", broken, "failed")]


def test_a_queued_edit_that_is_canceled_never_runs(
    service: Service, worker: Process, submit: Submit, receiver: Receiver
) -> None:
    before = submit(**LONG)
    edit_id = submit(**QUICK, webhook_url=receiver.url)
    service.cancel(edit_id)
    assert service.edit(edit_id)["status"] == "canceled"
    service.cancel(before)
    assert service.ended(submit(**QUICK))["status"] == "succeeded"
    assert worker.lines("started", edit=edit_id) == []
    assert webhooks(service, receiver) == [("edit.canceled", edit_id, "canceled")]


def test_a_success_is_told_once_signed_with_the_picture(
    service: Service, worker: Process, submit: Submit, receiver: Receiver
) -> None:
    edit = service.ended(submit(**QUICK, webhook_url=receiver.url, metadata='{"order": "7"}'))
    assert webhooks(service, receiver) == [("edit.succeeded", edit["id"], "succeeded")]
    data = json.loads(receiver.received[0].body)["data"]
    assert data["metadata"] == {"order": "7"}
    assert data["outputs"][0]["sha256"] == edit["outputs"][0]["sha256"]
    assert service.http.get(data["outputs"][0]["url"]).status_code == 200
