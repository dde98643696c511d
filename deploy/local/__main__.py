"""`python -m deploy.local`: the one-machine stack with the settings of the environment."""

import argparse
import sys
from collections.abc import Callable

from pydantic import ValidationError

from core.settings import Settings
from core.telemetry.logs import configure_logs
from deploy.local.errors import StackError
from deploy.local.stack import SAMPLES, Stack, run


def main() -> int:
    """Run the stack; the exit code says whether it ended as asked."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument(
        "--exit-after-sample",
        action="store_true",
        help="stop after the sample edit; the exit code says whether it succeeded",
    )
    arguments = parser.parse_args()
    try:
        settings = Settings()
    except ValidationError as error:
        return _fail(f"A setting is not understood: {error}")
    configure_logs(level=settings.log_level, form=settings.log_format, part="stack")
    return report(lambda: run(_stack(settings), exit_after_sample=arguments.exit_after_sample))


def report(stack_run: Callable[[], None]) -> int:
    """Run it, tell the person at the terminal what ended it early, and turn that into a code."""
    try:
        stack_run()
    except StackError as error:
        return _fail(str(error))
    return 0


def _stack(settings: Settings) -> Stack:
    return Stack(
        host=settings.host,
        port=settings.port,
        data=settings.data_dir.absolute(),
        redis_url=settings.redis_url.get_secret_value(),
        samples=SAMPLES if settings.model == "zoo" else None,
    )


def _fail(message: str) -> int:
    print(f"\nbaret: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
