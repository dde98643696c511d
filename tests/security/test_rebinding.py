"""Names and answers that lead elsewhere the second time: we never connect to anything inside."""

import asyncio
import ssl
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from core.errors import AddressNotAllowed, FetchError, FetchFailed
from core.outbound.client import safe_client
from core.outbound.fetcher import Fetcher
from core.outbound.ip_policy import IpPolicy
from core.schema import Submission
from core.store.batches import Batches
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries
from core.webhooks.schema import DeliveryError
from core.webhooks.secrets import HookSecrets
from housekeeper.sender import WebhookSender
from tests.security.hostile import NAME, Listener, Resolver, answering, listening
from tests.security.tally import Tally
from tests.support.certificates import make_certificate

# 127.0.0.2 plays the public address and is allowed; 127.0.0.1 plays the inside.
PUBLIC, INSIDE = "127.0.0.2", "127.0.0.1"
OPEN = IpPolicy(allow=(ip_network(f"{PUBLIC}/32"),))

BINDINGS = {
    "inside": [[INSIDE]],
    "public, then inside": [[PUBLIC], [INSIDE]],
    "inside, then public": [[INSIDE], [PUBLIC]],
    "both": [[INSIDE, PUBLIC]],
    "both, public first": [[PUBLIC, INSIDE]],
    "public in A, inside in AAAA": [["::1", PUBLIC]],
    "inside in a mapped AAAA": [["::ffff:127.0.0.1", PUBLIC]],
    "the metadata of a cloud": [["169.254.169.254"]],
    "any address": [["0.0.0.0"], ["::"]],  # noqa: S104
    "a zone": [["fe80::1%lo"]],
    "a hundred inside": [[f"127.0.0.{n}" for n in range(3, 103)]],
    "turns": [[PUBLIC], [INSIDE], ["::1"], [INSIDE, PUBLIC]],
}


@pytest.fixture
def inside() -> Iterator[Listener]:
    """Listen inside: nothing may connect, neither for a picture nor to probe the port."""
    with listening(answering(b"secret"), host=INSIDE) as listener:
        yield listener


@pytest.fixture
def public(inside: Listener) -> Iterator[Listener]:
    """Listen outside, on the same port."""
    with listening(answering(b"picture"), host=PUBLIC, port=inside.port) as listener:
        yield listener


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Resolver]:
    def use(binding: str) -> Resolver:
        resolver = Resolver(BINDINGS[binding])
        monkeypatch.setattr("socket.getaddrinfo", resolver)
        return resolver

    return use


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_name_that_changes_never_gets_a_fetch_inside(
    binding: str,
    inside: Listener,
    public: Listener,
    resolve: Callable[[str], Resolver],
    tally: Tally,
) -> None:
    resolver = resolve(binding)

    async def often() -> None:
        fetcher = Fetcher(OPEN, seconds=2)
        for _ in range(8):
            try:
                got = await fetcher.fetch(f"http://{NAME}:{inside.port}/a.png", max_bytes=100)
            except AddressNotAllowed:
                tally.count("names that change, picture (served: from outside)", "refused")
            else:
                tally.count("names that change, picture (served: from outside)", "served")
                assert got == b"picture"
        await fetcher.close()

    asyncio.run(often())
    assert inside.connections == []
    assert resolver.calls == 8  # one per fetch: the address judged is the one connected to


@pytest.fixture
def deliver(
    store: EditStore,
    deliveries: Deliveries,
    batches: Batches,
    hook_secrets: HookSecrets,
    submission: Callable[..., Submission],
) -> Callable[[str, int], list[object]]:
    """Return a function that makes attempts at a webhook to a URL and returns their results."""

    def make(url: str, times: int) -> list[object]:
        hook_secrets.current("local")
        edit = submission(webhook_url=url)
        store.submit(edit, limit=10)
        store.cancel(edit.id, caller="local")
        due = deliveries.take()
        assert due is not None

        async def attempts() -> list[object]:
            async with safe_client(OPEN, timeout=2) as client:
                sender = WebhookSender(store, batches, hook_secrets, client, OPEN, timeout=2)
                outcomes = [await sender.send(due) for _ in range(times)]
            return [one.attempt.error or one.attempt.status for one in outcomes]

        return asyncio.run(attempts())

    return make


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_name_that_changes_never_gets_a_webhook_inside(
    binding: str,
    inside: Listener,
    public: Listener,
    resolve: Callable[[str], Resolver],
    deliver: Callable[[str, int], list[object]],
    tally: Tally,
) -> None:
    resolve(binding)
    for told in deliver(f"http://{NAME}:{inside.port}/hook", 6):
        assert told in (200, DeliveryError.URL_NOT_ALLOWED)
        tally.count(
            "names that change, webhook (served: from outside)",
            "served" if told == 200 else "refused",
        )
    assert inside.connections == []


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 305, 306, 307, 308])
def test_no_redirect_is_followed_inside(
    status: int,
    inside: Listener,
    deliver: Callable[[str, int], list[object]],
    tally: Tally,
) -> None:
    head = f"HTTP/1.1 {status} Over There\r\nLocation: {inside.url}\r\nRefresh: 0; url={inside.url}"
    with listening(answering(b"", head), host=PUBLIC) as moved:
        with pytest.raises(FetchFailed):
            asyncio.run(Fetcher(OPEN, seconds=2).fetch(moved.url, max_bytes=100))
        assert deliver(moved.url, 1) == [status]
    tally.count("redirects to the inside", "refused", 2)
    assert inside.connections == []


def test_a_page_that_refreshes_is_a_picture_that_is_none(inside: Listener) -> None:
    page = f'<meta http-equiv="refresh" content="0; url={inside.url}">'.encode()
    with listening(answering(page), host=PUBLIC) as moved:
        assert asyncio.run(Fetcher(OPEN).fetch(moved.url, max_bytes=1000)) == page
    assert inside.connections == []


def test_a_proxy_of_the_environment_is_not_used(
    inside: Listener, public: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, inside.url)
    assert asyncio.run(Fetcher(OPEN).fetch(public.url, max_bytes=100)) == b"picture"
    assert inside.connections == []


def test_open_and_closed_ports_inside_are_answered_alike(
    inside: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getaddrinfo", Resolver([[INSIDE]]))

    async def told(port: int) -> str:
        with pytest.raises(FetchError) as refusal:
            await Fetcher(IpPolicy()).fetch(f"http://{NAME}:{port}/", max_bytes=100)
        return f"{refusal.type.__name__}: {refusal.value}"

    assert asyncio.run(told(inside.port)) == asyncio.run(told(1))


def test_a_receivers_cookies_are_not_kept() -> None:
    async def crumbs() -> int:
        head = "HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Max-Age=999999"
        with listening(answering(b"", head), host=PUBLIC) as receiver:
            async with safe_client(OPEN, timeout=2) as client:
                await client.post(receiver.url)
                return len(client.cookies)

    assert asyncio.run(crumbs()) == 0


def test_a_server_is_asked_for_by_its_name_and_must_have_a_certificate_that_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    named: list[object] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    context.sni_callback = lambda _socket, name, _context: named.append(name)

    async def scene() -> None:
        server = await asyncio.start_server(lambda *_: None, PUBLIC, 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(FetchFailed):
            await Fetcher(OPEN).fetch(f"https://{NAME}:{port}/a.png", max_bytes=100)
        server.close()

    monkeypatch.setattr("socket.getaddrinfo", Resolver([[PUBLIC]]))
    asyncio.run(scene())
    tally.count("certificates that nobody vouches for", "refused")
    assert named == [NAME]
