"""The asynchronous client does what the other does."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from baret_client import AsyncClient, AsyncEdit, Client, Edit, NotFound, ServiceUnreachable
from baret_client.async_edits import AsyncEdits
from baret_client.edits import Edits

PROMPT = "a cat that sits"


def test_both_clients_have_the_same_methods_and_arguments() -> None:
    for one, other in ((Edits, AsyncEdits), (Edit, AsyncEdit), (Client, AsyncClient)):
        assert _arguments(one) == _arguments(other)


def _arguments(cls: type) -> dict[str, list[str]]:
    methods = inspect.getmembers(cls, inspect.isfunction)
    return {
        name: list(inspect.signature(method).parameters)
        for name, method in methods
        if not name.startswith("_") or name == "__init__"
    }


def test_an_edit_from_its_creation_to_its_deletion(
    server: str, make_image: Callable[..., bytes], finish: Callable[..., Any]
) -> None:
    async def use() -> None:
        async with AsyncClient(server) as client:
            edit = await client.edits.create(make_image(), prompt=PROMPT, artifacts=True)
            follower = asyncio.create_task(_kinds(edit))
            await asyncio.to_thread(finish)
            done = await edit.wait()
            assert done.outputs[0].bytes == len(await done.image())
            assert await follower == ["status", "status", "done"]
            assert [one.id async for one in client.edits.list()] == [edit.id]
            await edit.delete()
            with pytest.raises(NotFound):
                await edit.refresh()
            assert (await client.models.list())[0].id == "zoo"
            assert (await client.webhooks.secret()).secret.startswith("whsec_")

    asyncio.run(use())


async def _kinds(edit: AsyncEdit) -> list[str]:
    return [event.type async for event in edit.stream()]


def test_many_edits_wait_side_by_side(
    server: str, make_image: Callable[..., bytes], finish: Callable[..., Any]
) -> None:
    async def use() -> list[str]:
        async with AsyncClient(server) as client:
            image = make_image()
            edits = [await client.edits.create(image, prompt=PROMPT) for _ in range(3)]
            waits = [asyncio.create_task(edit.wait()) for edit in edits]
            for _ in edits:
                await asyncio.to_thread(finish)
            return [edit.status for edit in await asyncio.gather(*waits)]

    assert asyncio.run(use()) == ["succeeded"] * 3


def test_a_service_that_is_away_is_named() -> None:
    async def use() -> None:
        async with AsyncClient("http://127.0.0.1:1", max_retries=1) as client:
            await client.models.list()

    with pytest.raises(ServiceUnreachable, match="does not answer"):
        asyncio.run(use())
