"""Runners on a small model, with a real Valkey and a real folder of images."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import torch

from baret.model.stable_diffusion import StableDiffusion
from core.images.keys import photo_prefix
from core.images.provenance import Marking
from core.images.sandbox import DecoderSandbox
from core.images.storage import ImageStorage
from core.schema import Record, Submission
from core.store import keys
from core.store.edits import EditStore
from core.telemetry.tracer import Tracer
from tests.support.samples import QUICK, SAMPLES
from tests.support.small_model import small_model
from tests.support.waiting import PATIENCE
from tests.support.watched_editor import WatchedEditor
from worker.inversion_cache import InversionCache
from worker.outputs import ImageEncoder
from worker.runner import Runner, RunnerDependencies


@pytest.fixture(scope="session")
def diffusion() -> Iterator[StableDiffusion]:
    """Load the bundled model with a small UNet, once for all tests of the worker."""
    # Threads wait for each other by spinning: on a busy machine an edit of one second took a
    # minute with several.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield small_model()
    torch.set_num_threads(threads)


@pytest.fixture
def editor(diffusion: StableDiffusion) -> WatchedEditor:
    return WatchedEditor(diffusion)


@pytest.fixture
def files(tmp_path: Path) -> ImageStorage:
    return ImageStorage((tmp_path / "pictures").as_uri())  # where the front end stores them too


@pytest.fixture(scope="session")
def sample() -> bytes:
    """Return a photo that the bundled model can edit."""
    first = json.loads((SAMPLES / "index.json").read_text())[0]
    return (SAMPLES / str(first["file"])).read_bytes()


@pytest.fixture
def submit(
    store: EditStore, files: ImageStorage, submission: Callable[..., Submission], sample: bytes
) -> Callable[..., str]:
    """Submit a quick edit of the sample as the front end does; names are parameters."""

    def accept(**params: Any) -> str:
        made = submission(**(QUICK | params))
        files.put(photo_prefix(made), "input", sample)
        store.submit(made, limit=10)
        return made.id

    return accept


@pytest.fixture
def notified() -> list[str]:
    """Collect the ids of edits that a runner has notified other workers of."""
    return []


@pytest.fixture
def make_runner(
    store: EditStore, files: ImageStorage, notified: list[str], diffusion: StableDiffusion
) -> Callable[..., Runner]:
    """Make a runner: `make_runner(editor, timeout=1)`."""
    inversions = InversionCache(files, diffusion, max_bytes=2**25)

    def make(
        editor: Any,
        *,
        files: ImageStorage = files,
        timeout: float = PATIENCE,
        patience: float = PATIENCE,
        tracer: Tracer | None = None,
        sandbox: DecoderSandbox | None = None,
    ) -> Runner:
        return Runner(
            RunnerDependencies(
                editor=editor,
                store=store,
                files=files,
                inversions=inversions,
                encoder=ImageEncoder(Marking(), "zoo"),
                model="zoo",
                notify=notified.append,
                timeout=timeout,
                patience=patience,
                tracer=tracer or Tracer(),
                sandbox=sandbox or DecoderSandbox(),
            )
        )

    return make


@pytest.fixture
def runner(make_runner: Callable[..., Runner], editor: WatchedEditor) -> Runner:
    return make_runner(editor)


@pytest.fixture
def ended(runner: Runner, store: EditStore) -> Callable[[str], Record]:
    """Run the edit that waits, which must be this one, and return its record."""

    def run(edit_id: str) -> Record:
        assert runner.run_next() == edit_id
        return store.get(edit_id)

    return run


@pytest.fixture
def events(redis_url: str) -> Iterator[Callable[[str], list[tuple[str, dict[str, Any]]]]]:
    """Read an edit's event stream: (type, data), oldest first."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:

        def read(edit_id: str) -> list[tuple[str, dict[str, Any]]]:
            entries: Any = client.xrange(keys.events(edit_id))
            return [(entry["type"], json.loads(entry["data"])) for _, entry in entries]

        yield read
