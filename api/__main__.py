"""`python -m api`: the HTTP server."""

import sys
from contextlib import suppress
from types import FrameType

import uvicorn

from api.app import create_app
from api.auth import check_exposure
from api.server.limits import (
    OPEN_FILES,
    ConnectionLimits,
    max_connections,
    raise_open_files_limit,
)
from api.server.protocol import server_config
from core.settings import Settings
from core.store.events import BLOCK_SECONDS, Follower
from core.telemetry.logs import configure_logs, get_logger


def main() -> int:
    """Serve until a signal ends the process.

    Returns:
        The exit status: 1 if the settings do not allow serving.
    """
    settings = Settings()
    configure_logs(level=settings.log_level, form=settings.log_format, part="api")
    try:
        app = create_app(settings)
        check_exposure(settings, app.state.services.keys)
    except RuntimeError as error:
        get_logger("baret.api").error(str(error))
        return 1
    raise_open_files_limit(OPEN_FILES)
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
