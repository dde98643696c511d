"""`python -m bench.service.residency --pid …`: the model stays loaded, the memory stays flat.

Twenty edits with the service's defaults (or fewer steps) one after another; the worker's
resident memory after the third and after the last, and the seconds each spent loading.
Needs a running service (`make run`) and the worker's process id.
"""

import argparse
import re
from pathlib import Path

import httpx

from bench.service.contact_sheet import SAMPLES
from bench.service.running import edit_through_http


def resident_mib(pid: int) -> float:
    """The resident memory of a process (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    if found is None:
        raise SystemExit(f"Process {pid} tells no resident memory.")
    return int(found[1]) / 1024


def main() -> None:
    """Print a line an edit, and the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--pid", type=int, required=True, help="of the worker")
    parser.add_argument("--edits", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50)
    arguments = parser.parse_args()
    images = sorted(SAMPLES.glob("*[a-z].png"))
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
