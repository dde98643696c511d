"""`python -m bench.service.residency --pid PID`: check that the worker's memory does not grow.

Makes edits one after another, prints the seconds of each one's stages (loading shows whether the
model stays loaded), and compares the worker's resident memory after the third edit with that after
the last. Needs a running service (`make run`) and the worker's process id.
"""

import argparse
import re
from pathlib import Path

import httpx

from bench.service.running import edit_through_http, sample_images


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    if match is None:
        raise SystemExit(f"/proc/{pid}/status has no resident memory.")
    return int(match[1]) / 1024


def main() -> None:
    """Print a line per edit, then the comparison."""
    parser = argparse.ArgumentParser(prog="python -m bench.service.residency", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    parser.add_argument("--pid", type=int, required=True, help="process id of the worker")
    parser.add_argument("--edits", type=int, default=20, help="number of edits, at least 3")
    parser.add_argument("--steps", type=int, default=50, help="DDIM steps")
    arguments = parser.parse_args()
    images = sample_images()
    memory = []
    with httpx.Client(base_url=arguments.url, timeout=90) as client:
        for i in range(arguments.edits):
            edit, _ = edit_through_http(
                client,
                images[i % len(images)],
                "a photo of a brown dog jumping on grass",
                num_inference_steps=arguments.steps,
            )
            memory.append(resident_mib(arguments.pid))
            stages = edit["metrics"]["stage_seconds"]
            print(f"{i + 1:3} {edit['status']} {stages} {memory[-1]:.0f} MiB", flush=True)
    growth = memory[-1] / memory[2] - 1
    print(
        f"after 3: {memory[2]:.0f} MiB, after {len(memory)}: {memory[-1]:.0f} MiB ({growth:+.1%})"
    )


if __name__ == "__main__":
    main()
