"""DDIM inversion with BARET's last stage, to show what that stage is worth by itself."""

import numpy as np
from PIL import Image

from baret.images import keep_outside
from baret.method.matte import alpha_matte
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.peers.ddim import DdimOptions, ddim


def ddim_kept(model: BatchModel, batch: Batch, options: DdimOptions) -> Edited:
    """Edit as `ddim`, then keep the photo's own pixels outside the matte, as BARET does."""
    edited = ddim(model, batch, options)
    clean = model.encode(batch.sources)
    size = batch.sources.shape[1] // clean.shape[2]
    images = [
        np.asarray(
            keep_outside(
                Image.fromarray(image), photo, alpha_matte(image, coded, latent_pixel_size=size)
            )
        )
        for image, photo, coded in zip(
            edited.images, batch.sources, model.decode(clean), strict=True
        )
    ]
    return Edited(np.stack(images), edited.reconstruct)
