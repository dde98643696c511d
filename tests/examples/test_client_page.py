"""Every example in docs/client.md runs, one after another, against a service with a worker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import baret_client
import pytest
from baret_client import ProblemError, ServiceUnreachable
from baret_client.errors import BY_CODE, BY_STATUS
from fastapi.testclient import TestClient

from tests.support.doc_code import Block, blocks
from tests.support.doc_tables import DOCS
from tests.support.service import Service

PAGE = "client.md"
BLOCKS = blocks(PAGE, "python")
ADDRESS = "http://127.0.0.1:8000"  # of the service, on the page


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
    code = block.code.replace(ADDRESS, str(service.http.base_url))
    exec(compile(code, f"{PAGE}: {block.heading}", "exec"), names)  # noqa: S102


def test_the_examples_left_what_they_say(names: dict[str, Any], folder: Path) -> None:
    assert (folder / "after.png").stat().st_size and (folder / "bird-1.0.webp").stat().st_size
    assert (folder / "preview.webp").read_bytes()[8:12] == b"WEBP"
    assert names["weaker"].metrics.inversion_reused
    assert len(names["images"]) == 2
    answer = TestClient(names["app"]).post("/baret", content=b"{}")
    assert answer.status_code == 401


def test_the_page_names_every_exception() -> None:
    page = (DOCS / PAGE).read_text("utf-8")
    general = {ProblemError}
    kinds = {*BY_CODE.values(), *BY_STATUS.values(), ServiceUnreachable} - general
    assert [one.__name__ for one in kinds if f"`{one.__name__}`" not in page] == []
    assert [one.__name__ for one in kinds if not hasattr(baret_client, one.__name__)] == []
