"""`python -m bench.service.overhead`: what the service costs an edit beside the edit.

Edits one after another through HTTP with `Prefer: wait`; from each one's seconds, as the client
sees them, those that the worker spent on the method are taken. Needs a running service
(`make run`).
"""

import argparse
import time
from statistics import median

import httpx
import numpy as np

from bench.service.contact_sheet import SAMPLES

METHOD = ("inverting", "tuning", "editing", "decoding")


def overhead(client: httpx.Client, name: str, data: bytes, params: dict[str, str]) -> float:
    """Seconds of one edit that are not the method's, as its client sees them.

    Raises:
        RuntimeError: the edit did not succeed in the time that a request may wait.
    """
    started = time.perf_counter()
    answer = client.post(
        "/v1/edits",
        files={"image": (name, data)},
        data=params,
        headers={"Prefer": "wait=60"},
    )
    seconds = time.perf_counter() - started
    edit = answer.raise_for_status().json()
    if edit["status"] != "succeeded":
        raise RuntimeError(f"{edit['id']} is {edit['status']} after {seconds:.0f} s")
    spent: dict[str, float] = edit["metrics"]["stage_seconds"]
    return seconds - sum(spent.get(stage, 0.0) for stage in METHOD)


def main() -> None:
    """Print the median and the tail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--edits", type=int, default=20)
    parser.add_argument("--steps", type=int, default=10)
    arguments = parser.parse_args()
    images = sorted(SAMPLES.glob("*[a-z].png"))
    found = []
    with httpx.Client(base_url=arguments.url, timeout=90) as client:
        for i in range(arguments.edits):
            image = images[i % len(images)]
            params = {
                "prompt": f"a photo of a brown dog jumping on grass, number {i}",
                "num_inference_steps": str(arguments.steps),
            }
            found.append(overhead(client, image.name, image.read_bytes(), params) * 1000)
    print(
        f"{len(found)} edits of {arguments.steps} steps, ms beside the method: "
        f"median {median(found):.0f}, 95 % under {np.quantile(found, 0.95):.0f}, "
        f"most {max(found):.0f}"
    )


if __name__ == "__main__":
    main()
