"""A photo that is sent ahead of its edit, with both clients."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from baret_client import AsyncClient, Client, Conflict, ImageTooLarge, ValidationFailed

PROMPT = "a cat that sits"


@pytest.fixture
def photo(make_image: Callable[..., bytes], tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(make_image())
    return path


def test_an_app_without_a_key_sends_the_photo_of_an_edit(
    server: str, photo: Path, make_key: Callable[..., Any]
) -> None:
    key = make_key()[0]["Authorization"].removeprefix("Bearer ")
    with Client(server, api_key=key) as back_end, Client(server) as app:
        upload = back_end.uploads.create("image/png", size=photo.stat().st_size)
        assert upload.headers == {"Content-Type": "image/png"}
        app.uploads.send(upload, photo)
        edit = back_end.edits.create(upload=upload.id, prompt=PROMPT)
        assert (edit.input.width, edit.status) == (64, "queued")
        with pytest.raises(ValidationFailed):
            back_end.edits.create(upload=upload, prompt=PROMPT)


def test_what_an_upload_does_not_take_is_refused_by_name(client: Client, photo: Path) -> None:
    upload = client.uploads.create("image/png", size=10)
    with pytest.raises(ImageTooLarge):
        client.uploads.send(upload, photo)
    client.uploads.send(upload, b"0123456789")
    with pytest.raises(Conflict):
        client.uploads.send(upload, b"9876543210")


def test_an_edit_has_one_image(client: Client, photo: Path) -> None:
    with pytest.raises(TypeError, match="one of them"):
        client.edits.create(photo, upload="upl_1", prompt=PROMPT)


def test_the_asynchronous_client_sends_it_too(server: str, photo: Path) -> None:
    async def use() -> None:
        async with AsyncClient(server) as client:
            upload = await client.uploads.create("image/png")
            await client.uploads.send(upload, photo)
            edit = await client.edits.create(upload=upload, prompt=PROMPT)
            assert edit.input.height == 64

    asyncio.run(use())
