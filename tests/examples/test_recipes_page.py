"""Every program in docs/recipes.md runs, against a service with a worker."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from deploy.local.ports import free_port
from tests.support.commands import ROOT
from tests.support.doc_code import Block, blocks
from tests.support.node_tools import build_client, installed, node_tools, run
from tests.support.samples import SAMPLE_SIZE
from tests.support.service import Service
from tests.support.shell import run_in_shell
from tests.support.waiting import PATIENCE, until

__all__ = ["node_tools"]

PAGE = "recipes.md"
ADDRESS = "http://127.0.0.1:8000"  # of the service, on the page
RECEIVERS = "A webhook receiver"
PYTHON, SHELL, JAVASCRIPT = (blocks(PAGE, language) for language in ("python", "sh", "js"))
PROGRAMS = [block for block in PYTHON if block.heading != RECEIVERS]
SENTENCE = "a photo of a white cat standing on grass, facing left"


def code_of(found: list[Block], heading: str) -> str:
    (code,) = [block.code for block in found if block.heading == heading]
    return code


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """Return the names that the programs define, in their order."""
    return {"__name__": "example"}


@pytest.mark.parametrize("block", PROGRAMS, ids=[block.heading for block in PROGRAMS])
def test_a_program_in_python_runs(
    block: Block,
    names: dict[str, Any],
    service: Service,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    code = block.code.replace(ADDRESS, str(service.http.base_url))
    exec(compile(code, f"{PAGE}: {block.heading}", "exec"), names)  # noqa: S102


def test_the_programs_left_what_they_say(names: dict[str, Any], folder: Path) -> None:
    assert names["pending"] == []
    assert names["stronger"].metrics.inversion_reused
    for name in ("strength-0.4.png", "strength-0.8.png", "strength-1.0.png"):
        assert Image.open(folder / name).size == SAMPLE_SIZE
    assert len(list((folder / "edited-in-python").glob("*.png"))) == 2
    assert list(folder.glob("edit_*.png"))
    assert names["batch"].request_counts.completed == 2
    assert len(list(folder.glob("catalog-*.webp"))) == 2


@pytest.mark.parametrize("block", SHELL, ids=[block.heading for block in SHELL])
def test_a_command_runs(
    block: Block, service: Service, folder: Path, environment: dict[str, str]
) -> None:
    code = block.code.replace(ADDRESS, str(service.http.base_url))
    done = run_in_shell(code, folder, environment)
    assert done.returncode == 0, done.stderr
    if block.heading == RECEIVERS:
        assert done.stdout.startswith("whsec_")
    elif block.heading == "A folder":
        assert len(list((folder / "edited").glob("*.png"))) == 2
    else:
        assert (folder / "polled.webp").read_bytes()[8:12] == b"WEBP"


@pytest.fixture(scope="module")
def modules(node_tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which node finds the client and Express."""
    folder = tmp_path_factory.mktemp("recipes")
    (folder / "node_modules").mkdir()
    for package in installed(ROOT / "tests/examples/node").iterdir():
        if not package.name.startswith("."):
            (folder / "node_modules" / package.name).symlink_to(package)
    build_client(folder / "node_modules", node_tools)
    (folder / "zoo").symlink_to(ROOT / "zoo")
    return folder


@pytest.mark.node
def test_a_program_in_javascript_runs(modules: Path, service: Service) -> None:
    code = code_of(JAVASCRIPT, "Another strength of the same photo")
    program = modules / "strength.mjs"
    program.write_text(code.replace(ADDRESS, str(service.http.base_url)))
    done = run("node", program, folder=modules)
    assert (done.returncode, done.stdout.strip()) == (0, "true"), done.stderr
    assert Image.open(modules / "from-node.png").size == SAMPLE_SIZE


@contextmanager
def receiving(command: list[str], folder: Path, secret: str, port: int) -> Iterator[Path]:
    """Run a receiver inside; yield the file of what it prints."""
    env = {**os.environ, "BARET_WEBHOOK_SECRET": secret, "PORT": str(port)}
    printed = folder / f"printed-{port}"
    with printed.open("wb") as file:
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=file, stderr=file)
    try:
        until(lambda: _answers(port), "the receiver to listen")
        yield printed
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(port: int) -> bool:
    try:
        return bool(httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code)
    except httpx.TransportError:
        return False


def check_receiver(command: list[str], folder: Path, service: Service, port: int) -> None:
    """Let the service send a receiver a webhook, twice; then forge one."""
    secret = service.http.get("/v1/webhooks/secret").json()["secret"]
    address = f"http://127.0.0.1:{port}/baret"
    with receiving(command, folder, secret, port) as printed:
        body = {"prompt": SENTENCE, "webhook_url": address, "webhook_events": "edit.succeeded"}
        photo = {"image": (ROOT / "zoo/samples/00-posture.png").read_bytes()}
        edit_id = service.http.post("/v1/edits", data=body, files=photo).json()["id"]
        service.ended(edit_id)
        deliveries = f"/v1/edits/{edit_id}/deliveries"
        service.until(lambda: _attempts(service, deliveries) == [204], "a webhook")
        event = service.http.get(deliveries).json()["data"][0]["id"]
        service.http.post(f"{deliveries}/{event}/replay")
        service.until(lambda: _attempts(service, deliveries) == [204, 204], "it a second time")
        forged = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
        answer = httpx.post(address, json={"type": "x"}, headers=forged, trust_env=False)
        assert answer.status_code == 401
        text = printed.read_text()
        assert text.count(f"edit.succeeded {edit_id}") == 1, text


def _attempts(service: Service, deliveries: str) -> list[int]:
    found = service.http.get(deliveries).json()["data"]
    return [attempt["status"] for one in found for attempt in one["attempts"]]


def test_the_receiver_in_fastapi_verifies_and_handles_each_event_once(
    service: Service, tmp_path: Path
) -> None:
    (tmp_path / "receiver.py").write_text(code_of(PYTHON, RECEIVERS))
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "receiver:app", "--port", str(port)]
    check_receiver(command, tmp_path, service, port)


@pytest.mark.node
def test_the_receiver_in_express_verifies_and_handles_each_event_once(
    service: Service, modules: Path
) -> None:
    (modules / "receiver.mjs").write_text(code_of(JAVASCRIPT, RECEIVERS))
    check_receiver(["node", "receiver.mjs"], modules, service, free_port())
