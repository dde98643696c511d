"""The real stack around stand-in processes: `stand_in_stack.py DATA PORT [key=value …]`."""

import sys
from pathlib import Path

from core.telemetry.logs import configure_logs
from deploy.local.__main__ import report
from deploy.local.process import Command
from deploy.local.stack import Stack, run

HERE = Path(__file__).parent
SLEEPER = "import time; time.sleep(300)"

data, port = Path(sys.argv[1]), int(sys.argv[2])
chosen = dict(pair.split("=", 1) for pair in sys.argv[3:])

configure_logs(level="INFO", form="console", part="stack")
stack = Stack(
    host="127.0.0.1",
    port=port,
    data=data,
    samples=HERE / "samples",
    processes=[
        Command("sleeper", [sys.executable, "-c", chosen.get("sleeper", SLEEPER)], "A hint."),
        Command(
            "api",
            [
                sys.executable,
                str(HERE / "stand_in_api.py"),
                str(port),
                chosen.get("edit", "succeeded"),
            ],
        ),
    ],
)
sys.exit(report(lambda: run(stack, exit_after_sample="exit" in chosen)))
