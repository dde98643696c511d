"""After DELETE nothing of an edit is left, wherever it had got to: all of Redis and all files."""

import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from core.broker.app import queue_name
from core.store import keys
from tests.security.tally import Tally
from tests.support.receiver import Receiver
from tests.support.redis_contents import contents
from tests.support.samples import LONG, QUICK
from tests.support.service import Service


@dataclass
class Sent:
    """An edit, and what its caller wrote into the request."""

    edit_id: str
    words: list[str]
    request: dict[str, Any]


def send(service: Service, receiver: Receiver, **params: Any) -> Sent:
    """Send an edit whose every field holds a word that is nowhere else."""
    word = uuid.uuid4().hex
    image = f"{word}.png"
    path = service.data / image
    Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    photo = path.read_bytes()
    path.unlink()
    receiver.answers[f"/{word}/hook"] = (500, {})
    fields = {
        "prompt": f"a cat that sits {word}prompt é😀",
        "metadata": json.dumps({f"{word}name": f"{word}value ñ🐕"}),
        "webhook_url": f"{receiver.url}/{word}/hook",
        "webhook_events": json.dumps(["edit.started", "edit.progress", "edit.succeeded"]),
        "previews": "true",
        "artifacts": "true",
        **{name: str(value) for name, value in params.items()},
    }
    files = {"image": (image, photo)}
    headers = {"Idempotency-Key": f"{word}key", "X-Request-Id": "plain"}
    request = {"data": fields, "files": files, "headers": headers}
    answer = service.http.post("/v1/edits", **request)
    assert answer.status_code == 202, answer.text
    words = [word, hashlib.sha256(photo).hexdigest(), "é😀", "ñ🐕"]
    found = " ".join(contents(service.redis).values())
    assert all(one in found for one in (*words, f"{word}prompt", f"{word}value"))
    return Sent(answer.json()["id"], [*words, receiver.url], request)


def files_of(service: Service) -> set[Path]:
    return {path.relative_to(service.data) for path in service.data.rglob("*") if path.is_file()}


def check_nothing_is_left(service: Service, before: set[Path], *all_sent: Sent) -> None:
    """Wait for the housekeeper, then read everything; `before` lay there before the edits."""
    ids = [sent.edit_id for sent in all_sent]
    words = [word for sent in all_sent for word in sent.words]

    def settled() -> bool:
        prefixes = service.redis.zrange(keys.DELETIONS, 0, -1)
        return not [one for one in prefixes if any(word in one for word in (*ids, *words))]

    service.until(settled, "the images to be deleted")
    found = contents(service.redis)
    for word in words:
        assert [key for key, value in found.items() if word in key or word in value] == [], word
    for edit_id in ids:
        holding = [key for key, value in found.items() if edit_id in key or edit_id in value]
        # Its last event for a minute, and its id in a message until a worker reads it.
        assert set(holding) <= {keys.events(edit_id), queue_name("zoo")}
        if keys.events(edit_id) in holding:
            assert service.redis.xlen(keys.events(edit_id)) == 1
            assert 0 < service.redis.ttl(keys.events(edit_id)) <= 60
    tombstones = [one for key, one in found.items() if key.startswith(keys.idempotency(""))]
    assert all('{"gone": "deleted"}' in one for one in tombstones)
    files = files_of(service)
    for path in files:
        text = f"{path}\n{(service.data / path).read_text(errors='replace')}"
        assert not [word for word in words if word in text], path
    images = {path for path in files if path.parts[0] == "pictures" and path.parts[1] != "_ready"}
    assert images <= before


def delete(service: Service, *all_sent: Sent) -> None:
    for sent in all_sent:
        assert service.http.delete(f"/v1/edits/{sent.edit_id}").status_code == 204


def test_nothing_is_left_of_edits_that_ended_ran_waited_or_were_canceled(
    service: Service, receiver: Receiver, tally: Tally
) -> None:
    service.have_workers(1)
    before = files_of(service)
    ended, running = send(service, receiver, **QUICK), send(service, receiver, **LONG)
    assert service.ended(ended.edit_id)["status"] == "succeeded"
    due = f"/v1/edits/{ended.edit_id}/deliveries"
    service.until(
        lambda: any(one["attempts"] for one in service.http.get(due).json()["data"]),
        "a webhook to be tried and to stay due",
    )
    service.until(lambda: service.edit(running.edit_id)["stage"] == "tuning", "it to run")
    delete(service, ended, running)
    service.have_workers(0)
    # No worker writes any more, so the housekeeper need not wait for one.
    for prefix in service.redis.zrange(keys.DELETIONS, 0, -1):
        service.redis.zadd(keys.DELETIONS, {prefix: 1})
    queued, canceled = send(service, receiver), send(service, receiver)
    service.cancel(canceled.edit_id)
    delete(service, queued, canceled)
    everything = (ended, running, queued, canceled)
    check_nothing_is_left(service, before, *everything)
    for sent in everything:
        again = service.http.post("/v1/edits", **sent.request)
        assert (again.status_code, again.json()["code"]) == (410, "deleted")
        tally.count("requests for a deleted edit, sent again", again.status_code)
    check_nothing_is_left(service, before, *everything)
