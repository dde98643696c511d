"""Small studies."""

import json
from pathlib import Path

import pytest
from PIL import Image

from bench.study import folder, pairs
from bench.study.folder import Study
from bench.study.source import Edit
from tests.bench.study.one_colour import make_edits


@pytest.fixture
def edits() -> list[Edit]:
    return make_edits()


@pytest.fixture
def study(tmp_path: Path, edits: list[Edit]) -> Study:
    """Twelve pairs of four methods."""
    return folder.write(tmp_path / "study", pairs.draw(edits, 12, 0), 0, {"source": "a test"})


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of three photos: edited by `ours` all, by `theirs` all but the last."""
    mine = tmp_path / "mine"
    for method, ids in (("ours", "abc"), ("theirs", "ab")):
        (mine / "edits" / method).mkdir(parents=True)
        for key in ids:
            Image.new("RGB", (32, 32), "red").save(mine / "edits" / method / f"{key}.png")
    (mine / "photos").mkdir()
    for key in "abc":
        Image.new("RGB", (32, 32), "blue").save(mine / "photos" / f"{key}.jpg")
    prompts = {key: f"a photo of {key}" for key in "abc"}
    (mine / "prompts.json").write_text(json.dumps(prompts))
    return mine
