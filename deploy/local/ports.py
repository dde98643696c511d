"""Free ports for servers that come back at the same address after they ended."""

import secrets
import socket
from contextlib import suppress

from deploy.local.errors import CannotStart

# Below those that Linux takes for outgoing connections (32768 and up). One of those could hold the
# address when the server comes back: even its own client's, which by chance has the very port that
# it asks for, and so is connected to itself.
_PORTS = range(15_000, 30_000)
_MAX_TRIES = 100


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens at.

    Raises:
        CannotStart: none was found.
    """
    for port in secrets.SystemRandom().sample(_PORTS, _MAX_TRIES):
        with suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            return port
    raise CannotStart(f"No free port was found between {_PORTS[0]} and {_PORTS[-1]}.")
