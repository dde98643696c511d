"""Who may call: keys, what each caller sees, and a service without keys."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from api.auth import check_exposure
from core.access.api_keys import ApiKey, Keyring, new_key
from core.settings import Settings
from core.store.edits import EditStore
from core.telemetry.logs import configure_logs
from tests.support.operations import KEYED_OPERATIONS
from tests.support.problems import UNKNOWN_EDIT, assert_problem

EVERYWHERE = "0.0.0.0"  # noqa: S104 - this must be refused

Post = Callable[..., Response]
MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]


def refused(answer: Response) -> str:
    """Assert that an answer refuses a request without a valid key; return the detail."""
    problem = assert_problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "ratelimit" not in answer.headers
    return str(problem["detail"])


@pytest.mark.parametrize(("method", "path"), KEYED_OPERATIONS)
def test_once_a_key_was_made_every_operation_asks_for_one(
    client: TestClient, make_key: MakeKey, method: str, path: str
) -> None:
    assert client.request(method, path).status_code != 401
    headers, _ = make_key()  # while the service runs
    assert "Authorization" in refused(client.request(method, path))
    assert client.request(method, path, headers=headers).status_code != 401


def test_what_is_no_key_is_told_apart_from_an_unknown_and_a_revoked_one(
    client: TestClient, make_key: MakeKey, keys: Keyring
) -> None:
    headers, key = make_key()
    text = headers["Authorization"].removeprefix("Bearer ")
    assert client.get("/v1/edits", headers={"Authorization": f"bEARER {text}"}).status_code == 200
    for header in ("", "Bearer", "Bearer ", f"Basic {text}", text):
        assert "Authorization" in refused(
            client.get("/v1/edits", headers={"Authorization": header})
        )
    for wrong in (text[:-1], text + "0", text.upper(), f"{text} {text}", "ü", "x" * 5000):
        answer = client.get("/v1/edits", headers={"Authorization": f"Bearer {wrong}".encode()})
        assert "checksum" in refused(answer)
    answer = client.get("/v1/edits", headers={"Authorization": f"Bearer {new_key()}"})
    assert "no such key" in refused(answer)
    keys.revoke(key.id)
    assert "revoked" in refused(client.get("/v1/edits", headers=headers))


def test_a_service_whose_last_key_was_revoked_is_closed(
    client: TestClient, make_key: MakeKey, keys: Keyring
) -> None:
    keys.revoke(make_key()[1].id)
    refused(client.get("/v1/edits"))


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/healthz", "/readyz"])
def test_pages_and_probes_need_no_key(client: TestClient, make_key: MakeKey, path: str) -> None:
    make_key()
    assert client.get(path).status_code == 200


def test_a_caller_sees_only_its_own_edits(
    post: Post, client: TestClient, make_key: MakeKey, finish: Callable[..., Any]
) -> None:
    ann, _ = make_key("ann")
    ben, _ = make_key("ben")
    edit = post(headers=ann, webhook_url="http://127.0.0.1:9/hook").json()
    finish()
    mine = client.get(edit["urls"]["self"], headers=ann).json()
    (delivery,) = client.get(f"/v1/edits/{edit['id']}/deliveries", headers=ann).json()["data"]
    for method, path in (
        ("GET", ""),
        ("GET", "/image"),
        ("GET", "/events"),
        ("GET", "/deliveries"),
        ("POST", f"/deliveries/{delivery['id']}/replay"),
        ("POST", "/cancel"),
        ("DELETE", ""),
    ):
        theirs = client.request(method, f"/v1/edits/{edit['id']}{path}", headers=ben)
        nobodys = client.request(method, f"/v1/edits/{UNKNOWN_EDIT}{path}", headers=ben)
        assert_problem(theirs, 404, "not_found")
        assert theirs.json() | {"instance": ""} == nobodys.json() | {"instance": ""}
    assert client.get("/v1/edits", headers=ben).json()["data"] == []
    assert [one["id"] for one in client.get("/v1/edits", headers=ann).json()["data"]] == [
        edit["id"]
    ]
    answer = client.post("/v1/edits", json={"prompt": "x", "source": edit["id"]}, headers=ben)
    assert_problem(answer, 422, "validation_error")
    assert client.get(mine["outputs"][0]["url"]).status_code == 200  # the signed URL needs no key


def test_a_key_that_replaces_another_sees_its_edits(
    post: Post, client: TestClient, make_key: MakeKey, keys: Keyring
) -> None:
    headers, key = make_key()
    edit = post(headers=headers).json()
    after, _ = make_key(replaces=key.id)
    keys.revoke(key.id)
    assert client.get(edit["urls"]["self"], headers=after).json()["id"] == edit["id"]


def test_a_key_is_neither_logged_nor_told(
    settings: Settings, client: TestClient, make_key: MakeKey, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(level="DEBUG", form="json", part="api")
    headers, _ = make_key()
    text = headers["Authorization"].removeprefix("Bearer ")
    secret = text.removeprefix("baret_sk_")
    answers = [
        client.get(f"/v1/edits/{text}", headers=headers),  # a key in the wrong place
        client.get(f"/v1/{text}"),
        client.get("/v1/edits", headers={"Authorization": f"Bearer {text[:-1]}"}),
        client.post("/v1/edits", headers=headers),
    ]
    logged = capsys.readouterr().err
    assert "/v1/edits/baret_sk_…" in logged
    assert secret[:-1] not in logged
    assert not any(secret[:-1] in answer.text for answer in answers)


# --- without keys


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "::1", "localhost"])
def test_loopback_needs_no_key(settings: Settings, keys: Keyring, host: str) -> None:
    check_exposure(settings.model_copy(update={"host": host}), keys)


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "192.168.1.5", "photos.example"])
def test_other_addresses_are_refused_until_there_is_a_key_or_the_network_is_trusted(
    settings: Settings, keys: Keyring, make_key: MakeKey, host: str
) -> None:
    exposed = settings.model_copy(update={"host": host})
    with pytest.raises(RuntimeError, match=r"baret keys create.*BARET_TRUSTED_NETWORK"):
        check_exposure(exposed, keys)
    check_exposure(exposed.model_copy(update={"trusted_network": True}), keys)
    make_key()
    check_exposure(exposed, keys)


def test_an_exposed_service_that_lost_its_keys_is_closed(
    settings: Settings, store: EditStore
) -> None:
    # As after Redis came back empty: the service must not be open to everyone.
    exposed = settings.model_copy(update={"host": EVERYWHERE})
    with TestClient(create_app(exposed)) as client:
        refused(client.get("/v1/edits"))


def test_a_trusted_network_needs_no_key_until_one_is_made(
    settings: Settings, make_key: MakeKey
) -> None:
    trusted = settings.model_copy(update={"host": EVERYWHERE, "trusted_network": True})
    with TestClient(create_app(trusted)) as client:
        assert client.get("/v1/edits").status_code == 200
        make_key()
        refused(client.get("/v1/edits"))


@pytest.mark.parametrize("reachable", [True, False])
def test_the_service_refuses_to_start_exposed_and_says_what_to_do(
    redis_url: str, reachable: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api"],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            "PATH": "",
            "BARET_HOST": EVERYWHERE,
            "REDIS_URL": redis_url if reachable else "redis://127.0.0.1:1",
        },
        check=False,
    )
    assert done.returncode == 1
    for word in ("baret keys create", "127.0.0.1", "BARET_TRUSTED_NETWORK"):
        assert word in done.stderr
    assert ("does not answer" in done.stderr) is not reachable
    assert "Traceback" not in done.stderr
