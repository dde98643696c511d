"""`python -m deploy.local`: run the whole service with the settings of the environment."""

import argparse
import sys
from collections.abc import Callable

from pydantic import ValidationError

from core.settings import Settings
from core.telemetry.logs import configure_logs
from deploy.local.errors import StackError
from deploy.local.stack import SAMPLES, Stack, run

_DESCRIPTION = """\
Run the whole service on this machine: Valkey, housekeeper, worker and API.
Make one sample edit, then serve until Ctrl-C. Settings (BARET_PORT, BARET_MODEL, …)
come from the environment or a .env file; docs/deploy.md lists them.
"""


def main() -> int:
    """Run the stack and return an exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.local",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--exit-after-sample",
        action="store_true",
        help="stop after the sample edit; exit with 0 if it succeeded, else 1",
    )
    arguments = parser.parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        return _fail(f"A setting is not valid: {error}")
    configure_logs(level=settings.log_level, form=settings.log_format, part="stack")
    return report(lambda: run(_stack(settings), exit_after_sample=arguments.exit_after_sample))


def report(run_stack: Callable[[], None]) -> int:
    """Run the stack, print the error that ended it, if any, and return an exit code."""
    try:
        run_stack()
    except StackError as error:
        return _fail(str(error))
    return 0


def _stack(settings: Settings) -> Stack:
    return Stack(
        host=settings.host,
        port=settings.port,
        data=settings.data_dir.absolute(),
        redis_url=settings.redis_url.get_secret_value(),
        samples=SAMPLES if settings.default_model_name == "zoo" else None,
    )


def _fail(message: str) -> int:
    print(f"\nbaret: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
