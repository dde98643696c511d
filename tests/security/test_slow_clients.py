"""Slow clients, and clients that do not speak HTTP: raw sockets against the server."""

import json
import logging
import select
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI

from core.settings import Settings
from tests.security.slow_clients import (
    BODY_SECONDS,
    CONNECTIONS,
    PATIENCE,
    ROOM,
    address,
    app,
    settings,
)
from tests.security.tally import Tally
from tests.support.api_app import serving
from tests.support.waiting import until

__all__ = ["address", "app", "settings"]

WAITING_SECONDS = 30  # these clients never stop by themselves, so the server must end them in time

POST = b"POST /v1/edits HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
FORM = b"POST /v1/edits HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


Client = tuple[bytes, bytes]  # what it sends at once, and what it sends again and again

DRIPPING_HEADS: dict[str, Client] = {
    "nothing at all": (b"", b""),
    "a head, letter by letter": (b"", b"G"),
    "header lines, one by one": (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: 1\r\n"),
    "one endless header": (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", b"x"),
    "half a head after a whole request": (GET, b"G"),
    "a body that nobody wants": (
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n",
        b"x",
    ),
}
DRIPPING_BODIES: dict[str, Client] = {
    "no body": (POST + b"Content-Length: 1000\r\n\r\n", b""),
    "a body, letter by letter": (POST + b"Content-Length: 1000\r\n\r\n", b"x"),
    "a chunked body, letter by letter": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n",
    ),
    "no form": (FORM + b"Content-Length: 1000\r\n\r\n", b""),
    "a file, letter by letter": (
        FORM + b'Content-Length: 1000\r\n\r\n--b\r\nContent-Disposition: form-data; name="image"; '
        b'filename="a"\r\n\r\n',
        b"x",
    ),
    "a body that was announced": (POST + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", b""),
}


def converse(address: tuple[str, int], clients: Sequence[Client]) -> list[bytes]:
    """Run these clients at once until the server has closed all; return what each received."""
    end = time.monotonic() + WAITING_SECONDS
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(address)) for _ in clients]
        for one, (first, _) in zip(sockets, clients, strict=True):
            one.sendall(first)
        told: dict[socket.socket, bytes] = dict.fromkeys(sockets, b"")
        open_ones = dict(zip(sockets, (again for _, again in clients), strict=True))
        while open_ones:
            assert time.monotonic() < end, f"{len(open_ones)} are still served"
            for one in select.select(list(open_ones), [], [], 0.05)[0]:
                try:
                    data = one.recv(65536)
                except ConnectionError:
                    data = b""
                told[one] += data
                if not data:
                    del open_ones[one]
            for one, again in list(open_ones.items()):
                try:
                    one.sendall(again)
                except ConnectionError:
                    del open_ones[one]
        return [told[one] for one in sockets]


def is_closed(one: socket.socket) -> bool:
    """Return whether the server has closed a connection on which it sent nothing."""
    one.setblocking(False)
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def problem_in(heard: bytes) -> dict[str, object]:
    """Return the problem in the last answer."""
    head, _, body = heard.rpartition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    problem: dict[str, object] = json.loads(body)
    return problem


def test_a_head_that_does_not_come_whole_is_waited_for_so_long(
    address: tuple[str, int], tally: Tally
) -> None:
    heard = converse(address, list(DRIPPING_HEADS.values()))
    tally.count("clients that drip heads", "refused", len(heard))
    for name, said in zip(DRIPPING_HEADS, heard, strict=True):
        assert b" 5" not in said[:12], name


def test_a_body_that_drips_is_an_invalid_request(address: tuple[str, int], tally: Tally) -> None:
    heard = converse(address, list(DRIPPING_BODIES.values()))
    for name, said in zip(DRIPPING_BODIES, heard, strict=True):
        tally.count("clients that drip bodies", 400 if b" 400 " in said[:60] else "crash")
        assert problem_in(said)["code"] == "invalid_request", name
        assert "slowly" in str(problem_in(said)["detail"]), name


def test_a_slow_but_steady_body_is_taken(
    address: tuple[str, int], make_image: Callable[..., bytes]
) -> None:
    content = make_image()
    parts = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    body = parts % (b"prompt", b"", b"a cat") + parts % (b"image", b'; filename="a"', content)
    body += b"--b--\r\n"
    with socket.create_connection(address) as client:
        client.sendall(FORM + b"Content-Length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 128):
            time.sleep(BODY_SECONDS / 10)
            client.sendall(body[start : start + 128])
        assert client.recv(64).startswith(b"HTTP/1.1 202")


def test_bodies_in_memory_are_bounded_together(address: tuple[str, int], tally: Tally) -> None:
    part = b" " * (ROOM // 4 - 1000)
    clients = [(POST + b"Content-Length: %d\r\n\r\n" % ROOM + part, b"")] * 12
    heard = converse(address, clients)
    codes = [problem_in(said)["code"] for said in heard]
    tally.count("large bodies that do not end", "refused", len(codes))
    # Too slow, or no memory left for it: of its caller's, for here all have the same address.
    assert {"invalid_request", "rate_limited"} <= set(codes)
    assert set(codes) <= {"invalid_request", "rate_limited", "unavailable"}
    assert codes.count("invalid_request") <= 5
    assert all(b"retry-after: 5" in said.lower() for said in heard if b" 400 " not in said[:20])


def test_whoever_waits_for_an_edit_takes_no_room(
    address: tuple[str, int], make_image: Callable[..., bytes]
) -> None:
    large = make_image("PNG") + bytes(2 * ROOM // 3)  # data after a picture's end is ignored
    base = f"http://127.0.0.1:{address[1]}"

    def post(**headers: str) -> int:
        form = {"prompt": "a cat"}
        answer = httpx.post(
            f"{base}/v1/edits", data=form, files={"image": large}, headers=headers, timeout=30
        )
        return answer.status_code

    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(post, Prefer="wait=2")
        until(lambda: len(httpx.get(f"{base}/v1/edits").json()["data"]) == 1, "it to be accepted")
        assert post() == 202
        assert not waiting.done()
        assert waiting.result() == 202


def test_idle_connections_keep_nobody_out(settings: Settings, app: FastAPI, tally: Tally) -> None:
    connection_limits = replace(PATIENCE, head_seconds=120)  # none of them times out
    with (
        serving(settings, app=app, connection_limits=connection_limits) as url,
        ExitStack() as stack,
    ):
        address = (httpx.URL(url).host, httpx.URL(url).port)
        idle = [
            stack.enter_context(socket.create_connection(address)) for _ in range(3 * CONNECTIONS)
        ]
        tally.count("idle connections", "refused", len(idle))
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/v1/edits").status_code == 200
        until(lambda: sum(map(is_closed, idle)) > 2 * CONNECTIONS, "the oldest to be closed")
        assert not any(map(is_closed, idle[-CONNECTIONS // 2 :]))


NO_HTTP = {
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(99),
    "no version": b"GET /healthz\r\n\r\n",
    "a space in the header": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "a length that is none": POST + b"Content-Length: x\r\n\r\n",
    "a head of a megabyte": b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "a line of a megabyte": b"GET /" + b"x" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "ten thousand headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: 1\r\n" * 10_000 + b"\r\n",
    "a chunk that is none": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a chunk that is too long": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 99 + b"\r\n",
    "trailers without end": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: 1\r\n" * 9_999,
    "nonsense after a request": GET + bytes(99),
    "nonsense while a request is served": (
        b"GET /v1/edits HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" + bytes(99)
    ),
}


def test_what_is_no_http_is_an_invalid_request(
    address: tuple[str, int], tally: Tally, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        clients = [(said, b"") for said in NO_HTTP.values()]
        for name, client in zip(NO_HTTP, clients, strict=True):
            (heard,) = converse(address, [client])
            tally.count("what is no HTTP", "crash" if b" 500 " in heard[:20] else "refused")
            assert b" 5" not in heard[:12], name
            if heard and b" 400 " in heard[:20]:
                assert problem_in(heard)["code"] == "invalid_request", name
    assert [record.getMessage() for record in caplog.records] == []
