"""Runners on the bundled model, a real Valkey and a real folder of pictures."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import torch

from baret import Editor
from baret.model.stable_diffusion import StableDiffusion
from core.images.provenance import Marking
from core.images.sandbox import DecoderSandbox
from core.images.storage import ImageStorage
from core.schema import Record, Submission
from core.store import keys
from core.store.edits import EditStore
from core.telemetry.tracing import Tracer
from tests.support.receiver import Receiver, running_receiver
from tests.support.samples import QUICK, SAMPLES
from tests.support.watched_editor import WatchedEditor
from worker.inversion_cache import InversionCache
from worker.outputs import Encoder
from worker.runner import Runner

Make = Callable[..., Submission]


@pytest.fixture(scope="session")
def diffusion() -> Iterator[StableDiffusion]:
    """The bundled model, loaded once for all tests of the worker."""
    # More threads wait for each other by spinning: on a busy machine an edit of one second was
    # seen to take a minute.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Editor.from_pretrained("zoo", device="cpu", dtype="float32").model
    torch.set_num_threads(threads)


@pytest.fixture
def editor(diffusion: StableDiffusion) -> WatchedEditor:
    return WatchedEditor(diffusion)


@pytest.fixture
def files(tmp_path: Path) -> ImageStorage:
    return ImageStorage((tmp_path / "pictures").as_uri())


@pytest.fixture
def sample() -> bytes:
    """A photo that the bundled model can edit."""
    first = json.loads((SAMPLES / "index.json").read_text())[0]
    return (SAMPLES / str(first["file"])).read_bytes()


@pytest.fixture
def submit(
    store: EditStore, files: ImageStorage, submission: Make, sample: bytes
) -> Callable[..., str]:
    """Submits a quick edit of the sample, as the front end does; names are parameters."""

    def accept(**params: Any) -> str:
        made = submission(**(QUICK | params))
        files.put(made.id, "input", sample)
        store.submit(made, limit=10)
        return made.id

    return accept


@pytest.fixture
def signals() -> list[str]:
    """The edits that a runner has told other workers of."""
    return []


@pytest.fixture
def make_runner(
    store: EditStore, files: ImageStorage, signals: list[str], diffusion: StableDiffusion
) -> Callable[..., Runner]:
    """Makes a runner: `make_runner(editor, timeout=1)`."""
    inversions = InversionCache(files, diffusion, most_bytes=2**25)

    def make(
        editor: Any,
        *,
        files: ImageStorage = files,
        timeout: float = 60,
        patience: float = 60,
        tracer: Tracer | None = None,
        decoding: DecoderSandbox = DecoderSandbox(),  # noqa: B008
    ) -> Runner:
        return Runner(
            editor,
            store,
            files,
            inversions=inversions,
            encoder=Encoder(Marking(), "zoo"),
            model="zoo",
            timeout=timeout,
            signal=signals.append,
            patience=patience,
            tracer=tracer,
            decoding=decoding,
        )

    return make


@pytest.fixture
def runner(make_runner: Callable[..., Runner], editor: WatchedEditor) -> Runner:
    return make_runner(editor)


@pytest.fixture
def ended(runner: Runner, store: EditStore) -> Callable[[str], Record]:
    """Runs the edit that waits, which must be this one, and gives its record."""

    def run(edit_id: str) -> Record:
        assert runner.run_next() == edit_id
        return store.get(edit_id)

    return run


@pytest.fixture
def events(redis_url: str) -> Iterator[Callable[[str], list[tuple[str, dict[str, Any]]]]]:
    """Reads an edit's event stream: (type, data), oldest first."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:

        def read(edit_id: str) -> list[tuple[str, dict[str, Any]]]:
            entries: Any = client.xrange(keys.events(edit_id))
            return [(entry["type"], json.loads(entry["data"])) for _, entry in entries]

        yield read


@pytest.fixture
def let_lease_run_out(redis_url: str) -> Callable[[str], None]:
    """Moves an edit's lease into the past: waiting 12 s in each test would show no more."""

    def move(edit_id: str) -> None:
        with redis.Redis.from_url(redis_url) as client:
            client.zadd(keys.RUNNING, {edit_id: 1})

    return move


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running
