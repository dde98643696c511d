"""Requests that are lost or come too early, and answers that are not the service's.

`Losing` is a transport of httpx, its designed seam: it spoils some requests to the real service.
"""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from baret_client import (
    Client,
    Forbidden,
    NoWorker,
    ProblemError,
    RateLimited,
    ServiceUnreachable,
    TokenSpent,
    Unauthenticated,
    ValidationFailed,
)
from baret_client.errors import ProblemError as Base
from baret_client.errors import problem_class

from api.problems.types import BY_CODE
from core.settings import Settings
from tests.support.api_app import serving

Spoil = Callable[[httpx.Request, httpx.BaseTransport], httpx.Response]
PROMPT = "a cat that sits"


def lose_the_answer(request: httpx.Request, real: httpx.BaseTransport) -> httpx.Response:
    real.handle_request(request).read()
    raise httpx.ReadError("connection reset", request=request)


def too_early(request: httpx.Request, _: httpx.BaseTransport) -> httpx.Response:
    problem = {"code": "rate_limited", "title": "Too many", "status": 429, "detail": "Wait."}
    return httpx.Response(429, json=problem, headers={"Retry-After": "0.05"}, request=request)


def much_too_early(request: httpx.Request, _: httpx.BaseTransport) -> httpx.Response:
    problem = {"code": "queue_full", "title": "Full", "status": 503, "detail": "Wait."}
    return httpx.Response(503, json=problem, headers={"Retry-After": "3600"}, request=request)


def a_proxys_page(request: httpx.Request, _: httpx.BaseTransport) -> httpx.Response:
    return httpx.Response(404, html="<h1>Not here</h1>", request=request)


class Losing(httpx.BaseTransport):
    """Spoils requests in the order given; those after them reach the service."""

    def __init__(self, *spoils: Spoil):
        self.requests: list[httpx.Request] = []
        self._spoils = list(spoils)
        self._real = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._spoils:
            return self._spoils.pop(0)(request, self._real)
        return self._real.handle_request(request)

    def close(self) -> None:
        self._real.close()


@pytest.fixture
def losing(server: str) -> Iterator[Callable[..., tuple[Client, Losing]]]:
    clients: list[Client] = []

    def make(*spoils: Spoil, **options: Any) -> tuple[Client, Losing]:
        transport = Losing(*spoils)
        clients.append(Client(server, transport=transport, **options))
        return clients[-1], transport

    yield make
    for client in clients:
        client.close()


@pytest.mark.parametrize("spoil", [lose_the_answer, too_early])
def test_a_request_that_is_lost_or_early_is_sent_again_and_makes_one_edit(
    losing: Callable[..., tuple[Client, Losing]], make_image: Callable[..., bytes], spoil: Spoil
) -> None:
    client, transport = losing(spoil)
    edit = client.edits.create(make_image(), prompt=PROMPT)
    assert [one.id for one in client.edits.list()] == [edit.id]
    first, second, _ = transport.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_the_same_name_is_the_same_edit_and_no_name_is_a_new_one(
    client: Client, make_image: Callable[..., bytes]
) -> None:
    image = make_image()
    named = [client.edits.create(image, prompt=PROMPT, idempotency_key="order-1") for _ in range(2)]
    other = client.edits.create(image, prompt=PROMPT)
    assert named[0].id == named[1].id != other.id


def test_tries_end(losing: Callable[..., tuple[Client, Losing]]) -> None:
    client, transport = losing(too_early, too_early, max_retries=1)
    with pytest.raises(RateLimited):
        client.models.list()
    assert len(transport.requests) == 2


def test_a_wait_of_an_hour_is_left_to_the_caller(
    losing: Callable[..., tuple[Client, Losing]],
) -> None:
    client, transport = losing(much_too_early)
    with pytest.raises(ProblemError) as refused:
        client.models.list()
    assert refused.value.retry_after == 3600
    assert len(transport.requests) == 1


def test_an_answer_that_is_not_the_services_says_so(
    losing: Callable[..., tuple[Client, Losing]],
) -> None:
    client, _ = losing(a_proxys_page)
    with pytest.raises(ProblemError, match=r"answered 404.*Check the address"):
        client.models.list()


def test_a_stream_goes_on_where_it_broke(
    losing: Callable[..., tuple[Client, Losing]],
    make_image: Callable[..., bytes],
    finish: Callable[..., Any],
) -> None:
    client, transport = losing()
    edit = client.edits.create(make_image(), prompt=PROMPT)
    finish()

    class BreaksAfterTheFirst(httpx.SyncByteStream):
        def __init__(self, response: httpx.Response):
            self._text = response.read().decode().partition("\nid: ")
            end = self._text[2].index("\n\n") + 2
            self._first = "".join(self._text[:2]) + self._text[2][:end]

        def __iter__(self) -> Iterator[bytes]:
            yield self._first.encode()
            raise httpx.ReadError("connection reset")

    def break_it(request: httpx.Request, real: httpx.BaseTransport) -> httpx.Response:
        return httpx.Response(200, stream=BreaksAfterTheFirst(real.handle_request(request)))

    transport._spoils.append(break_it)
    events = list(edit.stream())
    assert [event.type for event in events] == ["status", "status", "done"]
    assert transport.requests[-1].headers["Last-Event-ID"] == events[0].id


def test_a_service_that_is_away_is_named() -> None:
    away = pytest.raises(ServiceUnreachable, match=r"http://127\.0\.0\.1:1 does not answer")
    with Client("http://127.0.0.1:1", max_retries=0) as client, away:
        client.models.list()
    with pytest.raises(ValueError, match="address"):
        Client("127.0.0.1:8000")


def test_keys_are_sent_and_refusals_told_apart(
    server: str, make_key: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, _ = make_key()
    key = headers["Authorization"].removeprefix("Bearer ")
    with Client(server) as without, pytest.raises(Unauthenticated):
        without.models.list()
    with Client(server, api_key=key) as client:
        assert client.models.list()
        assert key not in repr(client._settings)
    monkeypatch.setenv("BARET_API_KEY", key)
    monkeypatch.setenv("BARET_SERVER", server)
    with Client() as client:
        assert client.models.list()


def test_a_service_without_workers_says_so(settings: Settings, make_image: Any) -> None:
    refused = pytest.raises(NoWorker, match="start one")
    with serving(settings) as address, Client(address, max_retries=0) as client, refused:
        client.edits.create(make_image(), prompt=PROMPT)


def test_every_problem_of_the_service_has_a_class_of_its_own_kind() -> None:
    for code, kind in BY_CODE.items():
        assert problem_class(code, kind.status) is not Base, code
    assert problem_class("forbidden", 403) is Forbidden
    assert problem_class("a_new_code", 422) is ValidationFailed


def test_a_key_makes_tokens_for_its_users(
    server: str, make_key: Callable[..., Any], make_image: Callable[..., bytes]
) -> None:
    headers, _ = make_key()
    key = headers["Authorization"].removeprefix("Bearer ")
    with Client(server, api_key=key) as client:
        token = client.tokens.create(user="ann", ttl=60, edits=1)
        assert (token.user, token.edits) == ("ann", 1)
        with Client(server, api_key=token.token) as app:
            edit = app.edits.create(make_image(), prompt=PROMPT)
            assert edit.user == "ann"
            with pytest.raises(TokenSpent):
                app.edits.create(make_image(), prompt=PROMPT)
        assert [one.id for one in client.edits.list(user="ann")] == [edit.id]
