"""Which addresses the service may connect to for a caller: public and explicitly allowed ones.

A host's own addresses are inside even if they are public by number: what listens there for its
neighbours alone often trusts whoever comes from the machine itself.

The tables are IANA's special-purpose registries, written out: Python's `is_global` differs between
versions, and does not know the services that clouds run at addresses that look public.
"""

import re
import socket
from contextlib import closing
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpx

from core.errors import AddressNotAllowed
from core.settings import Network

Address = IPv4Address | IPv6Address

_NOT_PUBLIC_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network, this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared by carriers; a cloud's metadata at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host agent; public only by its number
        "169.254.0.0/16",  # link-local; the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata at 192.0.0.192
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
# All public IPv6 addresses are in here. Excluded are loopback, link-local, unique local, site-local
# and multicast, and translated IPv4 addresses (::/96, ::ffff:0:0:0/96, 64:ff9b:1::/48).
_UNICAST_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3ffe::/16",  # returned to IANA
        "3fff::/20",  # documentation
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")  # names resolve to these in networks with IPv6 only
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")

_NAME = re.compile(r"[a-z0-9_.-]{1,253}")


@dataclass(frozen=True)
class IpPolicy:
    """What an operator adds to the rules."""

    allow: tuple[Network, ...] = ()  # although they are not public, or are the host's own
    deny: tuple[Network, ...] = ()  # whatever else is said of them


def is_allowed(address: Address, policy: IpPolicy) -> bool:
    """Return whether an address is public and not the host's own, or lies in an allowed network."""
    target = _ipv4_target(address)

    def is_in(networks: tuple[Network, ...]) -> bool:
        return any(one in network for one in (address, target) for network in networks)

    if is_in(policy.deny):
        return False
    return is_in(policy.allow) or (_is_public(target) and not _is_own(target))


def _is_own(address: Address) -> bool:
    """Return whether an interface of this host has the address, at this moment.

    The system itself is asked: to its own addresses it talks from the same address. Connecting a
    UDP socket only looks that up and sends nothing.
    """
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect((str(address), 9))
            return ip_address(probe.getsockname()[0]) == address
    except OSError:  # no route leads there, so nothing can be connected to either
        return False


def _ipv4_target(address: Address) -> Address:
    """Return the IPv4 address behind a mapped or NAT64 address, else the address itself."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        return IPv4Address(address.packed[-4:])
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None or address not in _UNICAST_6:
        return False
    if address.packed[8:12] in _ISATAP and not _is_public(IPv4Address(address.packed[-4:])):
        return False
    return not any(address in network for network in _NOT_PUBLIC_6)


def check_url(url: str, policy: IpPolicy) -> None:
    """Check what can be checked without connecting: scheme, credentials, literal addresses.

    Names are checked when connecting, by the address really used (`core.outbound.client`). The URL
    is parsed by the library that connects, so that both read it in the same way.

    Raises:
        AddressNotAllowed: the URL can never be allowed.
    """
    try:
        parts = httpx.URL(url)
        host = parts.raw_host.decode("ascii").removesuffix(".")
    except (httpx.InvalidURL, UnicodeError) as error:
        raise AddressNotAllowed("The URL cannot be read.") from error
    if parts.scheme not in ("http", "https") or not host:
        raise AddressNotAllowed("Give an absolute http:// or https:// URL.")
    if parts.userinfo:
        raise AddressNotAllowed("The URL must not contain credentials.")
    literal = _literal(host)
    if literal is None and not _NAME.fullmatch(host):
        raise AddressNotAllowed("The URL cannot be read.")
    if parts.port is not None and not 0 < parts.port <= 65535:
        raise AddressNotAllowed("The URL cannot be read.")
    if literal is not None and not is_allowed(literal, policy):
        raise AddressNotAllowed(
            "The URL leads to an address that is not public. "
            "The operator can allow private networks with BARET_ALLOW_NETWORKS."
        )


def _literal(host: str) -> Address | None:
    """Return the address that a host spells, in any way that resolvers accept, else None."""
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
