"""The bundled model, and a sample photo that it was not trained on."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

from baret import Editor
from tests.support.small_model import small_model

# OpenMP threads spin, and stall each other when they share a core with another process.
torch.set_num_threads(1)

SAMPLES = Path(__file__).parents[2] / "zoo" / "samples"


@dataclass(frozen=True)
class Sample:
    image: Image.Image
    answer: Image.Image  # the same scene, drawn as the prompt says
    caption: str
    prompt: str


@pytest.fixture(scope="session")
def editor() -> Editor:
    return Editor.from_pretrained("zoo", device="cpu", dtype="float32")


@pytest.fixture(scope="session")
def small_editor() -> Editor:
    """Return an editor with a small UNet, for what does not depend on what is drawn."""
    return Editor(small_model())


@pytest.fixture(scope="session")
def sample() -> Sample:
    first = json.loads((SAMPLES / "index.json").read_text())[0]
    image, answer = (Image.open(SAMPLES / first[name]) for name in ("file", "answer"))
    return Sample(image, answer, first["caption"], first["prompt"])
