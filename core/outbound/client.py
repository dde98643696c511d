"""An HTTP client for addresses that callers name: public ones only, judged when connecting."""

import asyncio
import ssl
from collections.abc import Iterable, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx
from anyio import CancelScope

from core.errors import AddressNotAllowed
from core.outbound.ip_policy import Address, is_allowed
from core.outbound.resolver import Lookups
from core.settings import Network

MAX_BEFORE_ANSWER = 128 * 1024  # bytes from a request to the end of its answer's head
MAX_ADDRESSES = 8  # tried of one name
STEP_SECONDS = 2.0  # for an address that has others after it
CONNECTIONS = 100
LOOKUPS = 256  # threads; as many as hang where every connection waits for a name without a server


class Connection(httpcore.AsyncNetworkStream):
    """A connection that delivers a bounded number of bytes for each request."""

    def __init__(self, stream: httpcore.AsyncNetworkStream):
        self._stream = stream
        self._left = MAX_BEFORE_ANSWER

    def allow(self, most: int) -> None:
        """Let as many bytes come: what is left of a head is read already."""
        self._left = most

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As the library has it.

        Raises:
            httpcore.ReadError: the other side sends without end.
        """
        data = await self._stream.read(max_bytes, timeout)
        self._left -= len(data)
        if self._left < 0:
            raise httpcore.ReadError("The other side sends more than was asked for.")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As the library has it; a request begins a new count."""
        self._left = MAX_BEFORE_ANSWER
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """As the library has it."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """As the library has it; nothing stays open where it is called off."""
        try:
            stream = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            with CancelScope(shield=True):
                await self._stream.aclose()
            raise
        return Connection(stream)

    def get_extra_info(self, info: str) -> object:
        """As the library has it."""
        return self._stream.get_extra_info(info)


class _Connector(httpcore.AsyncNetworkBackend):
    """Looks a name up once, judges what it leads to, and connects to nothing else."""

    def __init__(self, networks: Sequence[Network], lookups: Lookups):
        self._networks, self._lookups = networks, lookups
        self._plain = httpcore.AnyIOBackend()

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
            AddressNotAllowed: it has none.
            httpcore.ConnectError, httpcore.ConnectTimeout: none of them could be reached.
        """
        try:
            async with asyncio.timeout(timeout):
                found = await self._lookups(host)
                allowed = [one for one in found if is_allowed(one, self._networks)]
                if not allowed:
                    raise AddressNotAllowed("The URL leads to an address that is not public.")
                return Connection(await self._first(allowed[:MAX_ADDRESSES], port))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("The name or its address does not answer.") from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    async def _first(self, addresses: list[Address], port: int) -> httpcore.AsyncNetworkStream:
        """A connection to the first that answers. They are numbers: nothing is looked up again."""
        for address in addresses[:-1]:
            try:
                return await self._plain.connect_tcp(str(address), port, timeout=STEP_SECONDS)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._plain.connect_tcp(str(addresses[-1]), port)

    async def sleep(self, seconds: float) -> None:
        """As the library has it."""
        await asyncio.sleep(seconds)


class _Transport(httpx.AsyncHTTPTransport):
    """The library's, but with our connector beneath it."""

    def __init__(self, connector: _Connector, *, keep_alive: bool):
        # Not the base's own, whose pool would connect to anything: should a later httpx keep its
        # pool under another name, no request goes out at all.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(trust_env=False),
            max_connections=CONNECTIONS,
            max_keepalive_connections=20 if keep_alive else 0,
            keepalive_expiry=5,
            network_backend=connector,
        )


def safe_client(
    networks: Sequence[Network],
    *,
    timeout: float,
    keep_alive: bool = True,
    lookups: int = LOOKUPS,
) -> httpx.AsyncClient:
    """A client that connects to allowed addresses only and follows no redirects.

    It keeps no cookies, takes no proxy from the environment and asks for answers as they are.

    Args:
        networks: opened although not public.
        timeout: seconds for each phase of a request.
        keep_alive: whether a connection may serve a second request.
        lookups: most names that are looked up at once.

    Its requests raise AddressNotAllowed where a URL leads inside.
    """
    return httpx.AsyncClient(
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
        headers={"accept-encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        transport=_Transport(_Connector(networks, Lookups(lookups)), keep_alive=keep_alive),
    )
