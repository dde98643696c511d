"""`python -m tools.method_pictures`: make the pictures of docs/how-it-works.md by the method.

One edit of a sample photo, stopped after each part of the method. h, w latent height and width.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from baret import images
from baret.editor import Editor
from baret.images import Pixels
from baret.method.denoising import DenoisingOptions, Texts, denoise
from baret.method.mask import change_mask, relative_departure
from baret.options import EditOptions, InversionOptions
from baret.progress import Progress
from baret.result import EditResult, Inversion

SAMPLES = Path(__file__).parents[1] / "zoo" / "samples"
FOLDER = Path(__file__).parents[1] / "docs" / "how-it-works"
SAMPLE = 0
INNER_STEPS = (0, 2, 4, 8)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
WORDS = ("white", "cat", "standing", "grass", "left")
GUIDANCE = 3.0  # of pictures that are generated from noise
TILE, GAP, LINE = 168, 6, 18  # pixels


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(prog="python -m tools.method_pictures", description=__doc__)
    parser.add_argument("--model", default="zoo", help="default: %(default)s")
    parser.add_argument("--threads", type=int, help="CPU threads")
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    FOLDER.mkdir(exist_ok=True)
    sample = json.loads((SAMPLES / "index.json").read_text("utf-8"))[SAMPLE]
    photo, prompt = Image.open(SAMPLES / sample["file"]).convert("RGB"), sample["prompt"]
    editor = Editor.from_pretrained(given.model)
    strip(describing(editor, photo, prompt), "describing.png")
    previews = list[tuple[str, Pixels]]()
    result = edited(editor, photo, prompt, previews)
    strip(pivots(editor, result.inversion), "pivots.png")
    strip([*previews, ("done", _pixels(result.outputs[-1].transition))], "denoising.png")
    strip(keeping(result), "keeping.png")
    strip(
        [(f"strength {one.strength:g}", _pixels(one.image)) for one in result.outputs],
        "strength.png",
    )
    words = [word for word in result.outputs[-1].attention if word.word in WORDS]
    strip([(word.word, _pixels(word.image)) for word in words], "words.png")


def describing(editor: Editor, photo: Image.Image, prompt: str) -> list[tuple[str, Pixels]]:
    """Generate a picture, from one noise, with the text as TTIS has tuned it after some steps."""
    shown = [("the photo", _pixels(photo))]
    for steps in INNER_STEPS:
        inversion = editor.invert(photo, prompt, InversionOptions(inner_steps=steps))
        title = f"after {steps} steps" if steps else "the text as written"
        shown.append((title, generated(editor, inversion)))
    return shown


def generated(editor: Editor, inversion: Inversion) -> Pixels:
    """Generate from noise with an inversion's tuned text alone: [H, W, 3]."""
    model = editor.model
    empty = model.embed("")
    source = empty.with_embedding(inversion.tuned[0].to(model.device))
    steps = inversion.options.num_inference_steps
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(inversion.pivots[0].shape, generator=generator).to(model.device)
    options = DenoisingOptions(0.0, 0.0, GUIDANCE)
    routine = denoise(
        noise.expand(steps + 1, -1, -1, -1),
        Texts(source, empty, [source] * steps),
        model.schedule(steps),
        options,
    )
    return model.decode(editor.engine.run(routine, lambda progress: None).latents)


def edited(
    editor: Editor, photo: Image.Image, prompt: str, previews: list[tuple[str, Pixels]]
) -> EditResult:
    """Edit at all strengths, and collect what the last one predicts on its way."""

    def keep(progress: Progress) -> None:
        preview = progress.preview
        if preview is not None and preview.strength == STRENGTHS[-1]:
            pixels = _pixels(preview.image)
            if not previews or not np.array_equal(previews[-1][1], pixels):
                previews.append((f"after {5 * (len(previews) + 1)} steps", pixels))

    options = EditOptions(strength=STRENGTHS, artifacts=True, previews=True)
    return editor.edit(photo, prompt, options, on_progress=keep)


def pivots(editor: Editor, inversion: Inversion) -> list[tuple[str, Pixels]]:
    """Decode the inversion's trajectory at five levels of noise."""
    last = len(inversion.pivots) - 1
    levels = [round(last * share / 4) for share in range(5)]
    device = editor.model.device
    return [
        (f"{level} steps of {last}", editor.model.decode(inversion.pivots[level].to(device)))
        for level in levels
    ]


def keeping(result: EditResult) -> list[tuple[str, Pixels]]:
    """Show where the texts differ, the mask, and how edit and photo are put together."""
    departed, output = result.inversion.departure, result.outputs[-1]
    first, second = EditOptions().change_thresholds or (0.0, 0.0)
    return [
        ("where the texts differ", _gray(relative_departure(departed))),
        ("where the edit is free", _gray(change_mask(departed, first, second))),
        ("the edit", _pixels(output.transition)),
        ("what is shown of it", _pixels(output.mask)),
        ("the result", _pixels(output.image)),
    ]


def strip(shown: Sequence[tuple[str, Pixels]], name: str) -> None:
    """Write pictures side by side, each below its title."""
    sheet = Image.new("RGB", (len(shown) * (TILE + GAP) - GAP, LINE + TILE), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, (title, pixels) in enumerate(shown):
        tile = images.to_image(pixels, (TILE, TILE))
        sheet.paste(tile, (column * (TILE + GAP), LINE))
        pen.text((column * (TILE + GAP), 1), title, fill="#334155", font=font)
    sheet.save(FOLDER / name, optimize=True)


def _pixels(image: Image.Image | None) -> Pixels:
    if image is None:
        raise ValueError("the edit kept no artifacts")
    return np.asarray(image.convert("RGB"))


def _gray(values: Tensor) -> Pixels:
    """Turn shares [h, w] into a gray picture [h, w, 3]."""
    gray = (values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return np.repeat(gray[..., None], 3, axis=2)


if __name__ == "__main__":
    main()
