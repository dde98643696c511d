import numpy as np
import pytest
import torch
from PIL import Image

from baret import WordAttention
from baret.heatmaps import attention_sheet, heatmaps, words_of


def test_byte_pairs_join_into_words_at_their_places_in_the_embedding():
    tokens = ["a</w>", "or", "ange</w>", "cat</w>"]
    assert words_of(tokens) == [("a", [1]), ("orange", [2, 3]), ("cat", [4])]
    assert words_of([]) == []


@pytest.mark.parametrize(("queries", "latent"), [(256, (16, 16)), (64, (16, 16)), (63, (14, 18))])
def test_a_word_is_bright_where_it_acted(queries, latent):
    maps = torch.zeros(queries, 3)
    maps[: queries // 2, 1] = 1  # the first word acts in the upper half
    white = np.full((64, 64, 3), 255, np.uint8)
    (word,) = heatmaps(maps, words_of(["sky</w>"]), white, latent)
    image = np.asarray(word.image, float)
    assert word.word == "sky"
    assert image[:16].mean() > 240 and image[-16:].mean() < 80


def test_the_sheet_wraps_and_keeps_large_pictures_small():
    words = tuple(WordAttention(f"w{i}", Image.new("RGB", (1024, 512))) for i in range(8))
    assert attention_sheet(words).size == (6 * 256, 2 * (128 + 14))
