"""Events at a signed address: without a key, for one edit, for an hour."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from core.access.api_keys import Keyring
from core.images.signed_urls import LINK_SECONDS, LinkSigner
from core.store.edits import EditStore
from core.telemetry.redaction import redact
from tests.support.problems import assert_problem

MakeKey = Callable[..., tuple[dict[str, str], Any]]


@pytest.fixture
def keyed(client: TestClient, make_key: MakeKey) -> dict[str, str]:
    headers, _ = make_key()
    return headers


@pytest.fixture
def edit(
    client: TestClient,
    keyed: dict[str, str],
    make_image: Callable[..., bytes],
    finish: Callable[..., object],
) -> dict[str, Any]:
    """Return an ended edit of a caller with a key."""
    form = {"data": {"prompt": "a cat"}, "files": {"image": make_image()}}
    edit_id = client.post("/v1/edits", headers=keyed, **form).json()["id"]
    finish()
    found: dict[str, Any] = client.get(f"/v1/edits/{edit_id}", headers=keyed).json()
    return found


def test_events_are_read_with_their_ticket_and_no_key(
    client: TestClient, edit: dict[str, Any]
) -> None:
    answer = client.get(edit["urls"]["events"])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: done" in answer.text
    assert edit["id"] in answer.text
    assert "ratelimit" not in answer.headers  # as of pictures, none is counted


def test_each_look_gives_a_ticket_for_an_hour(client: TestClient, edit: dict[str, Any]) -> None:
    expires = int(urlsplit(edit["urls"]["events"]).query.removeprefix("ticket=").partition(".")[0])
    assert expires == pytest.approx(time.time() + LINK_SECONDS, abs=60)


def test_a_ticket_that_is_none_is_refused(
    client: TestClient, edit: dict[str, Any], store: EditStore, keyed: dict[str, str]
) -> None:
    events, _, ticket = edit["urls"]["events"].partition("?ticket=")
    signer = LinkSigner(store.secret("links"))
    expires, key_id, signature = ticket.split(".")
    image = urlsplit(edit["outputs"][0]["url"]).query.partition("signature=")[2]
    for wrong in (
        *("x", ".", f"{expires}.", f".{signature}", ticket[:-1], ticket + "0", f"0{ticket}"),
        f"{int(expires) + 1}.{signature}",
        f"{int(expires) + 1}.{key_id}.{signature}",
        *(f"{expires}.{signature}", f"{expires}..{signature}", f"{expires}.key_0.{signature}"),
        *(f"{expires}.{image}", f"{expires}.{key_id}.{image}"),
        *(f"%3{ticket[0]}{ticket[1:]}", f"{ticket}&", f"{ticket}&ticket={ticket}", f"{ticket}%00"),
        signer.ticket(edit["id"], seconds=-1),
        signer.ticket("edit_" + "0" * 32),
    ):
        answer = client.get(f"{events}?ticket={wrong}")
        assert_problem(answer, 401, "unauthenticated")
        if "&" in wrong:
            continue
        # A key is enough, whatever the ticket.
        assert client.get(f"{events}?ticket={wrong}", headers=keyed).status_code == 200
    assert_problem(client.get(events), 401, "unauthenticated")
    assert_problem(client.get(f"{events}?ticket="), 401, "unauthenticated")


def test_a_ticket_does_not_prolong_itself(client: TestClient, edit: dict[str, Any]) -> None:
    done = client.get(edit["urls"]["events"]).text
    assert json.loads(done.split("data: ")[-1].split("\n")[0])["edit"]["urls"] == edit["urls"]


def test_a_ticket_is_as_good_as_the_key_that_it_was_issued_to(
    client: TestClient, edit: dict[str, Any], keys: Keyring, make_key: MakeKey
) -> None:
    (first,) = keys.all()
    after, _ = make_key(replaces=first.id)
    later = client.get(f"/v1/edits/{edit['id']}", headers=after).json()["urls"]["events"]
    keys.revoke(first.id)
    answer = client.get(edit["urls"]["events"])
    assert_problem(answer, 401, "unauthenticated")
    assert "revoked" in answer.json()["detail"]
    assert client.get(later).status_code == 200


def test_a_ticket_opens_nothing_else(client: TestClient, edit: dict[str, Any]) -> None:
    _, _, ticket = edit["urls"]["events"].partition("?ticket=")
    expires, _, signature = ticket.split(".")
    home = f"/v1/edits/{edit['id']}"
    for path in (home, f"{home}/image", f"{home}/deliveries", "/v1/edits"):
        assert client.get(f"{path}?ticket={ticket}").status_code == 401
    for path in (f"/v1/files/{edit['id']}/events", f"/v1/files/events/{edit['id']}"):
        found = client.get(f"{path}?expires={expires}&signature={signature}")
        assert_problem(found, 404, "not_found")


def test_a_ticket_of_another_edit_is_refused(
    client: TestClient, edit: dict[str, Any], keyed: dict[str, str]
) -> None:
    other = client.post("/v1/edits", headers=keyed, json={"source": edit["id"], "prompt": "a dog"})
    _, _, ticket = edit["urls"]["events"].partition("?ticket=")
    path = f"/v1/edits/{other.json()['id']}/events?ticket={ticket}"
    assert_problem(client.get(path), 401, "unauthenticated")


def test_an_edit_that_was_deleted_is_not_found_by_its_ticket(
    client: TestClient, edit: dict[str, Any], keyed: dict[str, str]
) -> None:
    client.delete(f"/v1/edits/{edit['id']}", headers=keyed)
    path = edit["urls"]["events"].removeprefix("http://testserver")
    assert_problem(client.get(path), 404, "not_found")


def test_without_keys_a_ticket_lets_no_foreign_page_in(
    client: TestClient, post: Callable[..., Any]
) -> None:
    events = post().json()["urls"]["events"]
    answer = client.get(events, headers={"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_ticket_is_in_no_log() -> None:
    assert redact("GET /v1/edits/x/events?ticket=17.abcdef&a=b") == (
        "GET /v1/edits/x/events?ticket=…&a=b"
    )
