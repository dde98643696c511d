"""A client that has gone gives its place back; one that only closed its side is answered."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI
from httpx import Response

from api.app import create_app
from api.server.limits import ConnectionLimits
from api.server.metrics import UNROUTED
from api.server.shares import Shares
from core.images.sandbox import DecoderSandbox
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving
from tests.support.crafted_images import jpeg_of_many_scans
from tests.support.waiting import until

GONE_SECONDS = 0.3


@pytest.fixture
def app(settings: Settings, store: EditStore, model: Model) -> FastAPI:
    store.announce("worker-1", model)
    return create_app(settings)


@pytest.fixture
def shares(app: FastAPI) -> Shares:
    shares: Shares = app.state.services.shares
    return shares


@pytest.fixture
def address(settings: Settings, app: FastAPI) -> Iterator[tuple[str, int]]:
    limits = ConnectionLimits(gone_seconds=GONE_SECONDS)
    with serving(settings, app=app, connection_limits=limits) as url:
        parts = httpx.URL(url)
        assert parts.port is not None
        yield parts.host, parts.port


@contextmanager
def sent(address: tuple[str, int], line: str, body: bytes = b"") -> Iterator[socket.socket]:
    """Send a request; the connection is closed on leaving, without reading an answer."""
    with socket.create_connection(address) as client:
        head = f"{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if body:
            head += "Content-Type: multipart/form-data; boundary=x\r\n"
            head += f"Content-Length: {len(body)}\r\n"
        client.sendall(f"{head}\r\n".encode() + body)
        yield client


def in_use(shares: Shares) -> dict[str, int]:
    return {pool.name: pool.in_use + pool.waiting for pool in shares.pools()}


@pytest.mark.parametrize("path", ["/events", "?wait=60"])
def test_a_place_among_streams_and_waits_is_given_back(
    address: tuple[str, int], shares: Shares, post: Callable[..., Response], path: str
) -> None:
    edit_id = post().json()["id"]
    started = time.monotonic()
    with sent(address, f"GET /v1/edits/{edit_id}{path}"):
        until(lambda: shares.streams.in_use == 1, "the client to wait")
    until(lambda: not shares.streams.in_use, "its place to be free again")
    assert time.monotonic() - started < 55


def test_an_image_of_a_client_that_has_gone_is_decoded_no_further(
    app: FastAPI, address: tuple[str, int], shares: Shares
) -> None:
    endless = DecoderSandbox(cpu_seconds=100_000, seconds=100_000)
    app.state.services = replace(app.state.services, sandbox=endless)
    body = (
        b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na cat\r\n'
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        + jpeg_of_many_scans(20_000)
        + b"\r\n--x--\r\n"
    )
    for _ in range(2):
        with sent(address, "POST /v1/edits", body):
            until(lambda: shares.decoding.quick.in_use == 1, "the image to be decoded")
        until(lambda: not any(in_use(shares).values()), "nothing to be left")


def test_a_request_whose_client_goes_while_it_waits_computes_nothing(
    app: FastAPI, address: tuple[str, int], shares: Shares, post: Callable[..., Response]
) -> None:
    edit_id = post().json()["id"]
    held = 0
    while shares.admission.try_acquire(f"other {held}"):
        held += 1
    with sent(address, f"GET /v1/edits/{edit_id}"):
        until(lambda: shares.admission.waiting == 1, "the request to wait")
    time.sleep(1 + 2 * GONE_SECONDS)  # until the server knows that it has gone
    for number in range(held):  # the event loop notices at its next turn
        shares.admission.release(f"other {number}")
    until(lambda: not any(in_use(shares).values()), "nothing to be left")

    def answered(status: str, route: str) -> float | None:
        labels = {"method": "GET", "route": route, "status": status}
        registry = app.state.metrics.registry
        return registry.get_sample_value("baret_http_request_seconds_count", labels)

    until(lambda: answered("0", UNROUTED) == 1, "the request to end without an answer")
    assert answered("200", "/v1/edits/{edit_id}") is None


def test_a_client_that_closed_its_side_gets_its_answer_after_interim_ones(
    address: tuple[str, int], post: Callable[..., Response]
) -> None:
    edit_id = post().json()["id"]
    with sent(address, f"GET /v1/edits/{edit_id}?wait=2") as client:
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 102 ")
    *_, final = answer.split(b"HTTP/1.1 ")
    assert final.startswith(b"200 OK") and edit_id.encode() in final


def test_interim_answers_are_not_sent_where_http_has_none(
    address: tuple[str, int], post: Callable[..., Response]
) -> None:
    edit_id = post().json()["id"]
    with socket.create_connection(address) as client:
        client.sendall(f"GET /v1/edits/{edit_id}?wait=1 HTTP/1.0\r\n\r\n".encode())
        client.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
