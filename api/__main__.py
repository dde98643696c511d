"""`python -m api`: serve HTTP as the settings say."""

import sys

import uvicorn

from api.app import create_app
from api.auth import check_exposure
from jobs.logs import configure_logs, get_logger
from jobs.settings import Settings


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
    # Proxy headers are believed from loopback, or from where FORWARDED_ALLOW_IPS says.
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # `api.requests` writes one line a request
        proxy_headers=True,
        timeout_graceful_shutdown=10,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
