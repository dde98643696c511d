"""Writes the model card: what the model is, how it was made and how good it is."""

from typing import Any

from zoo.scene import ATTRIBUTES
from zoo.train.loop import progress
from zoo.train.options import TrainOptions

CARD = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-image
---

# The zoo model

A Stable Diffusion (CLIP text model, UNet2DCondition, AutoencoderKL, DDIM) trained from nothing in a
small world that code draws. No photograph and no other model had a part in it.

{world}

Captions read "a photo of a brown dog standing on grass, facing left"; `words.txt` lists every word
it was taught. Pictures are {size} × {size} pixels.

```python
pipeline = StableDiffusionPipeline.from_pretrained(path, dtype=torch.float32)
pipeline("a sketch of a black cat jumping in snow, facing right", guidance_scale=5).images[0]
```

The weights are float16; on a CPU load them as float32, as above.

## What made it

    {command}

Seed {seed}, {pictures:,} pictures, {steps:,} steps of {batch} for UNet and text encoder.
Commit {commit}, {machine}.

| stage | hours |
|---|---|
{hours}

## Figures

{figures}

## Limits

It knows this world and nothing else. A tenth of the combinations of animal, colour, pose, place
and style was kept from training ("held out"). Words it was not taught are read as letters and mean
nothing to it. The judge is a classifier of renders: a blob with the right outline may pass it.
"""
NO_FIGURES = "Not measured at this step; `--stages figures export` measures and writes them."


def card(options: TrainOptions, record: dict[str, Any], steps: int) -> str:
    """Return the model card after `steps` denoiser steps, filled in from the run's record."""
    return CARD.format(
        world="\n".join(f"- {name}: {', '.join(values)}" for name, values in ATTRIBUTES.items()),
        size=options.size,
        command=_command(record),
        seed=options.seed,
        pictures=options.pictures,
        steps=steps,
        batch=options.denoiser_batch,
        commit=record.get("commit", "unknown"),
        machine=record.get("machine", "unknown machine"),
        hours=_hours(options, record),
        figures=_figures(record, steps),
    )


def _command(record: dict[str, Any]) -> str:
    """Return one command that makes the same model, even if several commands made it in parts."""
    words = ["python -m zoo.train"]
    options: dict[str, Any] = {}
    for stage in record.get("stages", {}).values():
        options |= stage.get("options", {})
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words.append(f"--{option} {' '.join(str(v) for v in values)}")
    return " ".join(words)


def _hours(options: TrainOptions, record: dict[str, Any]) -> str:
    """Return rows of hours per stage, over resumed runs; trained stages count only their steps."""
    seconds = {name: own["seconds"] for name, own in record.get("stages", {}).items()}
    for name in ("judge", "vae", "denoiser"):
        if own := progress(options.out, name)[1]:
            seconds[name] = own
    return "\n".join(f"| {name} | {own / 3600:.2f} |" for name, own in seconds.items())


def _figures(record: dict[str, Any], steps: int) -> str:
    stages = record.get("stages", {})
    figures = stages.get("figures", {}).get("figures", {})
    if figures.get("steps") != steps:
        return NO_FIGURES
    names = [*ATTRIBUTES, "all"]
    judge = stages.get("judge", {}).get("figures", {})
    rows = {"judge, on renders": judge} | {
        f"{kind} captions, guidance {guidance}": figures[f"{key}_{guidance}"]
        for kind, key in (("seen", "seen"), ("held-out", "held_out"))
        for guidance in ("5", "7.5")
    }
    lines = [
        f"| {what} | {' | '.join(_number(own, n) for n in names)} |" for what, own in rows.items()
    ]
    return (
        f"VAE: {figures['psnr']} dB on validation pictures. Generation, 25 DDIM steps, canonical "
        f"captions ({figures['captions'][0]} seen, {figures['captions'][1]} held out), shares "
        "judged right:\n\n"
        f"| | {' | '.join(names)} |\n|---{'|---' * len(names)}|\n" + "\n".join(lines)
    )


def _number(figures: dict[str, float], name: str) -> str:
    return f"{figures[name]:.3f}" if name in figures else ""
