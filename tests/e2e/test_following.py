"""Edits that are followed by their events, deleted while they run, or expired."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx

from core.store import keys
from core.store.edits import GRACE_SECONDS
from tests.support.samples import LONG, MIDDLING, QUICK
from tests.support.service import Process, Service

Submit = Callable[..., str]
Event = dict[str, Any]


def events_of(service: Service, edit_id: str, *, after: str = "") -> Iterator[Event]:
    """Yield the events as they arrive, until the connection ends."""
    url = f"/v1/edits/{edit_id}/events"
    fields: Event = {}
    with service.http.stream("GET", url, headers={"Last-Event-ID": after}) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if line and name:
                fields[name] = value
            elif "data" in fields:
                yield fields | {"data": json.loads(fields["data"])}
                fields = {}


def test_an_edit_is_followed_to_its_end_across_a_restart_of_the_api(
    service: Service, worker: Process, submit: Submit
) -> None:
    edit_id = submit(**MIDDLING, previews="true")
    events: list[Event] = []
    with suppress(httpx.TransportError):
        for event in events_of(service, edit_id):
            events.append(event)
            if event["event"] == "progress":
                service.restart_api()
                break
    events += events_of(service, edit_id, after=events[-1]["id"])
    whole = list(events_of(service, edit_id))
    assert [event["id"] for event in events] == [event["id"] for event in whole]
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["status", "status"]
    # After 5, 10 and 15 of 20 steps.
    assert kinds.count("preview") == 3
    assert kinds.count("done") == 1
    done = events[-1]["data"]
    assert (done["status"], done["edit"]["id"]) == ("succeeded", edit_id)
    assert service.http.get(done["edit"]["outputs"][0]["url"]).status_code == 200


def test_a_running_edit_that_is_deleted_leaves_nothing_and_its_worker_runs_the_next(
    service: Service, worker: Process, submit: Submit
) -> None:
    edit_id = submit(**LONG)
    service.runs(edit_id)
    assert service.http.delete(f"/v1/edits/{edit_id}").status_code == 204
    assert service.http.get(f"/v1/edits/{edit_id}").status_code == 404
    assert worker.says("ended", edit=edit_id)["status"] == "stale: the edit was deleted"
    assert service.ended(submit(**QUICK))["status"] == "succeeded"
    assert not (service.data / "pictures" / edit_id).exists()
    # The housekeeper deletes once more after the time in which the worker could still write.
    assert service.redis.zscore(keys.DELETIONS, edit_id) is not None
    service.redis.zincrby(keys.DELETIONS, -1000 * GRACE_SECONDS, edit_id)
    service.until(lambda: service.redis.zcard(keys.DELETIONS) == 0, "the housekeeper")


def test_an_edit_whose_time_has_come_is_gone(
    service: Service, worker: Process, submit: Submit
) -> None:
    edit = service.ended(submit(**QUICK))
    url, image = f"/v1/edits/{edit['id']}", edit["outputs"][0]["url"]
    assert edit["expires_at"] > edit["completed_at"]
    service.redis.zadd(keys.EXPIRING, {edit["id"]: 1})
    service.until(lambda: service.http.get(url).status_code == 410, "the edit to expire")
    assert service.http.get(url).json()["code"] == "expired"
    service.until(lambda: service.http.get(image).status_code == 404, "its image to be deleted")
    assert not (service.data / "pictures" / edit["id"]).exists()


def test_the_time_left_is_told_once_an_edit_has_ended(
    service: Service, worker: Process, submit: Submit
) -> None:
    service.ended(submit(**QUICK))
    running, waiting = submit(**LONG), submit(**QUICK)
    service.until(lambda: service.edit(running)["progress"], "the edit to make progress")
    first, second = service.edit(running), service.edit(waiting)
    assert first["queue_position"] is None and second["queue_position"] == 0
    assert 0 < first["eta_seconds"] < second["eta_seconds"]
    service.cancel(running)
    assert service.ended(waiting)["eta_seconds"] is None
