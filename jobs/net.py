"""An HTTP client for addresses that callers name: public ones only, judged when connecting."""

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

import httpx
from httpx_secure import SSRFProtectionError, httpx_ssrf_protection

from jobs.errors import AddressNotAllowed, FetchFailed
from jobs.settings import Network

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")

FETCH_SECONDS = 30  # for a whole picture, however slowly its bytes drip


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is public, or lies in a network that was opened by name."""
    reached = _reached(address)
    if any(face in network for face in (address, reached) for network in networks):
        return True
    site_local = isinstance(reached, IPv6Address) and reached.is_site_local
    return reached.is_global and not reached.is_multicast and not site_local


def _reached(address: Address) -> Address:
    """The IPv4 address that an IPv6 one carries inside, where gateways may unpack it."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


def check_url(url: str, networks: Sequence[Network]) -> None:
    """Refuse what can be judged without connecting: scheme, credentials, literal addresses.

    Names are judged when connecting, on the address really used (`safe_client`).

    Raises:
        AddressNotAllowed: the URL can never be allowed.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise AddressNotAllowed("The URL cannot be read.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise AddressNotAllowed("Give an absolute http:// or https:// URL.")
    if parts.username is not None or parts.password is not None:
        raise AddressNotAllowed("Credentials in the URL are not accepted.")
    literal = _literal(host)
    if literal is not None and not is_allowed(literal, networks):
        raise AddressNotAllowed(
            "The URL leads to an address that is not public. "
            "BARET_ALLOW_NETWORKS opens networks of one's own."
        )


def _literal(host: str) -> Address | None:
    """The address that a host spells out in any way that resolvers accept, else None."""
    if host == "localhost" or host.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433
    except (OSError, ValueError):
        return None


def safe_client(networks: Sequence[Network], *, timeout: float) -> httpx.AsyncClient:
    """A client that connects to allowed addresses only and follows no redirects.

    Args:
        networks: opened although not public.
        timeout: seconds for each phase of a request.
    """
    client = httpx.AsyncClient(timeout=timeout, follow_redirects=False, trust_env=False)
    return httpx_ssrf_protection(
        client,
        check_globally_reachable=False,  # ours below judges, since networks can be opened
        custom_validator=lambda _host, address, _port: is_allowed(address, networks),
    )


async def fetch(url: str, networks: Sequence[Network], *, max_bytes: int) -> bytes:
    """The bytes behind a URL.

    Raises:
        AddressNotAllowed: the URL leads to an address that is not public.
        FetchFailed: it did not answer 200 with at most `max_bytes` in time.
    """
    check_url(url, networks)
    async with safe_client(networks, timeout=10) as client:
        try:
            async with (
                asyncio.timeout(FETCH_SECONDS),
                client.stream("GET", url, headers={"accept": "image/*"}) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise FetchFailed(f"The URL answered {answer.status_code}, not 200.")
                data = bytearray()
                async for part in answer.aiter_bytes():
                    data += part
                    if len(data) > max_bytes:
                        raise FetchFailed(f"The URL delivers more than {max_bytes} bytes.")
                return bytes(data)
        except SSRFProtectionError as error:
            raise AddressNotAllowed("The URL leads to an address that is not public.") from error
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeError) as error:
            # UnicodeError: a host name that claims to be IDNA and is not.
            raise FetchFailed("The URL could not be fetched; send the picture itself.") from error
