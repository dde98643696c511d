"""`python -m api`: serve HTTP as the settings say."""

import resource
import sys

import uvicorn

from api.app import create_app
from api.auth import check_exposure
from jobs.follow import MAX_WAITERS
from jobs.logs import configure_logs, get_logger
from jobs.settings import Settings

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
    # Proxy headers are believed from loopback, or from where FORWARDED_ALLOW_IPS says.
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http="h11",  # bounds a request's head to 64 KiB; the other one that uvicorn knows does not
        log_config=None,
        access_log=False,  # `api.requests` writes one line a request
        proxy_headers=True,
        timeout_graceful_shutdown=10,
    )
    return 0


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
