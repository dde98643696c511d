"""Cross-attention as pictures: where each word of the text acted.

q queries · n tokens · h, w latent height and width · H, W pixels.
"""

import math

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from baret.images import Pixels
from baret.result import WordAttention

_SHADE = 0.2  # brightness of the photo where a word did not act
_LABEL = 14  # pixels of height
_TILE, _LEAST, _A_LINE = 256, 48, 6  # of the sheet: pixels, pixels, pictures


def words_of(tokens: list[str]) -> list[tuple[str, list[int]]]:
    """Join byte-pair tokens into words: (word, its tokens' positions in the embedding)."""
    words: list[tuple[str, list[int]]] = []
    text = ""
    latent_pixels: list[int] = []
    for place, token in enumerate(tokens, start=1):  # position 0 is the start mark
        text, latent_pixels = text + token, [*latent_pixels, place]
        if text.endswith("</w>"):
            words.append((text.removesuffix("</w>"), latent_pixels))
            text, latent_pixels = "", []
    if latent_pixels:
        words.append((text, latent_pixels))
    return words


def heatmaps(
    maps: Tensor, tokens: list[str], photo: Pixels, latent: tuple[int, int]
) -> tuple[WordAttention, ...]:
    """The photo, bright where each word acted.

    Args:
        maps: [q, n] float32, attention averaged over layers and steps.
        tokens: of the text, without the marks at either end.
        photo: [H, W, 3], the pictures' size too.
        latent: (h, w).
    """
    height, width = _grid(maps.shape[0], latent)
    bright = Image.fromarray(photo)
    shaded = bright.point(lambda value: value * _SHADE)
    images = []
    for word, latent_pixels in words_of(tokens):
        heat = maps[:, latent_pixels].mean(1).reshape(height, width).cpu().numpy()
        heat = (heat - heat.min()) / max(float(heat.max() - heat.min()), 1e-12)
        mask = Image.fromarray((heat * 255).astype(np.uint8)).resize(
            bright.size, Image.Resampling.BICUBIC
        )
        images.append(WordAttention(word, Image.composite(bright, shaded, mask)))
    return tuple(images)


def _grid(queries: int, latent: tuple[int, int]) -> tuple[int, int]:
    """Height and width of a layer's map, the latent's halved (rounding up) some times."""
    height, width = latent
    while height * width > queries:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
    return height, width


def attention_sheet(words: tuple[WordAttention, ...]) -> Image.Image:
    """All words' pictures in lines of six, each under its word, at most 256 pixels a side."""
    tiles = [word.image.copy() for word in words]
    for tile in tiles:
        tile.thumbnail((_TILE, _TILE))
    width = max([_LEAST, *(tile.width for tile in tiles)])
    height = max([_LEAST, *(tile.height for tile in tiles)]) + _LABEL
    lines = math.ceil(len(tiles) / _A_LINE)
    sheet = Image.new("RGB", (width * min(len(tiles), _A_LINE), height * lines), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (word, tile) in enumerate(zip(words, tiles, strict=True)):
        x, y = i % _A_LINE * width, i // _A_LINE * height
        draw.text((x + 2, y + 1), word.word, fill="black")
        sheet.paste(tile, (x, y + _LABEL))
    return sheet
