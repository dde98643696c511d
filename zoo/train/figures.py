"""Makes contact sheets and curves, and measures how often pictures match their captions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from zoo.captions import caption
from zoo.judge import Judge
from zoo.render import render
from zoo.scene import Scene
from zoo.split import held_out
from zoo.train import denoiser, export, judge, pictures, sampling, vae
from zoo.train.options import TrainOptions

GUIDANCES = (5.0, 7.5)
COLUMNS = 8
SHEET = 32  # pictures on a sheet
SMALL = 16  # pictures on a sheet during training
GAP = 2  # pixels


def make(options: TrainOptions, device: torch.device) -> dict[str, Any]:
    """Write the sheets and curves to the run's folder.

    Returns:
        Figures for the record: PSNR, accuracies by kind of caption and guidance, and the steps.
    """
    curves(options.out / "metrics.jsonl", options.out / "loss.png")
    coder = vae.load(options, device)
    shown = pictures.validation(options).pixels[:SHEET]
    paired(shown, vae.reconstruct(coder, shown)).save(options.out / "reconstructions.png")
    pipeline, steps = export.as_exported(options)
    pipeline.to(device)
    kinds = {
        "seen": sampling.scenes(lambda scene: not held_out(scene), options.judged[0]),
        "held_out": sampling.scenes(held_out, options.judged[1]),
    }
    figures: dict[str, Any] = {
        "steps": steps,
        "captions": options.judged,
        "psnr": round(_psnr(options, coder), 2),
    }
    judging = Judge.from_pretrained(judge.path(options), device)
    for kind, scenes in kinds.items():
        sheet(pipeline, scenes[:SHEET], seed=options.seed).save(options.out / f"{kind}.png")
        for guidance in GUIDANCES:
            figures[f"{kind}_{guidance:g}"] = sampling.accuracy(
                pipeline, judging, scenes, guidance=guidance, seed=options.seed
            )
    return figures


def small_sheets(
    options: TrainOptions, device: torch.device
) -> Callable[[denoiser.DenoiserTask, int], None]:
    """Return a function that writes a denoiser's `sheets/<step>.png` for 16 validation captions."""
    scenes = sampling.scenes(lambda scene: True, SMALL)

    def write(task: denoiser.DenoiserTask, step: int) -> None:
        pipeline = sampling.assembled(
            vae.load(options, device), task.text_encoder, task.words, task.unet
        )
        path = options.out / "sheets" / f"{step:06}.png"
        path.parent.mkdir(exist_ok=True)
        sheet(pipeline, scenes, seed=options.seed).save(path)

    return write


def _psnr(options: TrainOptions, coder: Any) -> float:
    return vae.psnr(coder, pictures.validation(options).pixels[: vae.MEASURED])


def sheet(pipeline: Any, scenes: list[Scene], *, seed: int) -> Image.Image:
    """Return renders of scenes, each above the model's picture for the same caption."""
    side = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    made = sampling.generate(
        pipeline, [caption(scene) for scene in scenes], guidance=GUIDANCES[0], seed=seed
    )
    return paired(np.stack([render(scene, side) for scene in scenes]), made)


def paired(above: NDArray[np.uint8], below: NDArray[np.uint8]) -> Image.Image:
    """Lay out two sets of pictures, [b, S, S, 3] each, in pairs of rows."""
    rows = []
    for start in range(0, len(above), COLUMNS):
        rows += [above[start : start + COLUMNS], below[start : start + COLUMNS]]
    side, columns = above.shape[1], min(COLUMNS, len(above))
    page = np.full((len(rows) * (side + GAP), columns * (side + GAP), 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for k, picture in enumerate(row):
            top, left = i * (side + GAP), k * (side + GAP)
            page[top : top + side, left : left + side] = picture
    return Image.fromarray(page)


def curves(log: Path, path: Path) -> None:
    """Plot each trained stage's losses over the steps, on a logarithmic scale."""
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    stages = list(dict.fromkeys(line["stage"] for line in lines if "loss" in line))
    figure = Figure(figsize=(5 * max(1, len(stages)), 4), layout="constrained")
    panels = figure.subplots(1, max(1, len(stages)), squeeze=False)[0]
    for axes, stage in zip(panels, stages, strict=False):
        # A run that died repeats the steps since its checkpoint, and the later line counts.
        steps = {line["step"]: line for line in lines if line["stage"] == stage and "loss" in line}
        names = [n for n in next(iter(steps.values())) if n == "loss" or n.startswith("quarter")]
        for name in names:
            axes.plot(sorted(steps), [steps[s][name] for s in sorted(steps)], label=name)
        axes.set(title=stage, xlabel="steps", yscale="log")
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)
