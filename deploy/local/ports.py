"""Free ports for servers that restart at the same address."""

import secrets
import socket
from contextlib import suppress

from deploy.local.errors import CannotStart

# Below the ports that Linux uses for outgoing connections (32768 and up). One of those could be
# taken when the server restarts, even by its own client: a client that by chance gets the very port
# it wants to reach is connected to itself.
_PORTS = range(15_000, 30_000)
_MAX_TRIES = 100


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on.

    Raises:
        CannotStart: none was found.
    """
    for port in secrets.SystemRandom().sample(_PORTS, _MAX_TRIES):
        with suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            return port
    raise CannotStart(f"No free port was found between {_PORTS[0]} and {_PORTS[-1]}.")
