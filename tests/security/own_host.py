"""A host that has public addresses of its own, in a network namespace: what may be reached there.

Run as `python -m tests.security.own_host` where `test_own_addresses.py` has made the namespace.
Prints one JSON object: how many requests of each kind reached the host itself.
"""

import asyncio
import json
import socket
from ipaddress import ip_network
from typing import Any
from unittest.mock import patch

from core.errors import AddressNotAllowed
from core.outbound.client import safe_client
from core.outbound.fetcher import Fetcher
from core.outbound.ip_policy import IpPolicy, check_url

PUBLIC = ("198.100.1.1", "2606:4700::7")  # on the loopback interface of the namespace
NAME = "photos.example"  # resolves to one of them at a time


async def _fetched(url: str, policy: IpPolicy) -> bool:
    """Return whether an image and a webhook get there; both must be treated alike."""
    outcomes = []
    for get in (_image, _webhook):
        try:
            await get(url, policy)
            outcomes.append(True)
        except AddressNotAllowed:
            outcomes.append(False)
    assert len(set(outcomes)) == 1, (url, outcomes)
    return outcomes[0]


async def _image(url: str, policy: IpPolicy) -> None:
    await Fetcher(policy, seconds=20).fetch(url, max_bytes=100)


async def _webhook(url: str, policy: IpPolicy) -> None:
    check_url(url, policy)
    async with safe_client(policy, timeout=20) as client:
        await client.post(url)


async def _main() -> dict[str, Any]:
    found: dict[str, Any] = {}
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\ninside")
        await writer.drain()
        writer.close()

    for host in PUBLIC:
        server = await asyncio.start_server(answer, host, 0)
        port = server.sockets[0].getsockname()[1]
        urls = [f"http://{name}:{port}/" for name in (f"[{host}]" if ":" in host else host, NAME)]
        network = ip_network(host)
        denied = IpPolicy(allow=(network,), deny=(network,))
        resolved = [(0, 0, 0, "", (host, 0))]
        with patch.object(socket, "getaddrinfo", return_value=resolved):
            found[host] = {
                "by default": [await _fetched(url, IpPolicy()) for url in urls],
                "denied, though allowed": [await _fetched(url, denied) for url in urls],
                "connections": connections,
                "allowed": [await _fetched(url, IpPolicy(allow=(network,))) for url in urls],
            }
        connections = 0
        server.close()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main())))
