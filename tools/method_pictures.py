"""`python -m tools.method_pictures`: make the pictures of docs/how-it-works.md by the method.

One edit of a sample photo, stopped after each part of the method. h, w latent height and width.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from baret.editor import Editor
from baret.method.denoising import PREVIEW_EVERY, DenoisingOptions, Texts, denoise
from baret.method.mask import change_mask, relative_departure
from baret.options import EditOptions, InversionOptions
from baret.progress import Progress
from baret.result import EditResult, Inversion
from tools.contact_sheet import grid

Titled = tuple[str, Image.Image]

SAMPLES = Path(__file__).parents[1] / "zoo" / "samples"
FOLDER = Path(__file__).parents[1] / "docs" / "how-it-works"
SAMPLE = 0
INNER_STEPS = (0, 2, 4, 8)
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
WORDS = ("white", "cat", "standing", "grass", "left")
GUIDANCE = 3.0  # of pictures that are generated from noise


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
    previews = list[Titled]()
    result = edited(editor, photo, prompt, previews)
    strip(pivots(editor, result.inversion), "pivots.png")
    strip([*previews, ("done", _kept(result.outputs[-1].transition))], "denoising.png")
    strip(keeping(result), "keeping.png")
    strip([(f"strength {one.strength:g}", one.image) for one in result.outputs], "strength.png")
    words = result.outputs[-1].attention
    strip([(one.word, one.image) for one in words if one.word in WORDS], "words.png")


def describing(editor: Editor, photo: Image.Image, prompt: str) -> list[Titled]:
    """Generate a picture, from one noise, with the text as TTIS has tuned it after some steps."""
    shown = [("the photo", photo)]
    for steps in INNER_STEPS:
        inversion = editor.invert(photo, prompt, InversionOptions(inner_steps=steps))
        title = f"after {steps} steps" if steps else "the text as written"
        shown.append((title, generated(editor, inversion)))
    return shown


def generated(editor: Editor, inversion: Inversion) -> Image.Image:
    """Generate from noise with an inversion's tuned text alone."""
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
    return Image.fromarray(model.decode(editor.engine.run(routine, lambda _: None).latents))


def edited(editor: Editor, photo: Image.Image, prompt: str, previews: list[Titled]) -> EditResult:
    """Edit at all strengths, and collect what the last one predicts on its way."""

    def keep(progress: Progress) -> None:
        preview = progress.preview
        if preview is None or preview.strength != STRENGTHS[-1]:
            return
        if not previews or preview.image is not previews[-1][1]:
            steps = PREVIEW_EVERY * (len(previews) + 1)
            previews.append((f"after {steps} steps", preview.image))

    options = EditOptions(strength=STRENGTHS, artifacts=True, previews=True)
    return editor.edit(photo, prompt, options, on_progress=keep)


def pivots(editor: Editor, inversion: Inversion) -> list[Titled]:
    """Decode the inversion's trajectory at five levels of noise."""
    last = len(inversion.pivots) - 1
    levels = [round(last * share / 4) for share in range(5)]
    device = editor.model.device
    return [
        (f"{level} steps of {last}", Image.fromarray(editor.model.decode(latents)))
        for level, latents in zip(levels, inversion.pivots[levels].to(device), strict=True)
    ]


def keeping(result: EditResult) -> list[Titled]:
    """Show where the texts differ, the mask, and how edit and photo are put together."""
    departed, output = result.inversion.departure, result.outputs[-1]
    first, second = EditOptions().change_thresholds or (0.0, 0.0)
    return [
        ("where the texts differ", _gray(relative_departure(departed))),
        ("where the edit is free", _gray(change_mask(departed, first, second))),
        ("the edit", _kept(output.transition)),
        ("what is shown of it", _kept(output.mask)),
        ("the result", output.image),
    ]


def strip(shown: Sequence[Titled], name: str) -> None:
    """Write pictures side by side, each below its title."""
    sheet = grid([title for title, _ in shown], [("", [picture for _, picture in shown])])
    sheet.save(FOLDER / name, optimize=True)


def _kept(image: Image.Image | None) -> Image.Image:
    if image is None:
        raise ValueError("the edit kept no artifacts")
    return image


def _gray(values: Tensor) -> Image.Image:
    """Turn shares [h, w] into a gray picture."""
    return Image.fromarray((values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())


if __name__ == "__main__":
    main()
