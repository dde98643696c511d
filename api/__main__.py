"""`python -m api`: serve HTTP as the settings say."""

import resource
import sys
from contextlib import suppress
from types import FrameType

import uvicorn

from api.app import create_app
from api.auth import check_exposure
from api.server.protocol import ConnectionLimits, server_config
from core.settings import Settings
from core.store.events import BLOCK_SECONDS, MAX_WAITERS, Follower
from core.telemetry.logs import configure_logs, get_logger

# A follower holds two: its client's connection and its own to Redis. The rest is everybody else's.
OPEN_FILES = 2 * MAX_WAITERS + 1000


def main() -> int:
    """Serve until told to stop.

    Returns:
        The exit status: 1 where the settings do not allow to serve.
    """
    settings = Settings()
    configure_logs(level=settings.log_level, form=settings.log_format, part="api")
    try:
        app = create_app(settings)
        check_exposure(settings, app.state.services.keys)
    except RuntimeError as error:
        get_logger("baret.api").error(str(error))
        return 1
    allow_open_files(OPEN_FILES)
    config = server_config(
        app,
        host=settings.host,
        port=settings.port,
        connection_limits=ConnectionLimits(connections=most_connections()),
        timeout_graceful_shutdown=2 * BLOCK_SECONDS,
    )
    server = _Server(config, app.state.services.follower)
    with suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 1


def most_connections() -> int:
    """Half of the files that may be open: the others are for Redis, pictures and fetches."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2


class _Server(uvicorn.Server):
    """Lets those who wait for edits go when it is told to stop: they come back to another one."""

    def __init__(self, config: uvicorn.Config, follower: Follower):
        super().__init__(config)
        self._follower = follower

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On SIGTERM or SIGINT."""
        self._follower.let_go()
        super().handle_exit(sig, frame)


def allow_open_files(wanted: int) -> None:
    """Raise this process's own bound on open files, mostly 1024, as far as the system lets it.

    At the bound no connection is accepted any more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    sys.exit(main())
