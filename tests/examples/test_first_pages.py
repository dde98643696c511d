"""The Python of README.md, start.md and client/README.md: it runs as it stands."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.doc_code import Block, blocks
from tests.support.samples import SAMPLE_SIZE
from tests.support.service import Service

ADDRESS = "http://127.0.0.1:8000"  # of the service, on the pages
PAGES = ("../README.md", "start.md", "../client/README.md")
BLOCKS = [(page, one) for page in PAGES for one in blocks(page, "python")]


@pytest.mark.parametrize(
    ("page", "block"), BLOCKS, ids=[f"{page} {block.heading}" for page, block in BLOCKS]
)
def test_an_example_runs(
    page: str, block: Block, service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    Path("photo.jpg").write_bytes(Path("zoo/samples/00-posture.png").read_bytes())
    monkeypatch.setenv("BARET_DEVICE", "cpu")
    code = block.code.replace(ADDRESS, str(service.http.base_url))
    exec(compile(code, page, "exec"), {"__name__": "example"})  # noqa: S102
    assert Image.open("after.png").size == SAMPLE_SIZE
    Path("after.png").unlink()
