"""`python -m tools.parameter_sheets`: make the contact sheets of docs/parameters.md.

A sheet for each parameter: sample photos, one of each kind of edit, with its values side by side.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from baret.editor import Editor
from baret.options import PRESETS, EditOptions, InversionOptions
from tools.contact_sheet import grid

SAMPLES = Path(__file__).parents[1] / "zoo" / "samples"
FOLDER = Path(__file__).parents[1] / "docs" / "parameters"
TILE = 128  # pixels
# The values of each sheet; the first letters of a file's name are the parameter's.
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
GUIDANCES = (1.5, 4.0, 7.5, 12.0)
STEPS = (5, 10, 20, 50)
SEEDS = (0, 1, 2, 3)


def main() -> None:
    """Make all sheets."""
    parser = argparse.ArgumentParser(prog="python -m tools.parameter_sheets", description=__doc__)
    parser.add_argument("--model", default="zoo", help="default: %(default)s")
    parser.add_argument("--threads", type=int, help="CPU threads")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    FOLDER.mkdir(exist_ok=True)
    editor = Editor.from_pretrained(given.model)
    for name, tries in sheets().items():
        draw(editor, tries).save(FOLDER / f"{name}.png", optimize=True)


def sheets() -> dict[str, dict[str, EditOptions]]:
    """Return the options of each sheet's columns, by their titles."""
    return {
        "strength": {f"strength {one:g}": EditOptions(strength=one) for one in STRENGTHS},
        "preset": {name: EditOptions(preset=name) for name in PRESETS},
        "guidance-scale": {
            f"guidance_scale {w:g}": EditOptions(guidance_scale=w) for w in GUIDANCES
        },
        "num-inference-steps": {
            f"{steps} steps": EditOptions(inversion=InversionOptions(num_inference_steps=steps))
            for steps in STEPS
        },
        "seed": {
            f"seed {seed}": EditOptions(inversion=InversionOptions(seed=seed)) for seed in SEEDS
        },
    }


def draw(editor: Editor, tries: Mapping[str, EditOptions]) -> Image.Image:
    """Edit one sample of each kind with all options."""
    rows = [(sample["prompt"], _row(editor, sample, list(tries.values()))) for sample in _samples()]
    return grid(["photo", *tries], rows, tile=TILE)


def _row(editor: Editor, sample: dict[str, Any], tries: Sequence[EditOptions]) -> list[Image.Image]:
    """Return the photo and its edits; the photo is inverted once if that is the same for all."""
    photo = Image.open(SAMPLES / sample["file"]).convert("RGB")
    shown, inversion = [photo], None
    for options in tries:
        known = inversion if inversion and inversion.options == options.inversion else photo
        result = editor.edit(known, sample["prompt"], options)
        inversion = result.inversion
        shown.append(result.image)
    return shown


def _samples() -> list[dict[str, Any]]:
    """Return the first sample of each kind."""
    found: dict[str, dict[str, Any]] = {}
    for sample in json.loads((SAMPLES / "index.json").read_text("utf-8")):
        found.setdefault(sample["kind"], sample)
    return list(found.values())


if __name__ == "__main__":
    main()
