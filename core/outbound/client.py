"""An HTTP client for URLs from callers. It checks each address when it connects."""

import asyncio
import ssl
from collections.abc import Iterable
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx
from anyio import CancelScope

from core.errors import AddressNotAllowed
from core.outbound.ip_policy import Address, IpPolicy, is_allowed
from core.outbound.resolver import ThreadedResolver

MAX_HEAD_BYTES = 128 * 1024  # received from a request to the end of the response's headers
MAX_ADDRESSES = 8  # tried per name
ATTEMPT_SECONDS = 2.0  # per address, except for the last one
MAX_CONNECTIONS = 100
MAX_LOOKUPS = 256  # threads: enough if every connection waits for a name server that hangs


class LimitedStream(httpcore.AsyncNetworkStream):
    """A network stream that limits the bytes received per request."""

    def __init__(self, stream: httpcore.AsyncNetworkStream):
        self._stream = stream
        self._left = MAX_HEAD_BYTES
        self._has_answer = False  # any bytes of one, since the request

    def allow(self, max_bytes: int) -> None:
        """Set how many more bytes may be received. The head has been read already."""
        self._left = max_bytes

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read as the library does.

        Raises:
            httpcore.ReadError: the server closed the connection without an answer.
            httpcore.RemoteProtocolError: it sends more than allowed.
        """
        data = await self._stream.read(max_bytes, timeout)
        self._has_answer |= bool(data)
        if not self._has_answer:
            # The library would call this a breach of the protocol, as it does answers that are.
            raise httpcore.ReadError("The server closed the connection without an answer.")
        self._left -= len(data)
        if self._left < 0:
            raise httpcore.RemoteProtocolError("The server sends more than allowed.")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write as the library does. A request restarts the count."""
        self._left, self._has_answer = MAX_HEAD_BYTES, False
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Start TLS as the library does. If canceled, leave nothing open."""
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            with CancelScope(shield=True):
                await self._stream.aclose()
            raise
        return LimitedStream(stream)

    def get_extra_info(self, info: str) -> object:
        """Return the library's information."""
        return self._stream.get_extra_info(info)


class _Connector(httpcore.AsyncNetworkBackend):
    """Resolves a name once, checks the addresses, and connects to an allowed one only."""

    def __init__(self, policy: IpPolicy, resolver: ThreadedResolver):
        self._policy, self._resolver = policy, resolver
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to an allowed address of a name.

        Raises:
            AddressNotAllowed: none of its addresses is allowed.
            httpcore.ConnectError, httpcore.ConnectTimeout: none could be reached.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._resolver.resolve(host)
                allowed = [one for one in addresses if is_allowed(one, self._policy)]
                if not allowed:
                    raise AddressNotAllowed("The URL leads to an address that is not public.")
                return LimitedStream(await self._connect_first(allowed[:MAX_ADDRESSES], port))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("The host does not answer.") from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    async def _connect_first(
        self, addresses: list[Address], port: int
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that answers. Being numeric, none is resolved again."""
        for address in addresses[:-1]:
            try:
                return await self._backend.connect_tcp(str(address), port, timeout=ATTEMPT_SECONDS)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._backend.connect_tcp(str(addresses[-1]), port)

    async def sleep(self, seconds: float) -> None:
        """Sleep as the library does."""
        await asyncio.sleep(seconds)


@cache
def _trusted_roots() -> ssl.SSLContext:
    """Return what all clients verify certificates with. Reading the roots takes 40 ms of CPU."""
    return httpx.create_ssl_context(trust_env=False)


class _Transport(httpx.AsyncHTTPTransport):
    """The library's transport, connecting through `_Connector`."""

    def __init__(self, connector: _Connector, *, keep_alive: bool):
        # The base's __init__ is not called: its pool would connect to anything. If a later httpx
        # renames the pool, requests fail instead of going out unchecked.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_trusted_roots(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=20 if keep_alive else 0,
            keepalive_expiry=5,
            network_backend=connector,
        )


def safe_client(
    policy: IpPolicy,
    *,
    timeout: float,
    keep_alive: bool = True,
    max_lookups: int = MAX_LOOKUPS,
) -> httpx.AsyncClient:
    """Create a client that connects to allowed addresses only and follows no redirects.

    It keeps no cookies, ignores proxies in the environment and requests unencoded responses. Its
    requests raise AddressNotAllowed if a URL leads to an address that is not allowed.

    Args:
        policy: which addresses are allowed.
        timeout: seconds for each phase of a request.
        keep_alive: whether a connection may serve a second request.
        max_lookups: names resolved at once.
    """
    return httpx.AsyncClient(
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
        headers={"accept-encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        transport=_Transport(
            _Connector(policy, ThreadedResolver(max_lookups)), keep_alive=keep_alive
        ),
    )
