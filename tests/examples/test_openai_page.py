"""Every example in docs/openai.md runs, one after another, with the official package."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.doc_code import Block, blocks
from tests.support.service import Service

PAGE = "openai.md"
BLOCKS = blocks(PAGE, "python")
ADDRESS = "http://127.0.0.1:8000"  # of the service, on the page
KEY = "baret_sk_…"  # the service of the tests needs none


@pytest.fixture(scope="module")
def names() -> Iterator[dict[str, Any]]:
    """Yield the names that the examples define, in order."""
    names: dict[str, Any] = {"__name__": "example"}
    yield names
    names["client"].close()


@pytest.mark.parametrize("block", BLOCKS, ids=[block.heading for block in BLOCKS])
def test_an_example_runs(
    block: Block,
    names: dict[str, Any],
    service: Service,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    code = block.code.replace(ADDRESS, str(service.http.base_url)).replace(KEY, "unused")
    exec(compile(code, f"{PAGE}: {block.heading}", "exec"), names)  # noqa: S102


def test_the_examples_left_what_they_say(names: dict[str, Any]) -> None:
    assert names["event"].type == "image_edit.completed"
    assert names["result"].data[0].b64_json


def test_the_error_is_the_pages(service: Service, make_image: Callable[..., bytes]) -> None:
    (block,) = blocks(PAGE, "json")
    answer = service.http.post(
        "/v1/images/edits",
        data={"prompt": "a photo of a cat", "size": "1024x1024"},
        files={"image": ("photo.png", make_image(size=(640, 480)))},
    )
    assert (answer.status_code, answer.json()) == (422, json.loads(block.code))
