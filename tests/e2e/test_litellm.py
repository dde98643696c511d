"""LiteLLM's proxy in front of the service, as docs/openai.md configures it."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
from openai import APIStatusError, OpenAI
from PIL import Image

from core.access.api_keys import Keyring, NewApiKey
from tests.support.doc_code import blocks
from tests.support.litellm_proxy import LiteLLM
from tests.support.samples import QUICK
from tests.support.service import Service, running_service

pytestmark = pytest.mark.slow

(CONFIG,) = (block.code for block in blocks("openai.md", "yaml"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service")) as service:
        service.have_workers(1)
        yield service


@pytest.fixture(scope="module")
def key(service: Service) -> str:
    """Return the proxy's key at the service."""
    return Keyring(service.redis).create(NewApiKey("litellm"))[0]


@pytest.fixture(scope="module")
def client(service: Service, key: str) -> Iterator[OpenAI]:
    config = service.data / "litellm.yaml"
    address = str(service.http.base_url)
    config.write_text(CONFIG.replace("http://127.0.0.1:8000", address).replace("baret_sk_…", key))
    proxy = LiteLLM(config)
    proxy.start()
    with OpenAI(base_url=proxy.url, api_key=proxy.key, max_retries=0) as client:
        yield client
    proxy.stop()


def image_of(data: str | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def test_an_edit_through_the_proxy_has_the_images_that_were_asked_for(
    client: OpenAI, service: Service, key: str, sample: dict[str, Any], photo: bytes
) -> None:
    assert [model.id for model in client.models.list()] == ["photo-edits"]
    result = client.images.edit(
        model="photo-edits",
        image=("photo.png", photo),
        prompt=sample["prompt"],
        n=2,
        extra_body=QUICK | {"inner_steps": 3},  # without tuning all strengths are alike
    )
    images = [image_of(one.b64_json) for one in result.data or ()]
    assert {image.size for image in images} == {Image.open(io.BytesIO(photo)).size}
    assert len(images) == 2
    assert images[0].tobytes() != images[1].tobytes()
    bearer = {"Authorization": f"Bearer {key}"}
    (edit,) = service.http.get("/v1/edits", headers=bearer).json()["data"]
    assert edit["params"]["num_inference_steps"] == QUICK["num_inference_steps"]


def test_a_refusal_reaches_the_client_with_its_reason(
    client: OpenAI, sample: dict[str, Any], photo: bytes
) -> None:
    with pytest.raises(APIStatusError) as refused:
        client.images.edit(
            model="photo-edits", image=photo, prompt=sample["prompt"], size="1024x1024"
        )
    assert "An edit has its photo's size" in str(refused.value)
