"""Results by case, stored in a folder so that a run resumes.

A result is stored under digests of the model, of the method's code and settings, and of the case:
`<model>/<method>-<settings>/<case>.json`, with the images next to it.
"""

import ast
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import baret
from baret.images import Pixels
from bench.common.files import write_whole
from bench.edits.model import BatchModel

_HERE = Path(__file__).parent
_BARET = Path(baret.__file__).parent
_SHARED_BY_PEERS = (
    "attention.py",
    "lockstep.py",
    "sampling.py",
    "peers/prompt_to_prompt.py",
    "peers/alignment.py",
    "peers/ddim.py",
)


@dataclass(frozen=True)
class CostPerImage:
    """The cost of one image: that of its batch divided by the number of images."""

    seconds: float
    calls: float  # rows of the UNet, forward
    backward: float  # rows of the UNet, backward


@dataclass(frozen=True)
class Result:
    """The output of a method for one case."""

    image: Pixels  # [H, W, 3]
    reconstruction: Pixels | None  # [H, W, 3]
    spent: CostPerImage | None  # None if the inversion was shared between settings


class ResultFolder:
    """The stored results of one method with one setting on one model."""

    def __init__(self, root: Path, model: BatchModel, name: str, settings: str):
        """Store them under a folder; `settings` comes from `settings_digest`."""
        dtype = str(model.model.dtype).removeprefix("torch.")
        model_name = f"{model.model.identity[:12]}-{model.model.device.type}-{dtype}"
        self.folder = root / model_name / f"{name}-{settings}"

    def load(self, key: str) -> Result | None:
        """Return the result of a case; None if there is none yet."""
        path = self.folder / f"{key}.json"
        if not path.is_file():
            return None
        data = json.loads(path.read_text())
        rebuilt = self.folder / f"{key}-rebuilt.png"
        return Result(
            _read(self.folder / f"{key}.png"),
            _read(rebuilt) if rebuilt.is_file() else None,
            CostPerImage(**data["spent"]) if data["spent"] else None,
        )

    def save(self, key: str, result: Result) -> None:
        """Store a result; the JSON is written last, so that half a result does not count."""
        self.folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(result.image).save(self.folder / f"{key}.png")
        if result.reconstruction is not None:
            Image.fromarray(result.reconstruction).save(self.folder / f"{key}-rebuilt.png")
        data = {"spent": asdict(result.spent) if result.spent else None}
        write_whole(self.folder / f"{key}.json", json.dumps(data))


def _read(path: Path) -> Pixels:
    return np.array(Image.open(path).convert("RGB"))


def settings_digest(run: Callable[..., Any], options: Any) -> str:
    """Return a digest of a method's code and settings, without comments and docstrings."""
    digest = hashlib.sha256(repr(options).encode())
    for path in _source_files(run.__module__):
        digest.update(ast.dump(_without_docstrings(ast.parse(path.read_text("utf-8")))).encode())
    return digest.hexdigest()[:12]


def _source_files(module: str) -> list[Path]:
    """Return the files that decide what a method does: its own and those it builds on."""
    own = _HERE.parents[1] / Path(*module.split(".")).with_suffix(".py")
    if ".peers." in module:
        return [own, *(_HERE / name for name in _SHARED_BY_PEERS)]
    return [own, *sorted(_BARET.rglob("*.py"))]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            del node.body[0]
    return tree
