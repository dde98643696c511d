"""TEDBench and PIE-Bench as published, each as a list of tasks.

TEDBench (Imagic, arXiv 2210.09276; github.com/imagic-editing/imagic-editing.github.io, folder
`tedbench/`): 100 edits of 40 photos, most of them non-rigid, each with a target text, no captions.

    tedbench/input_list.json     [{"img_name": "zebra.jpeg", "target_text": "A photo of a horse."}]
    tedbench/originals/zebra.jpeg

It has no evaluation code and names no networks, so figures are comparable only with the same CLIP,
the same LPIPS net and the same size of the images.

PIE-Bench (Direct Inversion, arXiv 2310.01506; github.com/cure-lab/PnPInversion, "Benchmark
Download"): 700 photos of ten kinds of edit, each with a caption, a target text and a mask of the
pixels that the edit may change.

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

SIDE = 512  # pixels; of PIE-Bench's photos and masks, and of what PnPInversion edits and scores

TEDBENCH_HELP = (
    "Clone github.com/imagic-editing/imagic-editing.github.io and give its folder tedbench/, "
    "with input_list.json and originals/."
)
PIE_BENCH_HELP = (
    "Ask for PIE-Bench with the form that github.com/cure-lab/PnPInversion links under "
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
    """One edit of a dataset."""

    key: str  # a file's name without its suffix
    kind: str
    photo_path: Path
    prompt: str  # the target text
    caption: str | None = None  # of the photo; for metrics only, no method receives it
    mask_runs: tuple[int, ...] | None = None  # see `decode_mask`

    def photo(self) -> Image.Image:
        """Read the photo at 512×512, cropped to its central square as by PnPInversion's `load_512`.

        Raises:
            DatasetError: the file is not an image.
        """
        try:
            with Image.open(self.photo_path) as file:
                rgb = to_rgb(file)
        except (OSError, UnidentifiedImageError, ValueError) as error:
            raise DatasetError(
                f"{self.photo_path} is not an image that can be read; download it again."
            ) from error
        return ImageOps.fit(rgb, (SIDE, SIDE), Image.Resampling.BICUBIC)

    def mask(self) -> NDArray[np.bool_] | None:
        """Return the mask of what the edit may change, [512, 512]; None without masks."""
        return None if self.mask_runs is None else decode_mask(self.mask_runs)


def load_tedbench(folder: Path) -> list[Task]:
    """Read the tasks of TEDBench.

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
    """Read the tasks of PIE-Bench.

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
                f"Entry {key!r} of mapping_file.json has an unusable name, or its editing_type_id "
                f"{kind!r} is not one of 0 to 9. {PIE_BENCH_HELP}"
            )
        tasks.append(
            Task(
                key=key,
                kind=f"{kind} {KINDS[kind]}",
                photo_path=folder / "annotation_images" / path,
                # The brackets mark what differs; PnPInversion's evaluation removes them too.
                prompt=re.sub(r"[\[\]]", "", prompt).strip(),
                caption=re.sub(r"[\[\]]", "", caption).strip(),
                mask_runs=_mask_runs(entry, key),
            )
        )
    return _checked(tasks, folder / "annotation_images", PIE_BENCH_HELP)


DATASETS: dict[str, Callable[[Path], list[Task]]] = {
    "tedbench": load_tedbench,
    "pie-bench": load_pie_bench,
}


def spread(tasks: Sequence[Task], count: int | None) -> list[Task]:
    """Return `count` tasks, evenly spaced so that all kinds are among them; None takes all."""
    if count is None or count >= len(tasks):
        return list(tasks)
    return [tasks[i * len(tasks) // count] for i in range(count)]


def decode_mask(runs: Sequence[int]) -> NDArray[np.bool_]:
    """Decode a mask of PIE-Bench: pairs of a start in the flattened image and a length.

    The outermost pixels count as inside, "to avoid annotation errors in boundary" (PnPInversion,
    evaluation/evaluate.py). A run that extends beyond the image is cut there.
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
        problem = f"has no {name}" if folder.is_dir() else "is not a folder"
        raise DatasetError(f"{folder} {problem}. {advice}")
    try:
        data = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is not JSON: {error}. {advice}") from error
    if not isinstance(data, kind) or not data:
        raise DatasetError(f"{path} is not a JSON {kind.__name__} with entries. {advice}")
    return data


def _texts(entry: Any, names: Sequence[str], where: str, advice: str) -> list[str]:
    fields = [entry.get(name) for name in names] if isinstance(entry, dict) else []
    values = [value for value in fields if isinstance(value, str) and value]
    if len(values) < len(names):
        raise DatasetError(
            f"In the list, {where} needs a text in each of {', '.join(names)}. {advice}"
        )
    return values


def _mask_runs(entry: Any, key: str) -> tuple[int, ...]:
    runs = entry.get("mask")
    valid = (
        isinstance(runs, list)
        and len(runs) % 2 == 0
        and all(type(number) is int and number >= 0 for number in runs)
        and all(start < SIDE * SIDE for start in runs[::2])
    )
    if not valid:
        raise DatasetError(
            f"The mask of entry {key!r} is not a list of pairs (start, length) in a {SIDE}×{SIDE} "
            f"image. {PIE_BENCH_HELP}"
        )
    return tuple(runs)


def _checked(tasks: list[Task], folder: Path, advice: str) -> list[Task]:
    """Return the tasks, after a check that all photos exist inside their folder."""
    inside = folder.resolve()
    missing = [
        task.photo_path.name
        for task in tasks
        if not task.photo_path.is_file() or not task.photo_path.resolve().is_relative_to(inside)
    ]
    if missing:
        names = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        raise DatasetError(f"{folder} lacks {len(missing)} photos of the list: {names}. {advice}")
    return tasks
