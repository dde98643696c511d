"""`python -m zoo.sheet`: the world on one page, every animal in every pose.

Rows are animals, as photos and as sketches; columns are poses, each in two places.
"""

import argparse
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
from PIL import Image

from zoo.render import Pixels, render
from zoo.scene import ATTRIBUTES, Scene


def world(size: int = 128) -> Pixels:
    """Return the sheet, [8·size, 8·size, 3] uint8."""
    rows = [
        np.concatenate([render(scene, size) for scene in _row(animal, style, number)], axis=1)
        for number, (animal, style) in enumerate(
            (animal, style) for animal in ATTRIBUTES["animal"] for style in ATTRIBUTES["style"]
        )
    ]
    return np.concatenate(rows)


def _row(animal: str, style: str, number: int) -> Iterator[Scene]:
    colours, places = cycle(ATTRIBUTES["colour"]), cycle(ATTRIBUTES["place"])
    for _ in range(number * 3):
        next(colours)
    for column, pose in enumerate(pose for pose in ATTRIBUTES["pose"] for _ in range(2)):
        if column % 4 == 0:
            next(places)
        facing = ATTRIBUTES["facing"][(number + column) % 2]
        yield Scene(animal, next(colours), pose, next(places), style, facing, 100 * number + column)


def main() -> None:
    """Write the sheet to a file."""
    parser = argparse.ArgumentParser(prog="python -m zoo.sheet", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/zoo/world.png"))
    parser.add_argument("--size", type=int, default=128, help="pixels on a side of each picture")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(world(options.size)).save(options.out, optimize=True)


if __name__ == "__main__":
    main()
