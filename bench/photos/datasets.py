"""TEDBench and PIE-Bench as they are published, each a list of tasks.

TEDBench (Imagic, arXiv 2210.09276; github.com/imagic-editing/imagic-editing.github.io, folder
`tedbench/`): 100 edits of 40 photos, most of them non-rigid, a target text each and no caption.

    tedbench/input_list.json     [{"img_name": "zebra.jpeg", "target_text": "A photo of a horse."}]
    tedbench/originals/zebra.jpeg

It comes without evaluation code, so no network is the right one: figures compare only where CLIP,
LPIPS's net and the size of the pictures are the same.

PIE-Bench (Direct Inversion, arXiv 2310.01506; github.com/cure-lab/PnPInversion, "Benchmark
Download"): 700 pictures in ten kinds, with a caption, a target text and a mask of what an edit may
change.

    data/mapping_file.json       {"000000000000": {"image_path", "original_prompt",
                                  "editing_prompt", "editing_type_id", "mask", …}}
    data/annotation_images/0_random_140/000000000000.jpg
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from baret.images import to_rgb
from bench.photos.errors import DatasetError

SIDE = 512  # pixels; PIE-Bench's pictures and masks, and what PnPInversion edits and scores

TEDBENCH_HELP = (
    "Clone github.com/imagic-editing/imagic-editing.github.io and give its folder tedbench/, "
    "with input_list.json and originals/."
)
PIE_BENCH_HELP = (
    "Ask for PIE-Bench by the form that github.com/cure-lab/PnPInversion links under "
    '"Benchmark Download" and give its folder data/, with mapping_file.json and annotation_images/.'
)

# PnPInversion's README, by `editing_type_id`.
KINDS = {
    "0": "random",
    "1": "change object",
    "2": "add object",
    "3": "delete object",
    "4": "change content",
    "5": "change pose",
    "6": "change colour",
    "7": "change material",
    "8": "change background",
    "9": "change style",
}


@dataclass(frozen=True)
class Task:
    """One edit that a dataset asks for."""

    key: str  # a file's name without its suffix
    kind: str
    picture: Path
    prompt: str  # the target text
    caption: str | None = None  # of the photo; only metrics see it, never a method
    runs: tuple[int, ...] | None = None  # of the mask, see `decode_mask`

    def photo(self) -> Image.Image:
        """The photo at 512×512, cut to its central square as PnPInversion's `load_512` cuts it.

        Raises:
            DatasetError: the file is no picture.
        """
        try:
            with Image.open(self.picture) as file:
                rgb = to_rgb(file)
        except (OSError, UnidentifiedImageError, ValueError) as error:
            raise DatasetError(
                f"{self.picture} is no picture that can be read; download it again."
            ) from error
        return ImageOps.fit(rgb, (SIDE, SIDE), Image.Resampling.BICUBIC)

    def mask(self) -> NDArray[np.bool_] | None:
        """Where the edit may change the photo, [512, 512]; None where the dataset has no masks."""
        return None if self.runs is None else decode_mask(self.runs)


def load_tedbench(folder: Path) -> list[Task]:
    """The tasks of TEDBench.

    Raises:
        DatasetError: the folder is not as published; the message says what to do.
    """
    entries = _read_json(folder, "input_list.json", list, TEDBENCH_HELP)
    tasks = []
    for i, entry in enumerate(entries):
        name, text = _texts(entry, ("img_name", "target_text"), f"entry {i}", TEDBENCH_HELP)
        key = f"{i:03}-{re.sub(r'[^A-Za-z0-9]+', '-', Path(name).stem)}"
        tasks.append(Task(key, "all", folder / "originals" / name, text.strip()))
    return _checked(tasks, folder / "originals", TEDBENCH_HELP)


def load_pie_bench(folder: Path) -> list[Task]:
    """The tasks of PIE-Bench.

    Raises:
        DatasetError: the folder is not as published; the message says what to do.
    """
    entries = _read_json(folder, "mapping_file.json", dict, PIE_BENCH_HELP)
    names = ("image_path", "original_prompt", "editing_prompt", "editing_type_id")
    tasks = []
    for key, entry in entries.items():
        path, caption, prompt, kind = _texts(entry, names, f"entry {key!r}", PIE_BENCH_HELP)
        if not re.fullmatch(r"[\w-]+", key) or kind not in KINDS:
            raise DatasetError(
                f"Entry {key!r} of mapping_file.json has no plain name, or the editing_type_id "
                f"{kind!r} where 0 to 9 are known. {PIE_BENCH_HELP}"
            )
        tasks.append(
            Task(
                key=key,
                kind=f"{kind} {KINDS[kind]}",
                picture=folder / "annotation_images" / path,
                # The brackets mark what differs; PnPInversion's evaluation takes them out too.
                prompt=re.sub(r"[\[\]]", "", prompt).strip(),
                caption=re.sub(r"[\[\]]", "", caption).strip(),
                runs=_runs(entry, key),
            )
        )
    return _checked(tasks, folder / "annotation_images", PIE_BENCH_HELP)


DATASETS: dict[str, Callable[[Path], list[Task]]] = {
    "tedbench": load_tedbench,
    "pie-bench": load_pie_bench,
}


def spread(tasks: Sequence[Task], count: int | None) -> list[Task]:
    """So many tasks, evenly spaced, so that every kind is among them; None takes all."""
    if count is None or count >= len(tasks):
        return list(tasks)
    return [tasks[i * len(tasks) // count] for i in range(count)]


def decode_mask(runs: Sequence[int]) -> NDArray[np.bool_]:
    """PIE-Bench's mask: pairs of a start in the flattened picture and a length, true inside.

    The outermost pixels count as inside, "to avoid annotation errors in boundary" (PnPInversion,
    evaluation/evaluate.py). A run that reaches beyond the picture ends with it.
    """
    flat = np.zeros(SIDE * SIDE, dtype=np.bool_)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        flat[start : start + length] = True
    mask = flat.reshape(SIDE, SIDE)
    mask[[0, -1], :] = True
    mask[:, [0, -1]] = True
    return mask


def _read_json(folder: Path, name: str, kind: type, advice: str) -> Any:
    path = folder / name
    if not path.is_file():
        what = "is no folder" if not folder.is_dir() else f"has no {name}"
        raise DatasetError(f"{folder} {what}. {advice}")
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is no JSON: {error}. {advice}") from error
    if not isinstance(found, kind) or not found:
        raise DatasetError(f"{path} is no JSON {kind.__name__} with entries. {advice}")
    return found


def _texts(entry: Any, names: Sequence[str], where: str, advice: str) -> list[str]:
    found = [entry.get(name) for name in names] if isinstance(entry, dict) else []
    values = [value for value in found if isinstance(value, str) and value]
    if len(values) < len(names):
        raise DatasetError(f"In the list, {where} lacks a text in {', '.join(names)}. {advice}")
    return values


def _runs(entry: Any, key: str) -> tuple[int, ...]:
    runs = entry.get("mask")
    good = (
        isinstance(runs, list)
        and len(runs) % 2 == 0
        and all(type(number) is int and number >= 0 for number in runs)
        and all(start < SIDE * SIDE for start in runs[::2])
    )
    if not good:
        raise DatasetError(
            f"The mask of entry {key!r} is no list of pairs (start, length) in a {SIDE}×{SIDE} "
            f"picture. {PIE_BENCH_HELP}"
        )
    return tuple(runs)


def _checked(tasks: list[Task], folder: Path, advice: str) -> list[Task]:
    """All pictures are there and lie in their folder."""
    inside = folder.resolve()
    missing = [
        task.picture.name
        for task in tasks
        if not task.picture.is_file() or not task.picture.resolve().is_relative_to(inside)
    ]
    if missing:
        shown = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise DatasetError(f"{folder} lacks {len(missing)} pictures of the list: {shown}. {advice}")
    return tasks
