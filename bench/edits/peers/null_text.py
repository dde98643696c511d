"""Null-text inversion (arXiv 2211.09794) with prompt-to-prompt; it receives the source caption."""

from dataclasses import dataclass, field

from baret.method.ddim import guide
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.peers.prompt_to_prompt import Captions, PromptToPromptOptions, denoise_both
from bench.edits.sampling import Texts, Tuned, TuningOptions, pivots_of, tune


@dataclass(frozen=True)
class NullTextOptions:
    """The options of tuning the empty text and of the edit."""

    edit: PromptToPromptOptions = field(default_factory=PromptToPromptOptions)
    tuning: TuningOptions = field(default_factory=TuningOptions)


def null_text(model: BatchModel, batch: Batch, options: NullTextOptions) -> Edited:
    """Invert with the source caption, tune ∅_t to the pivots, edit by prompt-to-prompt."""
    schedule = model.schedule(options.edit.steps)
    captions = Captions.of(model, batch, options.edit)
    uncond = model.embed([""] * len(batch))
    pivots = pivots_of(model, model.encode(batch.sources), captions.source, schedule)
    scale = options.edit.guidance_scale
    key = ("null-text", batch.key, options.edit.steps, scale, options.tuning)
    tuned: Tuned = model.recall(key) or model.keep(
        key,
        tune(
            model,
            pivots,
            Texts(start=uncond, fixed=captions.source),
            schedule,
            lambda empty, source: guide(empty, source, scale),
            options.tuning,
        ),
    )
    source, target = denoise_both(
        model, pivots, captions, tuned.texts, options.edit, hold_source=False
    )
    return Edited(model.decode(target), lambda: model.decode(source))
