"""Heatmaps of cross-attention: where each word of the text acted.

q queries · n tokens · h, w latent height and width · H, W pixels.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from baret.images import Pixels
from baret.result import WordAttention

_SHADE = 0.2  # brightness of the photo where a word did not act
# Of the sheet, in pixels: the largest and smallest side of a tile, and the height of a label.
_MAX_TILE, _MIN_TILE, _LABEL_HEIGHT = 256, 48, 14
_COLUMNS = 6


Word = tuple[str, list[int]]  # with its tokens' places in the embedding


def words_of(tokens: Sequence[str], places: Sequence[int] | None = None) -> list[Word]:
    """Join byte-pair tokens into words, each with its tokens' places in the embedding.

    Args:
        tokens: without start and end tokens.
        places: of the tokens; None if they follow the start token, which is at 0.
    """
    words: list[Word] = []
    text = ""
    positions: list[int] = []
    for position, token in zip(places or range(1, len(tokens) + 1), tokens, strict=True):
        text, positions = text + token, [*positions, position]
        if text.endswith("</w>"):
            words.append((text.removesuffix("</w>"), positions))
            text, positions = "", []
    if positions:
        words.append((text, positions))
    return words


def heatmaps(
    maps: Tensor, words: Sequence[Word], photo: Pixels, latent: tuple[int, int]
) -> tuple[WordAttention, ...]:
    """Show the photo for each word, bright where the word acted.

    Args:
        maps: [q, n] float32, attention averaged over layers and steps.
        words: of the text, as `words_of` returns them.
        photo: [H, W, 3]; the heatmaps have its size.
        latent: (h, w).
    """
    height, width = _grid(maps.shape[0], latent)
    bright = Image.fromarray(photo)
    shaded = bright.point(lambda value: value * _SHADE)
    shown = []
    for word, positions in words:
        heat = maps[:, positions].mean(1).reshape(height, width).cpu().numpy()
        heat = (heat - heat.min()) / max(float(heat.max() - heat.min()), 1e-12)
        mask = Image.fromarray((heat * 255).astype(np.uint8)).resize(
            bright.size, Image.Resampling.BICUBIC
        )
        shown.append(WordAttention(word, Image.composite(bright, shaded, mask)))
    return tuple(shown)


def _grid(queries: int, latent: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a layer's map: the latent's, halved some times, rounding up."""
    height, width = latent
    while height * width > queries:
        height, width = math.ceil(height / 2), math.ceil(width / 2)
    return height, width


def attention_sheet(words: tuple[WordAttention, ...]) -> Image.Image:
    """Lay out all heatmaps in rows of six, each below its word, at most 256 pixels a side."""
    tiles = [word.image.copy() for word in words]
    for tile in tiles:
        tile.thumbnail((_MAX_TILE, _MAX_TILE))
    width = max([_MIN_TILE, *(tile.width for tile in tiles)])
    height = max([_MIN_TILE, *(tile.height for tile in tiles)]) + _LABEL_HEIGHT
    rows = math.ceil(len(tiles) / _COLUMNS)
    sheet = Image.new("RGB", (width * min(len(tiles), _COLUMNS), height * rows), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (word, tile) in enumerate(zip(words, tiles, strict=True)):
        x, y = i % _COLUMNS * width, i // _COLUMNS * height
        draw.text((x + 2, y + 1), word.word, fill="black")
        sheet.paste(tile, (x, y + _LABEL_HEIGHT))
    return sheet
