"""The commands of the pages run as they stand, against a service with a small model."""

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from core.access.api_keys import ApiKey
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.examples.held import blocks_held_by
from tests.support.api_app import keys, make_key, serving, settings
from tests.support.commands import ROOT
from tests.support.doc_code import AnyBlock
from tests.support.node_tools import CLIENT, UNREACHABLE, node_tools
from tests.support.samples import QUICK, SAMPLE_SIZE
from tests.support.service import Service
from tests.support.shell import run_in_shell, shell_environment

__all__ = ["keys", "make_key", "node_tools", "settings"]

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
ADDRESS = "http://127.0.0.1:8000"  # of the service, on the pages
BLOCKS = blocks_held_by("examples/test_commands.py")
NODE = [block for block in BLOCKS if block.code.startswith("npx ")]
KEYED = [block for block in BLOCKS if "$BARET_KEY" in block.code or "/v1/uploads" in block.code]
OPERATORS = [block for block in BLOCKS if block.language == "indented"]
BATCHES = [block for block in BLOCKS if "/v1/batches" in block.code]
NPM = [block for block in BLOCKS if block.code.startswith("npm ") or block.language == "js"]
OTHERS = [block for block in BLOCKS if block not in [*NODE, *KEYED, *OPERATORS, *BATCHES, *NPM]]


def ids(found: list[AnyBlock]) -> list[str]:
    return [f"{block.page} {block.heading}" for block in found]


def run(code: str, folder: Path, environment: dict[str, str]) -> str:
    """Run commands, with the checkout's own programs; return what they print."""
    done = run_in_shell(code.replace(".venv/bin/", ""), folder, environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("block", OTHERS, ids=ids(OTHERS))
def test_an_edit_is_made(
    block: AnyBlock, service: Service, folder: Path, environment: dict[str, str]
) -> None:
    (folder / "dog.jpg").write_bytes((ROOT / "zoo/samples/02-posture.png").read_bytes())
    printed = run(block.code.replace(ADDRESS, environment["BARET_SERVER"]), folder, environment)
    if block.code.startswith("curl"):
        edit = service.ended(json.loads(printed)["id"])  # a busy machine may need over a minute
        assert edit["status"] == "succeeded", edit
        assert all(output["url"].startswith("http") for output in edit["outputs"])
        wanted = re.search(r"strength=(\[.*?\])", block.code)
        assert not wanted or len(edit["outputs"]) == len(json.loads(wanted[1]))


@pytest.mark.parametrize("block", BATCHES, ids=ids(BATCHES))
def test_a_batch_is_made(
    block: AnyBlock, service: Service, folder: Path, environment: dict[str, str]
) -> None:
    photo = base64.b64encode((ROOT / "zoo/samples/02-posture.png").read_bytes()).decode()
    line = {"image": f"data:image/png;base64,{photo}", "prompt": "a photo of a cat", **QUICK}
    (folder / "edits.jsonl").write_text(json.dumps(line) + "\n")
    printed = run(block.code.replace(ADDRESS, environment["BARET_SERVER"]), folder, environment)
    address = json.loads(printed)["urls"]["self"]
    service.until(
        lambda: service.http.get(address).json()["status"] == "completed", "the batch to end"
    )
    assert service.http.get(address).json()["request_counts"]["completed"] == 1


@pytest.fixture
def keyed(
    settings: Settings, store: EditStore, model: Model, make_key: MakeKey, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Yield the variables of a shell that has the key of a service."""
    store.announce("worker-1", model)
    headers, _ = make_key()
    with serving(settings) as address:
        (tmp_path / "bin").mkdir()
        key = headers["Authorization"].removeprefix("Bearer ")
        yield shell_environment(tmp_path / "bin", address) | {"BARET_KEY": key}


@pytest.mark.parametrize("block", KEYED, ids=ids(KEYED))
def test_a_request_with_a_key_is_answered(
    block: AnyBlock, keyed: dict[str, str], tmp_path: Path
) -> None:
    code = block.code.replace(ADDRESS, keyed["BARET_SERVER"])
    if "$BARET_KEY" not in code:  # the page shows it without keys
        code = code.replace("curl ", 'curl -H "Authorization: Bearer $BARET_KEY" ', 1)
    answer = json.loads(run(code, tmp_path, keyed))
    assert answer.keys() & {"token", "url", "data"}, answer


@pytest.mark.parametrize("block", OPERATORS, ids=ids(OPERATORS))
def test_an_operator_command_runs(
    block: AnyBlock, redis_url: str, keys: object, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    environment = shell_environment(tmp_path / "bin", "") | {"REDIS_URL": redis_url}
    code = block.code.replace("/models/photo.safetensors", str(ROOT / "baret/models/zoo"))
    for line in code.splitlines():
        listed = run("baret keys list --json", tmp_path, environment)
        known = re.search(r"key_[0-9a-f]{16}", listed)
        run(re.sub(r"key_[0-9a-f]{16}", known[0] if known else "", line), tmp_path, environment)


@pytest.mark.node
@pytest.mark.parametrize("block", NODE, ids=ids(NODE))
def test_types_are_generated(
    block: AnyBlock, service: Service, node_tools: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "src").mkdir()
    environment = shell_environment(tmp_path / "bin", "")
    code = block.code.replace(ADDRESS, str(service.http.base_url).rstrip("/"))
    run(code.replace("npx ", f"{node_tools}/", 1), tmp_path, environment)
    (made,) = [*tmp_path.glob("*.ts"), *tmp_path.glob("src/*.ts")]
    assert "createEdit" in made.read_text()


@pytest.mark.node
def test_the_typescript_client_is_built_installed_and_makes_an_edit(
    service: Service, tmp_path: Path
) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    commands, program = NPM
    checkout, project = tmp_path / "baret", tmp_path / "photos"
    built = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(CLIENT, checkout / "client/js", ignore=built)
    (checkout / "zoo").symlink_to(ROOT / "zoo")
    done = run_in_shell(commands.code, checkout, dict(os.environ))
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip("the npm registry cannot be reached")
    assert done.returncode == 0, done.stderr
    code = program.code.replace(ADDRESS, str(service.http.base_url).rstrip("/"))
    (project / "edit.mjs").write_text(code)
    done = run_in_shell("node edit.mjs", project, dict(os.environ))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert Image.open(project / "after.png").size == SAMPLE_SIZE
