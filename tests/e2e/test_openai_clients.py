"""The official `openai` package against the running service, with another address and key."""

import asyncio
import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, AsyncOpenAI, OpenAI
from PIL import Image

from tests.support.samples import QUICK
from tests.support.service import Process, Service

EXTRA: dict[str, Any] = {**QUICK}


@pytest.fixture
def address(service: Service, worker: Process) -> str:
    return f"{service.http.base_url}/v1"


@pytest.fixture
def client(address: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=address, api_key="unused", max_retries=0) as client:
        yield client


def image_of(data: str | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    image.load()
    return image


def test_an_edit_is_made_with_the_base_url_and_the_model_changed(
    client: OpenAI, sample: dict[str, Any], photo: bytes
) -> None:
    (model,) = client.models.list()
    assert model == client.models.retrieve("zoo")
    result = client.images.edit(
        model="zoo",
        image=("photo.png", photo),
        prompt=sample["prompt"],
        n=2,
        user="user-42",
        extra_body=EXTRA | {"inner_steps": 3},  # without tuning all strengths are alike
    )
    images = [image_of(one.b64_json) for one in result.data or ()]
    assert [image.format for image in images] == ["PNG", "PNG"]
    assert images[0].tobytes() != images[1].tobytes()
    assert {image.size for image in images} == {Image.open(io.BytesIO(photo)).size}
    assert result.usage is not None and result.usage.total_tokens == 0


def test_an_edit_is_made_asynchronously_and_fetched_by_its_address(
    address: str, service: Service, sample: dict[str, Any], photo: bytes
) -> None:
    async def run() -> str:
        async with AsyncOpenAI(base_url=address, api_key="unused") as client:
            result = await client.images.edit(
                image=[("photo.png", photo)],
                prompt=sample["prompt"],
                response_format="url",
                output_format="jpeg",
                output_compression=70,
                extra_body={**EXTRA, "strength": [0.4], "metadata": {"order": "by address"}},
            )
        (image,) = result.data or ()
        assert image.url is not None
        return image.url

    answer = service.http.get(asyncio.run(run()))
    assert answer.headers["content-type"] == "image/jpeg"
    listing = service.http.get("/v1/edits", params={"metadata[order]": "by address"}).json()["data"]
    assert [edit["params"]["strength"] for edit in listing] == [0.4]


def test_a_stream_ends_with_the_finished_image(
    client: OpenAI, sample: dict[str, Any], photo: bytes
) -> None:
    stream = client.images.edit(
        image=("photo.png", photo),
        prompt=sample["prompt"],
        stream=True,
        partial_images=2,
        extra_body={**EXTRA, "num_inference_steps": 10},
    )
    *partial, last = list(stream)
    assert [event.type for event in partial] == ["image_edit.partial_image"] * len(partial)
    assert 1 <= len(partial) <= 2
    for event in (*partial, last):
        image = image_of(event.b64_json)
        assert (image.format, f"{image.width}x{image.height}") == ("PNG", event.size)
    assert last.type == "image_edit.completed"
    assert last.usage.total_tokens == 0


def test_an_asynchronous_stream_ends_with_the_finished_image(
    address: str, sample: dict[str, Any], photo: bytes
) -> None:
    async def run() -> list[str]:
        async with AsyncOpenAI(base_url=address, api_key="unused") as client:
            stream = await client.images.edit(
                image=("photo.png", photo), prompt=sample["prompt"], stream=True, extra_body=EXTRA
            )
            return [event.type async for event in stream]

    assert asyncio.run(run()) == ["image_edit.completed"]


def test_a_refusal_is_the_clients_own_error(
    client: OpenAI, sample: dict[str, Any], photo: bytes
) -> None:
    with pytest.raises(APIStatusError) as refused:
        client.images.edit(image=photo, prompt=sample["prompt"], size="1024x1024")
    error = refused.value
    assert (error.status_code, error.code, error.param) == (422, "validation_error", "size")
    assert error.request_id


def test_a_request_is_not_sent_again_once_its_edit_is_accepted(
    address: str, service: Service, sample: dict[str, Any], photo: bytes
) -> None:
    retrying = OpenAI(base_url=address, api_key="unused", max_retries=2)
    named = {"metadata": {"wait": "none"}}
    with retrying as client, pytest.raises(APIStatusError) as over:
        client.images.edit(
            image=photo,
            prompt=sample["prompt"],
            extra_body=EXTRA | named,
            extra_headers={"Prefer": "wait=0"},
        )
    assert over.value.status_code == 504
    (edit,) = service.http.get("/v1/edits", params={"metadata[wait]": "none"}).json()["data"]
    assert edit["id"] in str(over.value)
    service.cancel(edit["id"])
