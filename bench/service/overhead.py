"""`python -m bench.service.overhead`: measure the time that the service adds to an edit.

Makes edits one after another through HTTP with `Prefer: wait`. The overhead of an edit is its time
as the client measures it, minus the worker's time on the method. Needs a running service
(`make run`).
"""

import argparse
import time
from statistics import median

import httpx
import numpy as np

from bench.service.running import sample_images

METHOD_STAGES = ("inverting", "tuning", "editing", "decoding")


def overhead(client: httpx.Client, name: str, data: bytes, params: dict[str, str]) -> float:
    """Make an edit and return its seconds as the client sees them, minus those of the method.

    Raises:
        RuntimeError: the edit did not succeed within the time that a request may wait.
    """
    started = time.perf_counter()
    response = client.post(
        "/v1/edits",
        files={"image": (name, data)},
        data=params,
        headers={"Prefer": "wait=60"},
    )
    seconds = time.perf_counter() - started
    edit = response.raise_for_status().json()
    if edit["status"] != "succeeded":
        raise RuntimeError(f"{edit['id']} is {edit['status']} after {seconds:.0f} s")
    spent: dict[str, float] = edit["metrics"]["stage_seconds"]
    return seconds - sum(spent.get(stage, 0.0) for stage in METHOD_STAGES)


def main() -> None:
    """Print the median, the 95th percentile and the maximum."""
    parser = argparse.ArgumentParser(prog="python -m bench.service.overhead", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    parser.add_argument("--edits", type=int, default=20, help="number of edits")
    parser.add_argument("--steps", type=int, default=10, help="DDIM steps")
    arguments = parser.parse_args()
    images = sample_images()
    milliseconds = []
    with httpx.Client(base_url=arguments.url, timeout=90) as client:
        for i in range(arguments.edits):
            image = images[i % len(images)]
            params = {
                "prompt": f"a photo of a brown dog jumping on grass, number {i}",
                "num_inference_steps": str(arguments.steps),
            }
            milliseconds.append(overhead(client, image.name, image.read_bytes(), params) * 1000)
    print(
        f"{len(milliseconds)} edits of {arguments.steps} steps, overhead in ms: "
        f"median {median(milliseconds):.0f}, "
        f"95th percentile {np.quantile(milliseconds, 0.95):.0f}, "
        f"maximum {max(milliseconds):.0f}"
    )


if __name__ == "__main__":
    main()
