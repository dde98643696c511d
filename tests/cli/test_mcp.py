"""`baret mcp` with the SDK's own client, over stdio and HTTP, against the real application."""

import asyncio
import base64
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from PIL import Image

from core.images.storage import ImageStorage
from core.schema import EditStatus, Result, StoredImage
from core.settings import Settings
from core.store.edits import EditStore
from deploy.local.ports import free_port
from tests.support.commands import ROOT
from tests.support.waiting import PATIENCE, until

Finish = Callable[..., Any]
PROMPT = "a cat that sits"


def environment(server: str) -> dict[str, str]:
    paths = f"{ROOT}:{ROOT / 'client'}:{os.environ.get('PYTHONPATH', '')}"
    return {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "BARET_SERVER": server}


@pytest.fixture
def over_stdio(server: str) -> Callable[[], Client]:
    """Return a function that makes a client of a `baret mcp` of its own."""
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "cli", "mcp"], env=environment(server), cwd=ROOT
    )
    return lambda: Client(stdio_client(command))


@pytest.fixture
def address(server: str) -> Iterator[str]:
    """Yield the address of a running `baret mcp --http`."""
    port = free_port()
    command = [sys.executable, "-m", "cli", "mcp", "--http", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(server))
    url = f"http://127.0.0.1:{port}/mcp"

    def answers() -> bool:
        assert process.poll() is None
        try:
            return httpx.get(url, trust_env=False).status_code > 0
        except httpx.TransportError:
            return False

    try:
        until(answers, "the MCP server to answer")
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)


@contextmanager
def working(store: EditStore, finish: Finish, **outcome: Any) -> Iterator[None]:
    """Do a worker's part for one edit beside the block."""

    def work() -> None:
        until(lambda: store.waiting("zoo", longer_than=0, limit=1), "an edit to wait")
        finish(**outcome)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def run(steps: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(steps, PATIENCE))


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def test_a_file_is_edited_and_read_as_a_resource(
    over_stdio: Callable[[], Client], photo: Path, store: EditStore, finish: Finish
) -> None:
    async def steps() -> tuple[Any, ...]:
        async with over_stdio() as client:
            tools = (await client.list_tools()).tools
            arguments = {"image": str(photo), "prompt": PROMPT, "strength": 0.5}
            done = await client.call_tool("edit_photo", arguments)
            about = json.loads(done.content[-1].text)
            image = await client.read_resource(about["resource"])
            edit = await client.read_resource(f"baret://edits/{about['edit']}")
            return tools, done, about, image.contents[0], json.loads(edit.contents[0].text)

    with working(store, finish):
        (tool,), done, about, resource, edit = run(steps())
    assert tool.name == "edit_photo"
    assert set(tool.input_schema["required"]) == {"image", "prompt"}
    assert not done.is_error
    inline, _ = done.content
    shown = base64.b64decode(inline.data)
    assert (inline.type, inline.mime_type) == ("image", "image/png")
    assert Image.open(io.BytesIO(shown)).size == (64, 64)
    assert base64.b64decode(resource.blob) == shown
    assert httpx.get(about["url"], trust_env=False).content == shown
    assert (edit["prompt"], edit["params"]["strength"]) == (PROMPT, 0.5)


def test_over_http_an_image_is_edited_and_no_file_is_read(
    address: str, photo: Path, store: EditStore, finish: Finish
) -> None:
    async def steps() -> tuple[Any, Any]:
        async with Client(address) as client:
            image = data_url(photo.read_bytes())
            done = await client.call_tool("edit_photo", {"image": image, "prompt": PROMPT})
            refused = await client.call_tool("edit_photo", {"image": str(photo), "prompt": PROMPT})
            return done, refused

    with working(store, finish):
        done, refused = run(steps())
    assert [one.type for one in done.content] == ["image", "text"]
    assert refused.is_error
    assert "data: URL" in refused.content[0].text


def test_what_the_service_refuses_or_cannot_do_is_told_to_the_assistant(
    over_stdio: Callable[[], Client], photo: Path, store: EditStore, finish: Finish
) -> None:
    problem = {"type": "/docs/problems/content_rejected", "title": "Rejected", "status": 422}
    problem |= {"detail": "Change the prompt.", "code": "content_rejected"}

    async def steps() -> list[Any]:
        async with over_stdio() as client:
            wrong = {"image": str(photo), "prompt": PROMPT, "preset": "oil"}
            missing = {"image": str(photo.with_name("none.png")), "prompt": PROMPT}
            failing = {"image": str(photo), "prompt": PROMPT}
            return [
                await client.call_tool("edit_photo", arguments)
                for arguments in (wrong, missing, failing)
            ]

    with working(store, finish, status=EditStatus.FAILED, error=problem):
        results = run(steps())
    assert all(result.is_error for result in results)
    wrong, missing, failing = (result.content[0].text for result in results)
    assert "preset" in wrong and "non_rigid" in wrong
    assert "none.png" in missing
    assert "Change the prompt." in failing


def test_a_call_that_is_canceled_cancels_its_edit(
    over_stdio: Callable[[], Client], photo: Path, store: EditStore
) -> None:
    def waiting() -> list[str]:
        return until(lambda: store.waiting("zoo", longer_than=0, limit=1), "an edit to wait")

    async def steps() -> str:
        async with over_stdio() as client:
            arguments = {"image": str(photo), "prompt": PROMPT}
            call = asyncio.create_task(client.call_tool("edit_photo", arguments))
            (edit_id,) = await asyncio.to_thread(waiting)
            call.cancel()

            def canceled() -> bool:
                return store.get(edit_id, caller="local").status is EditStatus.CANCELED

            await asyncio.to_thread(until, canceled, "the edit to be canceled")
            return edit_id

    assert run(steps())


def test_a_large_image_comes_by_its_address(
    over_stdio: Callable[[], Client], photo: Path, store: EditStore, settings: Settings
) -> None:
    large = os.urandom(1024 * 1024 + 1)

    def work() -> None:
        until(lambda: store.waiting("zoo", longer_than=0, limit=1), "an edit to wait")
        claim = store.claim("zoo")
        assert claim is not None
        ImageStorage(settings.images_url).put(claim.id, "output-0.png", large)
        image = StoredImage(
            name="output-0.png",
            strength=0.7,
            width=64,
            height=64,
            content_type="image/png",
            sha256="0" * 64,
            bytes=len(large),
        )
        store.finish(claim, EditStatus.SUCCEEDED, result=Result(outputs=[image]))

    async def steps() -> Any:
        async with over_stdio() as client:
            return await client.call_tool("edit_photo", {"image": str(photo), "prompt": PROMPT})

    worker = threading.Thread(target=work)
    worker.start()
    done = run(steps())
    worker.join()
    (text,) = done.content
    assert json.loads(text.text)["url"].startswith("http://127.0.0.1")
