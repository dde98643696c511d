import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address, ip_network

import pytest

from core.errors import AddressNotAllowed, FetchFailed
from core.outbound.fetcher import Fetcher
from core.outbound.ip_policy import IpPolicy, check_url, is_allowed

LOOPBACK = IpPolicy(allow=(ip_network("127.0.0.0/8"),))


async def fetch(url: str, policy: IpPolicy, *, max_bytes: int) -> bytes:
    return await Fetcher(policy).fetch(url, max_bytes=max_bytes)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fc00::1]/",
        "http://[fec0::1]/",
        "http://localhost/",
        "http://LOCALHOST:6379/",
        "http://a.localhost/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
    ],
)
def test_an_address_inside_is_refused_however_it_is_spelled(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        check_url(url, IpPolicy())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "file:///etc/passwd",
        "gopher://example.com",
        "//example.com/x",
        "example.com/x.png",
        "http://",
        "http://user@example.com/",
        "http://user:secret@example.com/",
        "http://example.com:port/",
        "http://[::1/",
        "",
    ],
)
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(AddressNotAllowed):
        check_url(url, IpPolicy())


@pytest.mark.parametrize(
    "url",
    ["https://example.com/a.png", "http://8.8.8.8:8080/x?y=z", "http://[2606:4700::1111]/"],
)
def test_a_public_address_is_allowed(url: str) -> None:
    check_url(url, IpPolicy())


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("127.0.0.1", "127.0.0.0/8"),
        ("::ffff:127.0.0.1", "127.0.0.0/8"),
        ("::1", "::1/128"),
        ("10.9.8.7", "10.0.0.0/8"),
        ("fd00::5", "fd00::/8"),
    ],
)
def test_a_network_opened_by_name_is_allowed(address: str, network: str) -> None:
    assert not is_allowed(ip_address(address), IpPolicy())
    policy = IpPolicy(allow=(ip_network(network),))
    assert is_allowed(ip_address(address), policy)
    assert not is_allowed(ip_address("192.168.1.1"), policy)


@pytest.fixture
def server() -> Iterator[str]:
    """A server in the private network."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/ok")
                self.end_headers()
                return
            self.send_response(200 if self.path == "/ok" else 404)
            self.end_headers()
            self.wfile.write(b"x" * 1000)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_a_fetch_delivers_the_bytes(server: str) -> None:
    assert asyncio.run(fetch(f"http://{server}/ok", LOOPBACK, max_bytes=1000)) == b"x" * 1000


@pytest.mark.parametrize(("path", "max_bytes"), [("/gone", 1000), ("/moved", 1000), ("/ok", 999)])
def test_a_fetch_fails_on_other_answers_redirects_and_too_much(
    server: str, path: str, max_bytes: int
) -> None:
    with pytest.raises(FetchFailed):
        asyncio.run(fetch(f"http://{server}{path}", LOOPBACK, max_bytes=max_bytes))


def test_a_fetch_of_nothing_that_listens_fails() -> None:
    with pytest.raises(FetchFailed):
        asyncio.run(fetch("http://127.0.0.1:1/", LOOPBACK, max_bytes=10))


def test_a_name_is_judged_by_the_address_really_used(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The system's resolver is replaced: a public-looking name leads to a private address.
    import socket

    port = int(server.rpartition(":")[2])
    private = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: private)
    url = f"http://photos.example:{port}/ok"
    check_url(url, IpPolicy())
    with pytest.raises(AddressNotAllowed):
        asyncio.run(fetch(url, IpPolicy(), max_bytes=1000))


def test_a_fetch_of_a_name_that_is_no_idna_fails() -> None:
    with pytest.raises(FetchFailed):
        asyncio.run(fetch("http://xn--a.example/x.png", (), max_bytes=10))
