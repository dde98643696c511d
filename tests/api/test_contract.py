"""Every operation of the OpenAPI document against made-up requests: Schemathesis, all checks on.

No answer may be a 5xx, or have a status, header or body that the document does not describe. This
run is short; CONTRIBUTING.md has the command of the long one.
"""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from core.store.model_registry import WORKER_SECONDS
from tests.support.api_app import serving

ROOT = Path(__file__).parents[2]
EXAMPLES = 3  # for each property of an operation
SEED = 20261125


@pytest.fixture
def live_worker(store: EditStore, model: Model) -> Iterator[None]:
    """Announce a worker for as long as the test runs."""
    stop = threading.Event()

    def repeat() -> None:
        while True:
            store.announce("worker-1", model)
            if stop.wait(WORKER_SECONDS / 3):
                return

    thread = threading.Thread(target=repeat)
    thread.start()
    yield
    stop.set()
    thread.join()


@pytest.mark.usefixtures("live_worker")
def test_no_answer_departs_from_the_document(settings: Settings) -> None:
    with serving(settings) as url:
        command = [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{url}/openapi.json",
            f"--max-examples={EXAMPLES}",
            f"--seed={SEED}",
            "--checks=all",
            "--request-timeout=300",  # the largest batch takes seconds on a free core
            "--no-color",
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert re.search(r"Selected: (\d+)/\1\s+Tested: \1\b", done.stdout), "every operation"
