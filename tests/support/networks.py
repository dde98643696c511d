"""Machines on this one: network namespaces with an address each, and a switch between them.

What runs in one has no way to another but the network: their loopbacks and ports are their own.
This machine has an address on the network too.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network

import pytest

from tests.support.server import Host

# Reserved for tests of networks (RFC 2544), so that nobody's own network is hidden.
_ADDRESSES = IPv4Network("198.18.0.0/15")


class Network:
    """A network, without machines yet."""

    def __init__(self) -> None:
        self._name = f"baret-{secrets.token_hex(2)}"
        self._switch = f"{self._name}-switch"
        self.addresses = secrets.choice(list(_ADDRESSES.subnets(new_prefix=24)))
        self._free = iter(self.addresses.hosts())
        self._namespaces: list[str] = []
        self._ports: dict[str, str] = {}  # of the switch, by the address they lead to

    def start(self) -> None:
        """Make the switch, and connect this machine to it.

        Raises:
            subprocess.CalledProcessError: this user has no right to.
        """
        self._add(self._switch)
        self._at(self._switch, "link add switch type bridge")
        self._at(self._switch, "link set switch up")
        cable = self._name.replace("-", "")
        _ip(f"link add {cable} type veth peer name this netns {self._switch}")
        self._at(self._switch, "link set this master switch up")
        self.address = next(self._free)
        _ip(f"address add {self.address}/24 dev {cable}")
        _ip(f"link set {cable} up")

    def machine(self) -> Host:
        """Connect another machine, and return it."""
        name = f"{self._name}-{len(self._namespaces)}"
        port, address = f"port{len(self._namespaces)}", next(self._free)
        self._add(name)
        self._at(name, f"link add eth0 type veth peer name {port} netns {self._switch}")
        self._at(self._switch, f"link set {port} master switch up")
        self._at(name, f"address add {address}/24 dev eth0")
        self._at(name, "link set eth0 up")
        self._at(name, "link set lo up")
        self._ports[str(address)] = port
        return Host(str(address), ("ip", "netns", "exec", name))

    @contextmanager
    def unplugged(self, host: Host) -> Iterator[None]:
        """Cut a machine off inside the block: nothing it sends arrives, and nothing reaches it."""
        port = self._ports[host.address]
        self._at(self._switch, f"link set {port} down")
        try:
            yield
        finally:
            self._at(self._switch, f"link set {port} up")

    def stop(self) -> None:
        """Remove the network. The processes in it must have ended."""
        for name in reversed(self._namespaces):
            _ip(f"netns delete {name}")

    def _add(self, name: str) -> None:
        _ip(f"netns add {name}")
        self._namespaces.append(name)

    def _at(self, name: str, command: str) -> None:
        _ip(f"-netns {name} {command}")


@contextmanager
def running_network() -> Iterator[Network]:
    """Run a network inside the block; skip the test if this user has no right to make one."""
    if os.geteuid() or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and the program `ip`")
    network = Network()
    try:
        try:
            network.start()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine lets root make no network namespaces: {error.stderr}")
        yield network
    finally:
        network.stop()


def _ip(command: str) -> None:
    # The program is found in the PATH, as its users' shells do.
    subprocess.run(["ip", *command.split()], check=True, capture_output=True, text=True)  # noqa: S607
