"""`python -m api`: the HTTP server."""

import socket
import sys
from contextlib import suppress
from types import FrameType

import uvicorn

from api.app import create_app
from api.auth import check_exposure
from api.server.limits import (
    ConnectionLimits,
    give_large_blocks_back,
    max_connections,
    open_files,
    raise_open_files_limit,
)
from api.server.protocol import server_config
from core.settings import read_settings
from core.store.admission import check_admission
from core.store.events import BLOCK_SECONDS, Follower
from core.telemetry.logs import configure_logs, get_logger

# Seconds after which a thread that computes lets the event loop go on, which answers everybody.
# With Python's own 5 ms each step of a request may wait that long while others keep threads busy.
SWITCH_SECONDS = 0.0005


def main() -> int:
    """Serve until a signal ends the process.

    Returns:
        The exit status: 1 if the settings do not allow serving.
    """
    settings = read_settings(
        "api", "Serve the HTTP interface, the page at / and the reference at /docs."
    )
    configure_logs(level=settings.log_level, form=settings.log_format, part="api")
    try:
        _check_port(settings.host, settings.port)
        check_admission(settings.broker_url)
        app = create_app(settings)
        check_exposure(settings, app.state.services.keys)
    except RuntimeError as error:
        get_logger("baret.api").error(str(error))
        return 1
    sys.setswitchinterval(SWITCH_SECONDS)
    give_large_blocks_back()
    raise_open_files_limit(open_files(settings.streams))
    config = server_config(
        app,
        host=settings.host,
        port=settings.port,
        connection_limits=ConnectionLimits(connections=max_connections()),
        timeout_graceful_shutdown=2 * BLOCK_SECONDS,
    )
    server = _Server(config, app.state.services.follower)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 1


def _check_port(host: str, port: int) -> None:
    """Check that the server will be able to listen.

    Raises:
        RuntimeError: it cannot; the message says which variable moves it.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise RuntimeError(
            f"The API cannot listen on {host} port {port} ({error.strerror}). Set BARET_PORT or "
            f"BARET_HOST to another value, for example BARET_PORT={port + 1}."
        ) from error


class _Server(uvicorn.Server):
    """A server that releases waiting clients when it stops; they reconnect to another one."""

    def __init__(self, config: uvicorn.Config, follower: Follower):
        super().__init__(config)
        self._follower = follower

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGTERM or SIGINT."""
        self._follower.stop()
        super().handle_exit(sig, frame)


if __name__ == "__main__":
    sys.exit(main())
