"""The edited photos of a batch as files: what they are called, and downloading them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.edit.results import Destination, write

if TYPE_CHECKING:
    from baret_client import BatchResult, Client

_SUFFIXES = {"image/png": ".png", "image/webp": ".webp", "image/jpeg": ".jpg"}
_MAX_CHARACTERS = 100  # of a name, from a `custom_id`
_UNSAFE = re.compile(r"[^\w.-]+")  # in the name of a file


@dataclass(frozen=True)
class BatchImage:
    """One image of a batch, and the file that it becomes."""

    edit_id: str
    strength: float
    path: Path


def name_images(results: Sequence["BatchResult"], folder: Path) -> list[list[BatchImage]]:
    """Choose a file for each image, and return those of each result.

    A file is called by its edit's `custom_id`, or else by its line in the batch, from 1. If two
    would be called alike, or differ only in case, the later one's line is added.
    """
    taken: set[str] = set()
    found = []
    for result in results:
        line = f"{result.index + 1:0{len(str(len(results)))}}"
        stem = _UNSAFE.sub("_", result.custom_id or line)[:_MAX_CHARACTERS].strip("._")
        images = _images(result, folder, stem)
        if not stem or any(_folded(one) in taken for one in images):
            images = _images(result, folder, f"{stem}-{line}".lstrip("-"))
        taken.update(map(_folded, images))
        found.append(images)
    return found


def _images(result: "BatchResult", folder: Path, stem: str) -> list[BatchImage]:
    edit = result.edit
    if edit is None or not edit.outputs:
        return []
    suffix = _SUFFIXES.get(edit.outputs[0].content_type, ".png")
    strengths = [one.strength for one in edit.outputs]
    paths = Destination(folder / f"{stem}{suffix}").paths(strengths)
    return [
        BatchImage(edit.id, strength, path) for strength, path in zip(strengths, paths, strict=True)
    ]


def _folded(image: BatchImage) -> str:
    return image.path.name.casefold()


def download(client: "Client", images: Sequence[Sequence[BatchImage]]) -> Iterator[Path]:
    """Write each image's file, and yield its path; what an earlier run wrote is written again."""
    for one in (image for of_edit in images for image in of_edit):
        write(one.path, client.edits.image(one.edit_id, strength=one.strength))
        yield one.path
