"""Direct Inversion (arXiv 2310.01506) with prompt-to-prompt; it receives the source caption."""

from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.peers.prompt_to_prompt import Captions, PromptToPromptOptions, denoise_both
from bench.edits.sampling import pivots_of


def direct_inversion(model: BatchModel, batch: Batch, options: PromptToPromptOptions) -> Edited:
    """Invert with the source caption, then edit with the source branch held to the pivots."""
    schedule = model.schedule(options.steps)
    captions = Captions.of(model, batch, options)
    uncond = model.embed([""] * len(batch))
    pivots = pivots_of(model, model.encode(batch.sources), captions.source, schedule)
    uncond_per_step = [uncond] * len(schedule)
    source, target = denoise_both(
        model, pivots, captions, uncond_per_step, options, hold_source=True
    )
    return Edited(model.decode(target), lambda: model.decode(source))
