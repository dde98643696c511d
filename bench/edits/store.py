"""Results by case, kept in a folder: what is there already is not made again.

A result belongs to a model, a method's code and settings, and a case, and is found under digests
of them: `<model>/<method>-<settings>/<case>.json`, with the pictures beside it.
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
from bench.edits.model import BatchModel

_HERE = Path(__file__).parent
_BARET = Path(baret.__file__).parent
_PEERS_SHARE = (
    "attention.py",
    "lockstep.py",
    "sampling.py",
    "peers/prompt_to_prompt.py",
    "peers/words.py",
)


@dataclass(frozen=True)
class Spent:
    """What one picture cost; a batch's cost divided by its pictures."""

    seconds: float
    calls: float  # rows of the UNet, forward
    backward: float  # rows of the UNet, backward


@dataclass(frozen=True)
class Result:
    """What a method made of one case."""

    picture: Pixels  # [H, W, 3]
    reconstruction: Pixels | None  # [H, W, 3]
    spent: Spent | None  # None where an inversion was shared between settings


class Store:
    """The results of one method with one setting on one model."""

    def __init__(self, root: Path, model: BatchModel, name: str, settings: str):
        """Keep them under a folder; `settings` is of `settings_digest`."""
        where = f"{model.model.identity[:12]}-{model.model.device.type}"
        dtype = str(model.model.dtype).removeprefix("torch.")
        self.folder = root / f"{where}-{dtype}" / f"{name}-{settings}"

    def load(self, key: str) -> Result | None:
        """A case's result; None where there is none yet."""
        path = self.folder / f"{key}.json"
        if not path.is_file():
            return None
        told = json.loads(path.read_text())
        rebuilt = self.folder / f"{key}-rebuilt.png"
        return Result(
            _read(self.folder / f"{key}.png"),
            _read(rebuilt) if rebuilt.is_file() else None,
            Spent(**told["spent"]) if told["spent"] else None,
        )

    def save(self, key: str, result: Result) -> None:
        """Keep a result; the JSON comes last, so that half a result is none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(result.picture).save(self.folder / f"{key}.png")
        if result.reconstruction is not None:
            Image.fromarray(result.reconstruction).save(self.folder / f"{key}-rebuilt.png")
        told = {"spent": asdict(result.spent) if result.spent else None}
        partial = self.folder / f"{key}.json.part"
        partial.write_text(json.dumps(told))
        partial.rename(self.folder / f"{key}.json")


def _read(path: Path) -> Pixels:
    return np.array(Image.open(path).convert("RGB"))


def settings_digest(run: Callable[..., Any], options: Any) -> str:
    """A digest of a method's code and settings; comments and docstrings do not count."""
    digest = hashlib.sha256(repr(options).encode())
    for path in _code(run.__module__):
        digest.update(ast.dump(_bare(ast.parse(path.read_text("utf-8")))).encode())
    return digest.hexdigest()[:12]


def _code(module: str) -> list[Path]:
    """The files that decide what a method does: a peer's own and shared ones; else BARET's."""
    own = _HERE.parents[1] / Path(*module.split(".")).with_suffix(".py")
    if ".peers." in module:
        return [own, *(_HERE / name for name in _PEERS_SHARE)]
    return [own, *sorted(_BARET.glob("*.py"))]


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            del node.body[0]
    return tree
