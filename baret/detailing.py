"""The second pass on one model: the changed region of a large photo, drawn again in more detail.

h, w latent height and width of the region · H, W its pixels.

    cut      the region out of the photo and out of the enlarged edit
    encode   both, tile by tile                                           the VAE
    redraw   z_0 of the region                                            `method.detail.redraw`
    decode   it, tile by tile, with its colours matched to what is kept   `method.composition`
    paste    it over the photo, by the matte

Pixels and latents exist for the region alone, whose size the tiles bound. So memory does not grow
with the photo.
"""

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from baret.images import Alpha, Pixels, working_size
from baret.method.composition import match_colors
from baret.method.denoising import DenoisingOptions, Texts
from baret.method.detail import MAX_TILES, MIN_GAIN, Region, Start, plan, redraw, tiles_of
from baret.method.tiles import Tiles
from baret.model.device_work import decode, encode
from baret.model.stable_diffusion import StableDiffusion
from baret.options import DetailSetting
from baret.unet.requests import Routine, StageProgress

_LANCZOS = Image.Resampling.LANCZOS
_FIRST, _LAST = StageProgress("detailing", 0, 0.0), StageProgress("detailing", 0, 1.0)


@dataclass(frozen=True)
class Layers:
    """An edit at the photo's size."""

    image: Image.Image  # RGB, the edit laid over the photo; changed in place
    photo: Image.Image  # RGB
    matte: Image.Image  # L, white where the edit shows


class DetailPass:
    """Draws regions again on one model."""

    def __init__(self, model: StableDiffusion):
        """Take a model."""
        self._model = model

    def max_tiles(self, photo: tuple[int, int], detail: DetailSetting) -> int:
        """Return how many tiles may be used for a photo; 0 if it is too small to gain anything.

        Args:
            photo: its (width, height).
            detail: what was requested.
        """
        model = self._model
        size = working_size(*photo, area=model.native_size**2, multiple=model.multiple)
        return MAX_TILES[detail] if min(photo) >= MIN_GAIN * min(size) else 0

    def plan(self, alpha: Alpha, photo: tuple[int, int], detail: DetailSetting) -> Region | None:
        """Choose the region to draw again; None if nothing is gained.

        Args:
            alpha: [H, W] at the working size, above 0 where the edit is shown.
            photo: its (width, height).
            detail: how many tiles may be used.
        """
        model = self._model
        return plan(
            alpha,
            photo,
            native=model.native_size,
            multiple=model.multiple,
            max_tiles=MAX_TILES[detail],
        )

    def tiles(self, region: Region) -> Tiles:
        """Return a region's tiles, over its latents."""
        width, height = (side // self._model.multiple for side in region.size)
        return tiles_of((height, width), self._model.native_size // self._model.multiple)

    def run(
        self,
        layers: Layers,
        region: Region,
        texts: Texts,
        options: DenoisingOptions,
        steps: int,
        seed: int,
    ) -> Routine[Image.Image]:
        """Draw a region again, in the image itself, and return that.

        Args:
            layers: of the edit so far.
            region: from `plan`.
            texts: those of the edit, for images of a tile's size.
            options: those of the edit.
            steps: T, of which a share is run.
            seed: of the noise.
        """
        photo, edit = (_cut(layer, region) for layer in (layers.photo, layers.image))
        matte = layers.matte.resize(region.size, Image.Resampling.BILINEAR, region.box)
        tiles, alpha = self.tiles(region), np.asarray(matte, np.float32) / np.float32(255)
        start = Start(
            photo=(yield from self._encode(photo, tiles)),
            edit=(yield from self._encode(edit, tiles)),
            mask=self._mask(alpha, tiles),
            toward=texts.edit,
            away=texts.away,
            seed=seed,
        )
        latents = yield from redraw(start, tiles, self._model.schedule(steps), options)
        pixels = yield from self._decode(latents, tiles)
        return _paste(layers, match_colors(pixels, photo, alpha), region)

    def _mask(self, alpha: Alpha, tiles: Tiles) -> Tensor:
        """Return where the edit is free, [h, w]: in every latent pixel that shows any of it."""
        multiple = self._model.multiple
        blocks = alpha.reshape(tiles.size[0], multiple, tiles.size[1], multiple)
        return torch.from_numpy(blocks.max((1, 3))).to(self._model.device)

    def _encode(self, pixels: Pixels, tiles: Tiles) -> Routine[Tensor]:
        """Encode pixels tile by tile: z_0, [4, h, w]."""
        fine = tiles.scaled(self._model.multiple)
        parts = []
        for part in fine.cut(torch.from_numpy(pixels).permute(2, 0, 1)):
            own = np.ascontiguousarray(part.permute(1, 2, 0).numpy())
            parts.append((yield from encode(self._model, own, _FIRST)))
        return tiles.blend(parts)

    def _decode(self, latents: Tensor, tiles: Tiles) -> Routine[Pixels]:
        """Decode latents [4, h, w] tile by tile: [H, W, 3]."""
        parts = []
        for part in tiles.cut(latents):
            own = yield from decode(self._model, part, _LAST)
            parts.append(torch.from_numpy(own).permute(2, 0, 1).float())
        planes = tiles.scaled(self._model.multiple).blend(parts)
        pixels: Pixels = planes.round().byte().permute(1, 2, 0).numpy()
        return pixels


def _cut(image: Image.Image, region: Region) -> Pixels:
    """Return a region of an image, at the size at which it is drawn."""
    return np.array(image.resize(region.size, _LANCZOS, region.box))


def _paste(layers: Layers, drawn: Pixels, region: Region) -> Image.Image:
    """Lay a region that was drawn again over the photo, by the matte, and return the image."""
    photo, matte = layers.photo.crop(region.box), layers.matte.crop(region.box)
    fitted = Image.fromarray(drawn).resize(photo.size, _LANCZOS)
    layers.image.paste(Image.composite(fitted, photo, matte), region.box[:2])
    return layers.image
