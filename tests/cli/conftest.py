"""`baret` run in this process, as its script runs it, and a service to run it against."""

import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from baret_client import Client

from cli.main import main
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import finish, keys, make_key, serving, settings
from tests.support.waiting import until

__all__ = ["finish", "keys", "make_key", "settings"]


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    status: int
    out: bytes
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


Baret = Callable[..., Done]


class Piped(io.TextIOWrapper):
    """Standard input with an image in it."""

    def __init__(self, data: bytes, *, terminal: bool = False):
        super().__init__(io.BytesIO(data))
        self.isatty = lambda: terminal  # type: ignore[method-assign]


@pytest.fixture
def baret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Baret:
    """Return a function that runs a command in an empty folder: `baret("edit", …)`."""
    monkeypatch.chdir(tmp_path)
    for name in ("BARET_SERVER", "BARET_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BARET_DEVICE", "cpu")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, stdin: bytes = b"", terminal: bool = False) -> Done:
        monkeypatch.setattr(sys, "stdin", Piped(stdin, terminal=terminal))
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capfdbinary.readouterr()
        status = ended.value.code
        return Done(status if isinstance(status, int) else 1, out, err.decode())

    return run


@pytest.fixture(autouse=True)
def silent_service() -> Iterator[None]:
    """Keep the log of a service in this process out of what a command prints."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@pytest.fixture
def server(settings: Settings, store: EditStore, model: Model) -> Iterator[str]:
    """Yield the address of a service with a live worker of the model `zoo`."""
    store.announce("worker-1", model)
    with serving(settings) as address:
        yield address


@pytest.fixture
def worker(server: str, finish: Callable[..., Any]) -> Iterator[Callable[..., None]]:
    """Yield a function that ends edits as they come, in their order, as a worker would."""
    threads: list[threading.Thread] = []

    def work(*outcomes: dict[str, Any], key: str | None = None) -> None:
        def run() -> None:
            with Client(server, api_key=key) as client:
                for outcome in outcomes:
                    until(lambda: list(client.edits.list(status="queued")), "an edit to wait")
                    finish(**outcome)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield work
    for thread in threads:
        thread.join()


@pytest.fixture
def photo(tmp_path: Path, make_image: Callable[..., bytes]) -> Path:
    path = tmp_path / "dog.png"
    path.write_bytes(make_image())
    return path


@pytest.fixture
def folder(tmp_path: Path, make_image: Callable[..., bytes]) -> Path:
    """Return a folder with two photos, one of them further down, and a text."""
    for number, name in enumerate(("a.png", "sub/b.jpg")):
        path = tmp_path / "holiday" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        form = "PNG" if path.suffix == ".png" else "JPEG"
        path.write_bytes(make_image(form, size=(64 + number, 64)))
    (tmp_path / "holiday" / "notes.txt").write_text("not a photo")
    return tmp_path / "holiday"
