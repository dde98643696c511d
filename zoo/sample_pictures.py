"""`python -m zoo.sample_pictures`: draw the ten pictures of `zoo/samples/` and their answers.

Examples, tests and the first edit of `make run` use them. Nothing else uses their seeds.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from PIL import Image

from zoo.captions import caption
from zoo.render import render
from zoo.scene import ATTRIBUTES, Scene
from zoo.split import SAMPLE_SEEDS

FOLDER = Path(__file__).parent / "samples"
# What each picture shows, and the new value of the attribute that the edit changes.
SAMPLES = (
    ("white cat", "sitting", "on grass", "standing"),
    ("black bird", "sitting", "at night", "brown"),
    ("orange cat", "lying down", "on grass", "sitting"),
    ("black cat", "jumping", "at night", "on grass"),
    ("brown horse", "lying down", "at night", "sitting"),
    ("gray dog", "standing", "at night", "horse"),
    ("gray horse", "lying down", "in snow", "brown"),
    ("black cat", "standing", "in snow", "a sketch of"),
    ("brown horse", "sitting", "on sand", "jumping"),
    ("black horse", "sitting", "on sand", "in snow"),
)
KINDS = {"pose": "posture"}  # by attribute; other kinds have the attribute's name


def main() -> None:
    """Write the pictures, the answers and `index.json`."""
    FOLDER.mkdir(exist_ok=True)
    index = []
    for number, (what, pose, place, change) in enumerate(SAMPLES):
        before, attribute = _scene(number, what, pose, place), _attribute(change)
        after = replace(before, **{attribute: change})  # type: ignore[arg-type]
        name = f"{number:02d}-{KINDS.get(attribute, attribute)}"
        for scene, file in ((before, f"{name}.png"), (after, f"{name}-answer.png")):
            Image.fromarray(render(scene)).save(FOLDER / file, optimize=True)
        index.append(
            {
                "file": f"{name}.png",
                "answer": f"{name}-answer.png",
                "kind": KINDS.get(attribute, attribute),
                "caption": caption(before),
                "prompt": caption(after),
            }
        )
    (FOLDER / "index.json").write_text(json.dumps(index, indent=2) + "\n")


def _scene(number: int, what: str, pose: str, place: str) -> Scene:
    colour, animal = what.split()
    facing = ATTRIBUTES["facing"][number % 2]
    return Scene(animal, colour, pose, place, "a photo of", facing, SAMPLE_SEEDS[number])


def _attribute(value: str) -> str:
    return next(name for name, values in ATTRIBUTES.items() if value in values)


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m zoo.sample_pictures", description=__doc__).parse_args()
    main()
