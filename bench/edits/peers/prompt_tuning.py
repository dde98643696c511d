"""Prompt-Tuning Inversion (arXiv 2305.04441): tune a text to the image, mix in the target's."""

from dataclasses import dataclass, field
from typing import Literal

from baret.method.ddim import guide
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.sampling import Texts, Tuned, TuningOptions, denoise, pivots_of, tune


@dataclass(frozen=True)
class PromptTuningOptions:
    """The options of tuning, and the weight of the target text."""

    interpolation: float = 0.8  # η: 0 is the tuned text, 1 the target's
    start: Literal["empty", "target"] = (
        "empty"  # the initial value of the tuned text; not published
    )
    guidance_scale: float = 7.5  # w
    steps: int = 50  # T
    tuning: TuningOptions = field(default_factory=TuningOptions)


def prompt_tuning(model: BatchModel, batch: Batch, options: PromptTuningOptions) -> Edited:
    """Tune c_t to the pivots, then sample with (1 − η) c_t + η c from the same noise."""
    schedule, scale = model.schedule(options.steps), options.guidance_scale
    uncond, target = model.embed([""] * len(batch)), model.embed(batch.prompts)
    pivots = pivots_of(model, model.encode(batch.sources), uncond, schedule)
    start = uncond if options.start == "empty" else target
    key = ("prompt-tuning", batch.key, options.steps, scale, options.start, options.tuning)
    tuned: Tuned = model.recall(key) or model.keep(
        key,
        tune(
            model,
            pivots,
            Texts(start=start, fixed=uncond),
            schedule,
            lambda conditional, empty: guide(empty, conditional, scale),
            options.tuning,
        ),
    )
    mixed = [
        [own.lerp(text, options.interpolation) for own, text in zip(level, target, strict=True)]
        for level in tuned.texts
    ]
    edited = denoise(model, pivots[-1], lambda level: (uncond, mixed[level - 1]), schedule, scale)
    return Edited(model.decode(edited), lambda: model.decode(tuned.reconstruction))
