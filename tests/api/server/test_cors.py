"""Web pages of other origins: with a key they may call the service, without keys never."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from api.app import create_app
from api.server.cors import EXPOSED
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore

MakeKey = Callable[..., tuple[dict[str, str], Any]]
PAGE = "https://app.example"
ORIGINS = [
    PAGE,
    "http://localhost:5173",
    "null",
    "capacitor://localhost",
    "https://a.b.example:8443",
]


def preflight(method: str, headers: str = "authorization", origin: str = PAGE) -> dict[str, str]:
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": headers,
    }


@pytest.fixture
def keyed(client: TestClient, make_key: MakeKey) -> dict[str, str]:
    headers, _ = make_key()
    return headers


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_with_a_key_may_read_every_answer(
    client: TestClient, keyed: dict[str, str], make_image: Callable[..., bytes], origin: str
) -> None:
    page = {"Origin": origin, **keyed}
    form = {"data": {"prompt": "a cat"}, "files": {"image": make_image()}}
    made = client.post("/v1/edits", headers=page, **form)
    edit = made.json()
    answers = [
        made,
        client.get("/v1/edits", headers=page),
        client.get(f"/v1/edits/{edit['id']}", headers=page),
        client.get(f"/v1/edits/{edit['id']}/image", headers=page),  # 409
        client.get("/v1/edits/x", headers=page),  # 404
        client.get("/v1/edits?limit=0", headers=page),  # 422
        client.get("/v1/edits", headers={"Origin": origin}),  # 401
        client.put("/v1/edits", headers=page),  # 405
        client.get("/v1/files/x/y", headers={"Origin": origin}),
        client.get("/openapi.json", headers={"Origin": origin}),
        client.delete(f"/v1/edits/{edit['id']}", headers=page),
    ]
    assert [answer.status_code for answer in answers] == [
        *(202, 200, 200, 409, 404, 422, 401, 405, 404, 200, 204)
    ]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_a_page_may_read_the_headers_that_clients_need(
    client: TestClient, keyed: dict[str, str]
) -> None:
    answer = client.get("/v1/edits", headers={"Origin": PAGE, **keyed})
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert exposed == list(EXPOSED)
    assert {"Location", "ETag", "Retry-After", "RateLimit", "X-Request-Id"} <= set(exposed)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        "authorization",
        "authorization,content-type,idempotency-key,prefer",
        "Authorization, If-None-Match, Last-Event-ID, X-Request-Id",
        "authorization,traceparent,tracestate,baggage,sentry-trace",
        "authorization,x-requested-with,cache-control,pragma",
    ],
)
@pytest.mark.usefixtures("keyed")
def test_a_preflight_allows_what_the_page_will_send(
    client: TestClient, method: str, headers: str
) -> None:
    answer = client.options("/v1/edits", headers=preflight(method, headers))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    assert answer.headers["access-control-allow-headers"] == headers
    assert int(answer.headers["access-control-max-age"]) > 0


@pytest.mark.parametrize("method", ["PATCH", "BREW"])
@pytest.mark.usefixtures("keyed")
def test_a_preflight_for_another_method_is_refused(client: TestClient, method: str) -> None:
    assert client.options("/v1/edits", headers=preflight(method)).status_code == 400


@pytest.mark.parametrize("origin", ORIGINS)
def test_without_keys_no_page_of_another_origin_is_helped(client: TestClient, origin: str) -> None:
    answers = [
        client.options("/v1/edits", headers=preflight("POST", origin=origin)),
        client.get("/v1/edits", headers={"Origin": origin}),
        client.get("/v1/files/x/y", headers={"Origin": origin}),
        client.get("/openapi.json", headers={"Origin": origin}),
    ]
    assert [answer.status_code for answer in answers][:2] == [405, 403]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.fixture
def narrowed(
    settings: Settings, store: EditStore, model: Model, make_key: MakeKey
) -> Iterator[TestClient]:
    make_key()
    store.announce("worker-1", model)
    origins = Settings(_env_file=None, cors_origins=f"{PAGE.upper()}/ , capacitor://localhost")
    app = create_app(settings.model_copy(update={"cors_origins": origins.cors_origins}))
    with TestClient(app) as client:
        yield client


@pytest.mark.parametrize("origin", [PAGE, "capacitor://localhost"])
def test_named_origins_are_allowed_by_name(narrowed: TestClient, origin: str) -> None:
    asked = narrowed.options("/v1/edits", headers=preflight("POST", origin=origin))
    answer = narrowed.get("/v1/edits", headers={"Origin": origin})
    for one in (asked, answer):
        assert one.headers["access-control-allow-origin"] == origin
        assert "Origin" in one.headers["vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", f"{PAGE}.evil.example", "http://app.example", "null"]
)
def test_where_some_are_named_no_other_is_allowed(narrowed: TestClient, origin: str) -> None:
    asked = narrowed.options("/v1/edits", headers=preflight("POST", origin=origin))
    answer = narrowed.get("/v1/edits", headers={"Origin": origin})
    assert asked.status_code == 405
    for one in (asked, answer):
        assert "access-control-allow-origin" not in one.headers


@pytest.mark.parametrize("value", ["app.example", "https://app.example/path", "*", "https://"])
def test_what_is_no_origin_is_refused_at_the_start(value: str) -> None:
    with pytest.raises(ValueError, match="Give origins such as"):
        Settings(_env_file=None, cors_origins=value)


def test_pictures_and_events_are_read_by_a_page_without_a_key(
    client: TestClient,
    keyed: dict[str, str],
    make_image: Callable[..., bytes],
    finish: Callable[..., object],
) -> None:
    form = {"data": {"prompt": "a cat"}, "files": {"image": make_image()}}
    edit_id = client.post("/v1/edits", headers=keyed, **form).json()["id"]
    finish()
    edit = client.get(f"/v1/edits/{edit_id}", headers=keyed).json()
    for address in (edit["outputs"][0]["url"], edit["urls"]["events"]):
        answer: Response = client.get(address, headers={"Origin": PAGE})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
