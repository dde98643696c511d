"""A batch through the running service: API, housekeeper and worker, each a process."""

import json
from collections.abc import Callable
from typing import Any

from standardwebhooks import Webhook

from tests.support.photos import serving_photos
from tests.support.receiver import Receiver
from tests.support.samples import QUICK
from tests.support.service import Process, Service

Submit = Callable[..., str]


def test_its_edits_end_across_a_restart_and_others_are_not_held_up(
    service: Service,
    worker: Process,
    submit: Submit,
    sample: dict[str, Any],
    photo: bytes,
    receiver: Receiver,
) -> None:
    with serving_photos(photo) as photos:
        bodies = [
            {
                "image": f"{photos.url}/{'missing' if n % 4 == 3 else 'photo'}-{n}",
                "prompt": sample["prompt"],
                "params": QUICK,
            }
            for n in range(12)
        ]
        sent = {"edits": bodies, "webhook_url": receiver.url}
        answer = service.http.post("/v1/batches", json=sent)
        assert answer.status_code == 202, answer.text
        path = f"/v1/batches/{answer.json()['id']}"

        def counts() -> dict[str, int]:
            found: dict[str, int] = service.http.get(path).json()["request_counts"]
            return found

        service.until(lambda: counts()["completed"] >= 2, "two edits to end")
        own = service.ended(submit(**QUICK))  # while most of the batch waits
        assert own["status"] == "succeeded"
        assert counts()["completed"] < 8
        service.restart_api()

        def ended() -> bool:
            return bool(service.http.get(path).json()["completed_at"])

        service.until(ended, "the batch to end")
    assert counts() == {"total": 12, "completed": 9, "failed": 3, "canceled": 0}
    lines = [json.loads(line) for line in service.http.get(f"{path}/results").text.splitlines()]
    assert [line["index"] for line in lines] == list(range(12))
    failed = [line["index"] for line in lines if line["error"]]
    assert failed == [3, 7, 11]
    assert service.http.get(lines[0]["edit"]["outputs"][0]["url"]).status_code == 200
    service.until(service.webhooks_settled, "the webhook to be delivered")
    (hook,) = receiver.received
    secret = service.http.get("/v1/webhooks/secret").json()["secret"]
    body = Webhook(secret).verify(hook.body, dict(hook.headers))
    assert (body["type"], body["data"]["request_counts"]["failed"]) == ("batch.completed", 3)
    assert service.http.delete(path).status_code == 204
    assert service.http.get(f"/v1/edits/{lines[0]['edit']['id']}").status_code == 404
