"""BARET: the shipped `Editor`, with the generators of a batch run in lockstep."""

import numpy as np
from PIL import Image

from baret.editor import Editor
from baret.options import EditOptions
from bench.edits.batch import Batch, Edited
from bench.edits.lockstep import run_together
from bench.edits.model import BatchModel


def baret(model: BatchModel, batch: Batch, options: EditOptions) -> Edited:
    """Edit every image as `Editor.edit` does; inversions are reused inside `remembering`."""
    editor = Editor(model.model)
    keys = [
        ("baret", source.tobytes(), prompt, options.inversion)
        for source, prompt in zip(batch.sources, batch.prompts, strict=True)
    ]
    edits = [
        editor.editing(model.recall(key) or Image.fromarray(source), prompt, options)
        for key, source, prompt in zip(keys, batch.sources, batch.prompts, strict=True)
    ]
    results = run_together(model.predictor, edits)
    for key, result in zip(keys, results, strict=True):
        model.keep(key, result.inversion)
    rebuilt = np.stack([np.asarray(result.reconstruction) for result in results])
    images = np.stack([np.asarray(result.image) for result in results])
    return Edited(images, lambda: rebuilt)
