"""Direct Inversion (arXiv 2310.01506) with prompt-to-prompt: told the source caption."""

from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.peers.prompt_to_prompt import Captions, PromptToPrompt, denoise_both
from bench.edits.sampling import pivots_of


def direct_inversion(model: BatchModel, batch: Batch, options: PromptToPrompt) -> Edited:
    """Invert with the source caption, hold the source branch to the pivots, edit beside it."""
    schedule = model.schedule(options.steps)
    captions = Captions.of(model, batch, options)
    uncond = model.embed([""] * len(batch))
    pivots = pivots_of(model, model.encode(batch.sources), captions.source, schedule)
    every = uncond.expand(len(schedule), -1, -1, -1)
    source, target = denoise_both(model, pivots, captions, every, options, hold_source=True)
    return Edited(model.decode(target), lambda: model.decode(source))
