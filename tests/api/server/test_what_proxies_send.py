"""What proxies and plain clients send: request targets, forwarded schemes, HEAD, half-closed ends.

Reports are of other services and libraries, by GitHub repository and number.
"""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from httpx import Response

from api.server.limits import ConnectionLimits
from core.settings import Settings
from tests.support.api_app import serving, settings_of
from tests.support.waiting import PATIENCE

LIMITS = ConnectionLimits(head_seconds=1, idle_seconds=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def running(redis_server: str, folder: Path) -> Iterator[str]:
    """Yield the address of one server for all tests; each begins with an empty database."""
    with serving(settings_of(redis_server, folder), connection_limits=LIMITS) as address:
        yield address


@pytest.fixture
def settings(redis_url: str, folder: Path) -> Settings:
    return settings_of(redis_url, folder)


@pytest.fixture
def base(running: str, client: TestClient) -> str:
    return running


@pytest.fixture
def ask(base: str) -> Callable[..., bytes]:
    """Return a function that sends raw bytes, and reads until the server closes."""
    url = httpx.URL(base)

    def send(raw: bytes, *, half_close: bool = False, wait: float = 10) -> bytes:
        with socket.create_connection((url.host, url.port or 0), timeout=wait) as wire:
            wire.sendall(raw)
            if half_close:
                wire.shutdown(socket.SHUT_WR)
            answer = b""
            while part := wire.recv(65536):
                answer += part
            return answer

    return send


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d+)", answer)
    return int(found[1]) if found else 0


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


# --- request targets (Kludex/uvicorn#3097, honojs/node-server#228)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/healthz", 200),
        ("http://127.0.0.1/healthz", 200),
        ("http://127.0.0.1:8000/healthz?x=1", 200),
        ("HTTP://127.0.0.1/healthz", 200),
        ("https://127.0.0.1/healthz", 200),
        ("http://127.0.0.1", 200),
        ("http://127.0.0.1/", 200),
        ("http://127.0.0.1?x=1", 200),
        ("http://127.0.0.1/v1/edits?limit=1", 200),
        ("http://[::1]:80/v1/edits", 200),
        ("http://127.0.0.1/nothing", 404),
        ("http://evil.example/v1/edits", 403),  # its host decides, as a Host header would
        ("ftp://127.0.0.1/healthz", 404),
        ("httpx://127.0.0.1/healthz", 404),
    ],
)
def test_a_request_target_may_be_absolute(
    ask: Callable[..., bytes], target: str, status: int
) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = ask(head.encode())
    assert status_of(answer) == status, answer[:300]


def test_the_host_of_an_absolute_target_is_that_of_the_answers_addresses(
    ask: Callable[..., bytes], post: Callable[..., Response]
) -> None:
    edit = post().json()["id"]
    target = f"http://api:81/v1/edits/{edit}"
    answer = ask(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert json.loads(body_of(answer))["urls"]["self"] == target


# --- forwarded schemes (Kludex/uvicorn#2104)


@pytest.mark.parametrize(
    ("lines", "scheme"),
    [
        (["https"], "https"),
        (["http"], "http"),
        (["https, http"], "https"),
        (["https,http"], "https"),
        (["http, https"], "http"),
        (["https, https, http"], "https"),
        (["https", "http"], "https"),
        (["HTTPS"], "https"),
        ([""], "http"),
        ([", http"], "http"),
        (["gopher"], "http"),
    ],
)
def test_the_scheme_is_the_first_hops(
    base: str, post: Callable[..., Response], lines: list[str], scheme: str
) -> None:
    edit = post().json()["id"]
    headers = [("X-Forwarded-Proto", line) for line in lines]
    with httpx.Client(trust_env=False, timeout=PATIENCE) as http:
        answer = http.get(f"{base}/v1/edits/{edit}", headers=headers)
    assert answer.json()["urls"]["self"].startswith(f"{scheme}://")


# --- HEAD (fastapi/fastapi#1773)


PLACES = [
    *("/", "/docs", "/openapi.json", "/web/style.css", "/docs/problems/not_found"),
    *("/healthz", "/readyz", "/metrics", "/v1/models", "/v1/webhooks/secret", "/v1/edits"),
    *("/v1/edits/{id}", "/v1/edits/{id}/events", "/v1/edits/{id}/image"),
    *("/v1/edits/{id}/deliveries", "{image}"),
]


@pytest.mark.parametrize("place", PLACES)
def test_head_answers_as_get_without_a_body(
    base: str, post: Callable[..., Response], finish: Callable[..., object], place: str
) -> None:
    edit_id = post().json()["id"]
    finish()
    with httpx.Client(base_url=base, trust_env=False, timeout=PATIENCE) as http:
        image = http.get(f"/v1/edits/{edit_id}").json()["outputs"][0]["url"]
        path = place.format(id=edit_id, image=image)
        got, head = http.get(path), http.head(path)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("content-type", "content-length", "etag", "cache-control", "location"):
            # The metrics are longer by then.
            if place != "/metrics" or name != "content-length":
                assert head.headers.get(name) == got.headers.get(name), name
        assert http.get("/healthz").status_code == 200  # on the same connection


def test_head_of_events_does_not_wait_for_them(base: str, post: Callable[..., Response]) -> None:
    edit_id = post().json()["id"]  # queued: nothing more happens to it
    started = time.monotonic()
    answer = httpx.head(f"{base}/v1/edits/{edit_id}/events", trust_env=False)
    assert answer.status_code == 200
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/nothing", 404), ("/v1/edits/x", 404), ("/v1/edits?limit=0", 422)],
)
def test_head_of_what_get_refuses_is_refused(base: str, path: str, status: int) -> None:
    answer = httpx.head(base + path, trust_env=False, timeout=PATIENCE)
    assert (answer.status_code, answer.content) == (status, b"")


def test_head_of_what_has_no_get_is_not_allowed(client: TestClient) -> None:
    answer = client.head("/v1/edits/x/cancel")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# --- clients that close their side (Kludex/uvicorn#1264)


def form(image: bytes) -> bytes:
    body = (
        b'--XX\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na cat\r\n'
        b'--XX\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        + image
        + b"\r\n--XX--\r\n"
    )
    head = (
        "POST /v1/edits HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + b"\r\n" + body


GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    ("more", "statuses"),
    [
        ([GET + b"\r\n"], [200]),
        ([GET + b"Connection: close\r\n\r\n"], [200]),
        ([b"GET /healthz HTTP/1.0\r\n\r\n"], [200]),
        ([b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"], [200]),
        ([GET + b"\r\n"] * 3, [200, 200, 200]),
        ([GET + b"\r\n", b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n"], [200, 404]),
    ],
)
def test_a_client_that_closes_its_side_is_answered(
    ask: Callable[..., bytes], more: list[bytes], statuses: list[int]
) -> None:
    answer = ask(b"".join(more), half_close=True)
    assert [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+)", answer)] == statuses


def test_a_post_whose_client_closes_its_side_is_answered(
    ask: Callable[..., bytes], make_image: Callable[..., bytes]
) -> None:
    answer = ask(form(make_image()), half_close=True)
    assert status_of(answer) == 202, answer[:300]
    assert json.loads(body_of(answer))["status"] == "queued"


def test_a_waiting_client_that_closed_its_side_is_answered(
    ask: Callable[..., bytes], post: Callable[..., Response]
) -> None:
    edit_id = post().json()["id"]
    wait = f"GET /v1/edits/{edit_id}?wait=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert status_of(ask(wait.encode(), half_close=True)) == 200


def test_half_a_request_before_a_closed_side_is_dropped(
    ask: Callable[..., bytes], make_image: Callable[..., bytes]
) -> None:
    assert ask(form(make_image())[:-20], half_close=True) == b""
    assert ask(GET, half_close=True) == b""


# --- heads that clients and proxies add to a POST


def chunked(body: bytes) -> bytes:
    pieces = [body[at : at + 100] for at in range(0, len(body), 100)]
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"


POSTS: dict[str, tuple[str, str]] = {
    "curl waits for leave to send": ("1.1", "Expect: 100-continue"),
    "in capitals": ("1.1", "EXPECT: 100-Continue"),
    # java.net.http.HttpClient asks every server for HTTP/2 so.
    "Java asks for HTTP/2": (
        "1.1",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA",
    ),
    "nginx speaks HTTP/1.0 unless told otherwise": ("1.0", "Connection: close"),
    "HTTP/1.0 that would go on": ("1.0", "Connection: keep-alive"),
    "Cloudflare": ("1.1", 'CF-Visitor: {"scheme":"https"}\r\nCDN-Loop: cloudflare\r\nCF-Ray: 1-A'),
    "ALB": ("1.1", "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678"),
    "an empty header": ("1.1", "X-Empty:"),
    "lengths twice alike": ("1.1", "Content-Length: {length}"),  # RFC 9112, 6.3
    "node streams it": ("1.1", "Transfer-Encoding: chunked"),
    "chunks in capitals": ("1.1", "Transfer-Encoding: Chunked"),
}


@pytest.mark.parametrize("name", POSTS)
def test_a_post_is_taken_whatever_is_added_on_the_way(
    ask: Callable[..., bytes], make_image: Callable[..., bytes], name: str
) -> None:
    version, more = POSTS[name]
    head, _, body = form(make_image()).partition(b"\r\n\r\n")
    head = head.replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    if "chunked" in more.lower():
        head, body = head.partition(b"\r\nContent-Length")[0], chunked(body)
    lines = more.format(length=len(body)) if "{length}" in more else more
    close = "" if "Connection" in more else "\r\nConnection: close"
    answer = ask(head + f"\r\n{lines}{close}\r\n\r\n".encode() + body, half_close=True)
    _, _, rest = answer.rpartition(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert status_of(rest) == 202, answer[:300]


def test_events_are_streamed_to_a_proxy_of_http_1_0(
    ask: Callable[..., bytes], post: Callable[..., Response], finish: Callable[..., object]
) -> None:
    edit_id = post().json()["id"]
    finish()
    answer = ask(f"GET /v1/edits/{edit_id}/events HTTP/1.0\r\nHost: api\r\n\r\n".encode())
    assert status_of(answer) == 200
    assert b"event: done" in answer
    assert b"transfer-encoding" not in answer.lower()


# --- idle connections (sent a request just as the server closes them, proxies answer 502)


def test_idle_connections_are_kept_longer_than_proxies_keep_them() -> None:
    # nginx's keepalive_timeout, ALB's idle timeout and HAProxy's http-keep-alive: 60 s or less.
    assert ConnectionLimits().idle_seconds == 75


def one_answer(wire: socket.socket) -> bytes:
    """Return the next answer of a connection that stays open."""
    answer = b""
    while not (found := re.search(rb"content-length: (\d+)\r\n(?s:.*?)\r\n\r\n", answer)):
        answer += wire.recv(65536)
    while len(body_of(answer)) < int(found[1]):
        answer += wire.recv(65536)
    return answer


@pytest.mark.parametrize("path", ["/healthz", "/v1/edits"])
def test_a_connection_outlives_a_pause_longer_than_a_head_may_take(base: str, path: str) -> None:
    url = httpx.URL(base)
    with socket.create_connection((url.host, url.port or 0), timeout=10) as wire:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        for pause in (LIMITS.head_seconds * 2, 0):
            wire.sendall(request)
            assert status_of(one_answer(wire)) == 200
            time.sleep(pause)
        started = time.monotonic()
        assert wire.recv(1) == b""  # closed in the end
        assert time.monotonic() - started > LIMITS.idle_seconds - 2


def test_half_a_head_that_came_with_a_request_is_not_kept_as_idle(
    ask: Callable[..., bytes],
) -> None:
    started = time.monotonic()
    answer = ask(GET + b"\r\n" + GET)  # the second lacks its end
    assert status_of(answer) == 200
    assert time.monotonic() - started < LIMITS.idle_seconds


def test_a_connection_outlives_a_body_that_nobody_wanted(base: str) -> None:
    url = httpx.URL(base)
    with socket.create_connection((url.host, url.port or 0), timeout=10) as wire:
        body = b"x" * 200_000
        wire.sendall(b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + body)
        assert status_of(one_answer(wire)) == 405
        time.sleep(LIMITS.head_seconds * 2)
        wire.sendall(GET + b"\r\n")
        assert status_of(one_answer(wire)) == 200
