"""`python -m zoo.train`: train the bundled Stable Diffusion, or resume where training stopped.

On Ctrl-C or SIGTERM it writes a checkpoint and ends; a second signal ends it at once.
"""

import logging
import os
import signal
import sys
from threading import Event
from types import FrameType

from zoo.train.options import parse


def main() -> int:
    """Run the command line's request and return the exit status, 130 if it was stopped."""
    options = parse()
    # Threads that spin while they wait stall all other processes on a small machine. OpenMP reads
    # this setting when torch is imported, so the imports below come after it.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from zoo.train.loop import Stopped  # noqa: PLC0415
    from zoo.train.run import run  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    stop = Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            sys.exit(130)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    try:
        run(options, stop)
    except Stopped:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
