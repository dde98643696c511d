"""A client in TypeScript: generated types, and a program compiled against them.

The tools come from npm once, into a build folder named after their lock file. If it exists, no
network is needed.
"""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving

pytestmark = pytest.mark.node

HERE = Path(__file__).parent / "typescript"
CACHE = Path(__file__).parents[3] / "build" / "typescript"
# npm's messages if the registry cannot be reached, as opposed to a lock file that does not match.
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH")
STRICT = ("--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler")


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def fetch(folder: Path) -> None:
    """Install the tools into this folder, completely or not at all."""
    partial = folder.with_name(f"{folder.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, partial)
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")
    done = run("npm", "ci", *quiet, "--fetch-retry-mintimeout=1000", folder=partial)
    try:
        if done.returncode and any(word in done.stderr for word in UNREACHABLE):
            pytest.skip("the npm registry cannot be reached, and the tools are not in build/ yet")
        assert done.returncode == 0, done.stderr
        if not folder.exists():
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@pytest.fixture(scope="module")
def tools() -> Path:
    """Return the folder of the tools' programs."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    lock = (HERE / "package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:12]
    if not folder.is_dir():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed, and the tools are not in build/ yet")
        fetch(folder)
    return folder / "node_modules" / ".bin"


@pytest.fixture
def program(client: TestClient, tools: Path, tmp_path: Path) -> Path:
    """Make a folder with the program and the types that it needs."""
    folder = tmp_path / "typescript"
    folder.mkdir()
    (folder / "openapi.json").write_text(client.get("/openapi.json").text)
    # Without this option, fields with a default could not be left out of a request.
    options = ("--default-non-nullable=false", "-o", "baret.ts")
    generated = run(tools / "openapi-typescript", "openapi.json", *options, folder=folder)
    assert generated.returncode == 0, generated.stderr
    shutil.copy(HERE / "program.ts", folder)
    return folder


def test_a_program_compiles_against_the_generated_types(program: Path, tools: Path) -> None:
    done = run(tools / "tsc", "--noEmit", *STRICT, "program.ts", folder=program)
    assert done.returncode == 0, done.stdout


def test_the_program_makes_an_edit(
    program: Path,
    tools: Path,
    settings: Settings,
    store: EditStore,
    make_image: Callable[..., bytes],
    finish: Callable[..., Any],
) -> None:
    done = run(tools / "tsc", *STRICT, "program.ts", folder=program)
    assert done.returncode == 0, done.stdout
    (program / "package.json").write_text('{"type": "module"}')
    script = """
        import { listed, refused, run } from "./program.js";
        const [base, image] = process.argv.slice(2);
        const outputs = await run(base, image);
        const problem = await refused(base);
        console.log(JSON.stringify({ outputs, problem, list: await listed(base) }));
    """
    (program / "main.js").write_text(script)

    def work() -> None:
        while not store.waiting("zoo", longer_than=0, limit=1):
            time.sleep(0.01)
        finish()

    worker = threading.Thread(target=work, daemon=True)
    with serving(settings) as address:
        worker.start()
        text = base64.b64encode(make_image()).decode()
        done = run("node", "main.js", address, text, folder=program)
    assert done.returncode == 0, done.stderr
    worker.join()
    printed = json.loads(done.stdout)
    assert [line.split()[:2] for line in printed["outputs"]] == [
        ["0.25", "64x64"],
        ["0.50", "64x65"],
    ]
    assert printed["problem"]["code"] == "validation_error"
    assert {error["pointer"] for error in printed["problem"]["errors"]} == {"/prompt", "/image"}
    (edit,) = printed["list"]["data"]
    assert edit["metadata"] == {"order": "1"}
