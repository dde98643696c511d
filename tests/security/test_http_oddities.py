"""Requests that no polite client sends, foreign Host headers, and requests from web pages."""

import json
import os
import re
import socket
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

import pytest
from fastapi import Request
from fastapi.testclient import TestClient

from api.app import create_app
from api.problems.errors import Forbidden
from api.server.origins import check_origin
from core.access.api_keys import ApiKey
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.tally import Tally
from tests.support.service import Service

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
MakeImage = Callable[..., bytes]
Ask = Callable[[bytes], bytes]

HEAD = b"Host: 127.0.0.1\r\nConnection: close\r\n"
POST = b"POST /v1/edits HTTP/1.1\r\n" + HEAD + b"Content-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"


def get(path: bytes = b"/v1/edits", more: bytes = b"", method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + HEAD + more + b"\r\n"


# Each with its correct statuses. A request that could mean two things is never served.
RAW: dict[str, tuple[bytes, set[int]]] = {
    "two lengths": (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", {400}),
    "length with a sign": (POST + b"Content-Length: +2\r\n\r\n{}", {400}),
    "negative length": (POST + b"Content-Length: -2\r\n\r\n{}", {400}),
    "length of 5000 digits": (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}", {400}),
    "length of exabytes": (POST + b"Content-Length: " + b"9" * 19 + b"\r\n\r\n{}", {413}),
    "no length": (POST + b"\r\n{}", {400}),
    "length and chunks": (CHUNKED + b"Content-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n", {400}),
    "unknown coding": (POST + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", {400}),
    "two codings": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400}),
    "chunk of no size": (CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n", {400}),
    "chunk of negative size": (CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n", {400}),
    "chunk of 30 digits": (CHUNKED + b"\r\n" + b"f" * 30 + b"\r\n{}\r\n0\r\n\r\n", {400}),
    "chunk with a long name": (CHUNKED + b"\r\n2;" + b"a" * 200_000 + b"\r\n{}\r\n", {400}),
    "zipped body": (POST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", {415}),
    "odd expectation": (POST + b"Expect: tea\r\nContent-Length: 2\r\n\r\n{}", {422}),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (get(more=b"Host: evil.example\r\n"), {400}),
    "HTTP/0.9": (b"GET /\r\n\r\n", {400}),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n" + HEAD + b"\r\nSM\r\n\r\n", {404}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01" + b"\r\n" * 100, {400}),
    "space before the colon": (get(more=b"X : a\r\n"), {400}),
    "line break in a header": (get(more=b"X-Request-Id: a\rX-Evil: b\r\n"), {400}),
    "NUL in a header": (get(more=b"X-Request-Id: a\0b\r\n"), {400}),
    "bytes in an address": (get("/v1/édits".encode()), {400}),
    "bytes in a query": (get("/v1/edits?cursor=é".encode()), {400}),
    "another server's address": (get(b"http://evil.example/v1/edits"), {403}),
    "CONNECT": (get(b"evil.example:80", method=b"CONNECT"), {404}),
    "OPTIONS *": (get(b"*", method=b"OPTIONS"), {404}),
    "TRACE": (get(more=b"Cookie: a\r\n", method=b"TRACE"), {405}),
    "preflight": (get(more=b"Access-Control-Request-Method: POST\r\n", method=b"OPTIONS"), {405}),
    "a method made up": (get(method=b"BREW"), {405}),
    "a method of 60 kB": (get(method=b"B" * 60_000), {405}),
    "method override": (get(b"/v1/edits/x", b"X-HTTP-Method-Override: DELETE\r\n"), {404}),
    "path to elsewhere": (get(b"/web/../../../../etc/passwd"), {404}),
    "path to elsewhere, of an edit": (get(b"/v1/edits/../../etc/passwd"), {404}),
    "path without a slash": (get(b"etc/passwd"), {404}),
    "fragment": (get(b"/v1/edits#x"), {404}),
    "address of 1 MB": (get(b"/v1/edits?" + b"a" * 1_000_000), {400}),
    "address of 60 kB": (get(b"/v1/edits/" + b"a" * 60_000), {404}),
    "header of 1 MB": (get(more=b"X: " + b"a" * 1_000_000 + b"\r\n"), {400}),
    "100,000 headers": (get(more=b"X: a\r\n" * 100_000), {400}),
    "5,000 headers": (get(b"/v1/edits/x", b"X: a\r\n" * 5000), {404}),
    "upgrade": (get(b"/v1/edits/x", b"Connection: Upgrade\r\nUpgrade: h2c\r\n"), {404}),
    "ranges": (get(b"/web/docs.js", b"Range: bytes=" + b"0-1," * 5000 + b"\r\n"), {200, 416}),
    "range of 6000 digits": (
        get(b"/web/docs.js", b"Range: bytes=" + b"9" * 6000 + b"-\r\n"),
        {400, 416},
    ),
    "dates": (get(b"/web/docs.js", b"If-Modified-Since: Mon, 99 Foo 0 \xff\r\n"), {200}),
    "Accept": (get(b"/v1/edits/x/image", b"Accept: " + b"a/b;q=nan," * 5000 + b"\r\n"), {404}),
    "Prefer": (POST + b"Prefer: " + b"wait=9," * 5000 + b"\r\nContent-Length: 2\r\n\r\n{}", {422}),
    "If-None-Match": (get(b"/v1/edits/x", b"If-None-Match: " + b'"' * 9001 + b"\r\n"), {404}),
    "Last-Event-ID": (get(b"/v1/edits/x/events", b"Last-Event-ID: \xff\0-\r\n"), {400}),
    "Idempotency-Key": (POST + b"Idempotency-Key: \xff\r\nContent-Length: 2\r\n\r\n{}", {400}),
    "traceparent": (get(b"/v1/edits/x", b"traceparent: 00-zz-\xff\r\n"), {404}),
    "forwarded": (get(b"/v1/edits/x", b"X-Forwarded-For: " + b"1," * 9000 + b"\r\n"), {404}),
    "forwarded scheme": (get(b"/v1/edits/x", b"X-Forwarded-Proto: javascript\r\n"), {404}),
}


@pytest.fixture
def ask(service: Service) -> Ask:
    """Return a function that sends raw bytes and reads until the server closes."""

    def send(raw: bytes) -> bytes:
        address = ("127.0.0.1", service.http.base_url.port or 0)
        with socket.create_connection(address, timeout=10) as wire:
            answer = b""
            with suppress(ConnectionResetError, BrokenPipeError):  # refused before all was sent
                wire.sendall(raw)
                while part := wire.recv(65536):
                    answer += part
            return answer

    return send


@pytest.mark.parametrize("name", RAW)
def test_an_odd_request_is_refused_or_means_one_thing(
    service: Service, ask: Ask, tally: Tally, name: str
) -> None:
    raw, right = RAW[name]
    answer = ask(raw)
    found = re.match(rb"HTTP/1\.1 (?:100 Continue\r\n\r\nHTTP/1\.1 )?(\d+) ", answer)
    assert found, answer[:200]
    tally.count("malformed and oversized heads", int(found[1]))
    assert int(found[1]) in right, answer[:300]
    assert b"evil.example" not in answer.partition(b"\r\n\r\n")[0]
    assert b"root:" not in answer
    assert service.api.lives


def test_bytes_that_are_no_request_end_no_process(service: Service, tally: Tally) -> None:
    address = ("127.0.0.1", service.http.base_url.port or 0)
    for size in (1, 10, 1000, 100_000):
        for _ in range(5):
            with socket.create_connection(address, timeout=10) as wire, suppress(OSError):
                wire.sendall(os.urandom(size))
            tally.count("malformed and oversized heads", "refused")
    assert service.http.get("/healthz").status_code == 200
    assert not service.api.lines("unexpected error")


def test_nothing_of_a_head_is_logged_at_length(service: Service, ask: Ask) -> None:
    ask(get(b"/v1/edits/" + b"a" * 50_000, method=b"B" * 2000))
    lines = service.api.lines("request", method="B" * 500)
    assert lines
    assert all(len(json.dumps(line)) < 2000 for line in lines)


def test_methods_made_up_leave_nothing_behind(service: Service, ask: Ask) -> None:
    # Each label lives as long as the process, and a client needs no key to create one.
    for number in range(20):
        ask(get(method=b"BREW%d" % number))
    told = service.http.get("/metrics").text
    assert "BREW" not in told
    assert 'method="other"' in told


# --- Host headers, and requests from web pages


LISTED = [
    "127.0.0.1:8000",
    "127.9.9.9",
    "localhost",
    "LOCALHOST:1",
    "[::1]:8000",
    "api",
    "API:8000",
]
UNLISTED = [
    *(
        "evil.example",
        "127.0.0.1.evil.example:8000",
        "a.local",
        "intranet",
        "apis",
        "api.",
        "localhost.",
    ),
    *("192.168.1.5", "[fe80::1]", "169.254.169.254", "[::]", "localhost.evil.example"),
]
HOSTS = ["", "a b", "evil.example/x", "a@b", "a:99999999", "[::1", "[zz]", "a#b", "a\\b"]


@pytest.mark.parametrize("host", UNLISTED)
def test_without_keys_a_name_that_is_not_listed_is_not_answered(
    client: TestClient,
    make_key: MakeKey,
    tally: Tally,
    host: str,
) -> None:
    # DNS rebinding: a page's own name suddenly points to this machine.
    answer = client.get("/v1/edits", headers={"Host": host})
    tally.count("foreign web pages and hosts", answer.status_code)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    headers, _ = make_key()
    assert client.get("/v1/edits", headers={"Host": host, **headers}).status_code == 200


@pytest.mark.parametrize("host", LISTED)
def test_without_keys_the_names_of_loopback_and_configured_ones_are_answered(
    client: TestClient, host: str
) -> None:
    origin = {"Host": host, "Origin": f"http://{host}"}
    assert client.get("/v1/edits", headers=origin).status_code == 200


def test_without_keys_the_address_that_a_connection_came_to_is_answered(settings: Settings) -> None:
    # As in a container's network: nobody need configure the address that listens.
    def request(host: str, server: tuple[str, int]) -> Request:
        headers = [(b"host", host.encode())]
        scope = {
            "type": "http",
            "headers": headers,
            "server": server,
            "path": "/",
            "query_string": b"",
        }
        return Request({**scope, "scheme": "http", "method": "GET"})

    check_origin(request("192.168.1.5:8000", ("192.168.1.5", 8000)), settings)
    check_origin(request("[fd00::5]", ("fd00:0::5", 8000)), settings)
    with pytest.raises(Forbidden):
        check_origin(request("192.168.1.6", ("192.168.1.5", 8000)), settings)


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1", "http://testserver.evil.example", "["],
)
def test_without_keys_no_foreign_page_is_answered(
    client: TestClient,
    make_key: MakeKey,
    make_image: MakeImage,
    tally: Tally,
    origin: str,
) -> None:
    # A form needs no preflight: a browser sends it from any page.
    form = {"data": {"prompt": "x"}, "files": {"image": make_image()}}
    answer = client.post("/v1/edits", headers={"Origin": origin}, **form)
    tally.count("foreign web pages and hosts", answer.status_code)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert client.get("/v1/edits").json()["data"] == []
    headers, _ = make_key()
    answer = client.post("/v1/edits", headers={"Origin": origin, **headers}, **form)
    assert answer.status_code == 202


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_none_is_in_no_address(
    client: TestClient, make_image: MakeImage, tally: Tally, host: str
) -> None:
    form = {"data": {"prompt": "x"}, "files": {"image": make_image()}}
    answer = client.post("/v1/edits", headers={"Host": host}, **form)
    tally.count("foreign web pages and hosts", answer.status_code)
    assert answer.status_code == 202
    assert answer.json()["urls"]["self"].startswith("http://testserver/v1/edits/edit_")


def test_the_public_address_wins_over_what_a_request_says(
    settings: Settings,
    store: EditStore,
    model: Model,
    make_image: MakeImage,
) -> None:
    store.announce("worker-1", model)
    public = settings.model_copy(update={"public_url": "https://photos.example/baret"})
    odd = {"Host": "api", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    with TestClient(create_app(public)) as client:
        form = {"data": {"prompt": "x"}, "files": {"image": make_image()}}
        answer = client.post("/v1/edits", headers=odd, **form)
        page = {"Host": "photos.example", "Origin": "https://photos.example"}
        assert client.get("/v1/edits", headers=page).status_code == 200
    edit = answer.json()
    assert answer.headers["location"] == edit["urls"]["self"]
    assert edit["urls"]["self"] == f"https://photos.example/baret/v1/edits/{edit['id']}"
    submission = store.get(edit["id"]).submission
    assert submission.base_url == "https://photos.example/baret"


def test_what_a_caller_writes_is_in_no_header(
    client: TestClient, make_image: MakeImage, tally: Tally
) -> None:
    evil = "a\r\nX-Evil: 1\r\n\r\n<script>"
    data = {"prompt": evil, "metadata": json.dumps({evil: evil}), "model": "zoo"}
    headers = {"Prefer": "wait=0; X-Evil", "Idempotency-Key": "a X-Evil: 1"}
    answer = client.post(
        "/v1/edits", data=data, files={"image": (evil, make_image())}, headers=headers
    )
    tally.count("header injection", answer.status_code)
    assert answer.status_code == 202
    assert answer.json()["metadata"] == {evil: evil}
    for one in (answer, client.get(f"/v1/edits?cursor={quote(evil)}")):
        tally.count("header injection", one.status_code)
        assert "evil" not in str(one.headers).lower()
