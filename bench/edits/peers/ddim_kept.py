"""DDIM inversion with BARET's last stage, to show what that stage is worth by itself."""

import numpy as np
from PIL import Image

from baret.images import composite
from baret.method.composition import compose
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.peers.ddim import DdimOptions, ddim


def ddim_kept(model: BatchModel, batch: Batch, options: DdimOptions) -> Edited:
    """Edit as `ddim`, then keep the photo's own pixels where the edit does not differ."""
    edited = ddim(model, batch, options)
    through_vae = model.decode(model.encode(batch.sources))
    images = []
    for image, photo, coded in zip(edited.images, batch.sources, through_vae, strict=True):
        composition = compose(image, coded)
        shown = composite(Image.fromarray(composition.edited), photo, composition.alpha)
        images.append(np.asarray(shown))
    return Edited(np.stack(images), edited.reconstruct)
