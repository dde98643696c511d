"""How fast tuning converges to the pivots, by the text it starts from.

b images · n tokens · d text width · h, w latent height and width · T steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from baret.method.ddim import guide
from bench.edits.batch import Batch
from bench.edits.cases import Task
from bench.edits.metrics import capped_psnr
from bench.edits.model import BatchModel, Images
from bench.edits.sampling import Texts, TuningOptions, pivots_of, tune

INNER_STEPS = (0, 1, 2, 3, 5, 10)
STARTS = (
    "target text (the paper's TTIS)",
    "source text",
    "empty text",
    "null-text, source caption",
)


@dataclass(frozen=True)
class Point:
    """The reconstructions from one start after some inner steps."""

    start: str
    inner_steps: int
    reconstruction_psnr: tuple[float, ...]  # dB of each image


def converge(
    model: BatchModel,
    tasks: Sequence[Task],
    *,
    inner_steps: Sequence[int] = INNER_STEPS,
    steps: int = 50,
    scale: float = 7.5,
) -> list[Point]:
    """Reconstruct from every start with every number of inner steps, never stopped early.

    The texts that start from a caption are tuned against the empty text; null-text inversion
    tunes the empty text against the source caption, which the others do not need.
    """
    batch = Batch.of(tasks)
    points = []
    for start in STARTS:
        for inner in inner_steps:
            images = _reconstruct(model, batch, start, inner, steps=steps, scale=scale)
            figures = [capped_psnr(a, b) for a, b in zip(images, batch.sources, strict=True)]
            points.append(Point(start, inner, tuple(figures)))
    return points


def _reconstruct(
    model: BatchModel, batch: Batch, start: str, inner: int, *, steps: int, scale: float
) -> Images:
    schedule = model.schedule(steps)
    empty = model.embed([""] * len(batch))
    captions, prompts = model.embed(batch.source_captions), model.embed(batch.prompts)
    options = TuningOptions(inner_steps=inner, stop_loss=0.0, stop_loss_growth=0.0)
    clean = model.encode(batch.sources)
    starts = {STARTS[0]: prompts, STARTS[1]: captions, STARTS[2]: empty}
    if start == STARTS[3]:
        tuned = tune(
            model,
            pivots_of(model, clean, captions, schedule),
            Texts(start=empty, fixed=captions),
            schedule,
            lambda uncond, conditional: guide(uncond, conditional, scale),
            options,
        )
    else:
        tuned = tune(
            model,
            pivots_of(model, clean, empty, schedule),
            Texts(start=starts[start], fixed=empty),
            schedule,
            lambda conditional, uncond: guide(uncond, conditional, scale),
            options,
        )
    return model.decode(tuned.reconstruction)
