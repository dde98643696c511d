"""Entity tags: an unchanged edit is not sent again."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from api.responses.edit import etag_matches, etag_of
from core.schema import Stage
from core.store.edits import EditStore

Post = Callable[..., Response]
Finish = Callable[..., Any]


@pytest.mark.parametrize(
    "header", ['W/"1"', '"1"', '"0", W/"1"', '"0",W/"1","2"', "*", " * ", 'W/"a,b", W/"1"']
)
def test_a_header_that_names_the_tag_matches(header: str) -> None:
    assert etag_matches(header, 'W/"1"')


@pytest.mark.parametrize("header", ["", "1", 'W/"11"', '"2", "3"', '"', "W/1", '"*"'])
def test_a_header_that_does_not_name_it_does_not(header: str) -> None:
    assert not etag_matches(header, 'W/"1"')


def get_if_changed(client: TestClient, edit_id: str, etag: str, query: str = "") -> Response:
    return client.get(f"/v1/edits/{edit_id}{query}", headers={"If-None-Match": etag})


def test_an_edit_that_has_not_changed_is_not_sent_again(post: Post, client: TestClient) -> None:
    edit_id = post().json()["id"]
    first = client.get(f"/v1/edits/{edit_id}")
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    again = get_if_changed(client, edit_id, etag)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    sent = get_if_changed(client, edit_id, '"another"').json()
    eta = {"eta_seconds": None}  # changes without the tag
    assert sent | eta == first.json() | eta


def test_each_change_is_sent(
    post: Post, client: TestClient, store: EditStore, finish: Finish
) -> None:
    before = post().json()["id"]
    edit_id = post().json()["id"]
    tags = [client.get(f"/v1/edits/{edit_id}").headers["etag"]]

    def sent() -> dict[str, Any]:
        answer = get_if_changed(client, edit_id, tags[-1])
        assert answer.status_code == 200
        tags.append(answer.headers["etag"])
        edit: dict[str, Any] = answer.json()
        return edit

    client.delete(f"/v1/edits/{before}")
    assert sent()["queue_position"] == 0
    claim = store.claim("zoo")
    assert claim is not None
    assert sent()["status"] == "running"
    store.report(claim, Stage.TUNING, 0.3)
    assert sent()["progress"] == 0.3
    client.post(f"/v1/edits/{edit_id}/cancel")
    store.report(claim, Stage.TUNING, 0.4)
    assert get_if_changed(client, edit_id, tags[-1]).status_code == 304
    assert len(set(tags)) == len(tags)


def test_waiting_for_what_has_not_changed_ends_in_304(
    post: Post, client: TestClient, finish: Finish
) -> None:
    edit_id = post().json()["id"]
    etag = client.get(f"/v1/edits/{edit_id}").headers["etag"]
    started = time.monotonic()
    assert get_if_changed(client, edit_id, etag, "?wait=1").status_code == 304
    assert time.monotonic() - started >= 1

    worker = threading.Timer(0.3, finish)
    worker.start()
    answer = get_if_changed(client, edit_id, etag, "?wait=20")
    worker.join()
    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    started = time.monotonic()
    assert get_if_changed(client, edit_id, answer.headers["etag"], "?wait=60").status_code == 304
    assert time.monotonic() - started < 50


def test_a_tag_changes_before_the_picture_addresses_that_it_stands_for_expire(
    post: Post, store: EditStore, finish: Finish
) -> None:
    edit_id = post().json()["id"]
    finish()
    record = store.get(edit_id)
    now = time.time()
    assert len({etag_of(record, None, now=now + 60 * minutes) for minutes in (0, 30, 60)}) == 3
