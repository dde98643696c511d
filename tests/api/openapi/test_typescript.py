"""A client in TypeScript: generated types, and a program compiled against them."""

import base64
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving
from tests.support.node_tools import HERE, node_tools, run

__all__ = ["node_tools"]

pytestmark = pytest.mark.node

STRICT = ("--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler")


@pytest.fixture(scope="module")
def program(node_tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with the program and the types that it needs."""
    folder = tmp_path_factory.mktemp("typescript")
    settings = Settings(_env_file=None, REDIS_URL="redis://127.0.0.1:1/0", data_dir=folder)
    (folder / "openapi.json").write_text(json.dumps(create_app(settings).openapi()))
    # Without this option, fields with a default could not be left out of a request.
    options = ("--default-non-nullable=false", "-o", "baret.ts")
    generated = run(node_tools / "openapi-typescript", "openapi.json", *options, folder=folder)
    assert generated.returncode == 0, generated.stderr
    shutil.copy(HERE / "program.ts", folder)
    return folder


@pytest.fixture(scope="module")
def compiled(program: Path, node_tools: Path) -> subprocess.CompletedProcess[str]:
    """Compile the program."""
    return run(node_tools / "tsc", *STRICT, "program.ts", folder=program)


def test_a_program_compiles_against_the_generated_types(
    compiled: subprocess.CompletedProcess[str],
) -> None:
    assert compiled.returncode == 0, compiled.stdout


@pytest.mark.usefixtures("compiled", "client")  # a compiled program, a live worker
def test_the_program_makes_an_edit(
    program: Path,
    settings: Settings,
    store: EditStore,
    make_image: Callable[..., bytes],
    finish: Callable[..., Any],
) -> None:
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
