"""Generated clients upload, wait and download; no generator warns of anything left out.

`test_typescript` has a third generator, openapi-typescript.
"""

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving
from tests.support.node_tools import HERE, node_tools, run

__all__ = ["node_tools"]

PYTHON = Path(__file__).parent / "python"
CACHE = Path(__file__).parents[3] / "build" / "openapi-python-client"


@pytest.fixture
def document(client: TestClient, tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    path.write_text(client.get("/openapi.json").text)
    return path


@pytest.fixture
def address(
    client: TestClient, settings: Settings, store: EditStore, finish: Callable[..., Any]
) -> Iterator[str]:
    """Serve, and do a worker's part for each edit as soon as it waits."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.01):
            if store.waiting("zoo", longer_than=0, limit=1):
                finish()

    worker = threading.Thread(target=work)
    with serving(settings) as url:
        worker.start()
        yield url
        ended.set()
        worker.join()


# --- Python


@pytest.fixture(scope="module")
def generator() -> Path:
    """Return the Python of an environment of its own, with openapi-python-client."""
    pins = (PYTHON / "requirements.txt").read_bytes()
    folder = CACHE / hashlib.sha256(pins).hexdigest()[:12]
    python = folder / "bin" / "python"
    if not python.exists():
        partial = folder.with_name(f"{folder.name}-{os.getpid()}")
        environment = [sys.executable, "-m", "venv", partial]
        install = [partial / "bin" / "python", "-m", "pip", "install", "-q", "-r"]
        for command in (environment, [*install, PYTHON / "requirements.txt"]):
            done = run(*command, folder=PYTHON)
            if done.returncode:
                shutil.rmtree(partial, ignore_errors=True)
                pytest.skip(f"openapi-python-client cannot be installed: {done.stderr[-300:]}")
        partial.rename(folder)
    return python


# openapi-python-client knows no body of an image or of JSON lines; docs/api.md says so.
NOT_GENERATED = (
    "PUT /v1/uploads/{upload_id}",
    "POST /v1/batches",
    "GET /v1/batches/{batch_id}/results",
)


@pytest.mark.slow
def test_a_generated_python_client_uploads_waits_and_downloads(
    document: Path,
    generator: Path,
    address: str,
    tmp_path: Path,
    make_image: Callable[..., bytes],
) -> None:
    command = "from openapi_python_client.cli import app; app()"
    options = ("generate", "--path", document, "--meta", "none", "--output-path", "baret_client")
    done = run(generator, "-c", command, *options, folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"(?:WARNING|ERROR) parsing (\S+ \S+)", done.stdout + done.stderr)
    assert set(told) == set(NOT_GENERATED), done.stdout
    (tmp_path / "photo.png").write_bytes(make_image())
    shutil.copy(PYTHON / "program.py", tmp_path)
    started = time.monotonic()
    made = subprocess.run(
        [generator, "program.py", address, "photo.png"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    output = make_image(size=(64, 64))
    expected = f"{len(output)} {hashlib.sha256(output).hexdigest()} validation_error"
    assert made.stdout.strip() == expected
    assert time.monotonic() - started < 240


# --- JavaScript


@pytest.mark.node
@pytest.mark.slow
def test_a_generated_sdk_uploads_waits_and_downloads(
    document: Path,
    node_tools: Path,
    address: str,
    tmp_path: Path,
    make_image: Callable[..., bytes],
) -> None:
    done = run(node_tools / "openapi-ts", "-i", document, "-o", "sdk", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warn" not in (done.stdout + done.stderr).lower()
    shutil.copy(HERE / "sdk.ts", tmp_path)
    options = ("--strict", "--target", "es2022", "--module", "commonjs", "--skipLibCheck")
    more = ("--moduleResolution", "node10", "--lib", "es2022,dom,dom.iterable")
    compiled = run(node_tools / "tsc", *options, *more, "sdk.ts", folder=tmp_path)
    assert compiled.returncode == 0, compiled.stdout
    script = """
        const { run } = require("./sdk.js");
        run(process.argv[2], process.argv[3]).then(console.log);
    """
    (tmp_path / "main.js").write_text(script)
    text = base64.b64encode(make_image()).decode()
    made = run("node", "main.js", address, text, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    expected = f"succeeded {len(make_image(size=(64, 64)))} validation_error"
    assert made.stdout.strip() == expected
