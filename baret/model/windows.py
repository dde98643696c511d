"""A text's tokens, laid out in windows of the text encoder's length.

The text encoder reads 75 tokens between a start and an end token. A longer text is cut, or read in
several such windows whose embeddings are joined, as other programs for Stable Diffusion do
(`BARET_LONG_PROMPTS`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tokenizers import Tokenizer

WORD_END = "</w>"  # of a word's last token, in CLIP's vocabulary
SPECIAL_TOKENS = 2  # of a window: the start and the end token
MAX_WINDOWS = 4  # of a text in windows


class TextToken(NamedTuple):
    """A token of a text."""

    text: str  # a word's last one ends with </w>
    id: int
    end: int  # where the text read with it ends, in characters


def split_tokens(
    tokenizer: Tokenizer, text: str, added: Mapping[str, Sequence[int]]
) -> list[TextToken]:
    """Return the tokens of a text, without start and end tokens.

    Args:
        tokenizer: the model's.
        text: the text.
        added: the words of embeddings, each with the ids of its tokens.
    """
    encoding = tokenizer.encode(text, add_special_tokens=False)
    by_id = {ids[0]: (word, ids) for word, ids in added.items()}
    tokens = []
    for text_of, number, (start, end) in zip(
        encoding.tokens, encoding.ids, encoding.offsets, strict=True
    ):
        if number not in by_id:
            tokens.append(TextToken(text_of, number, end))
            continue
        word, ids = by_id[number]
        texts = [word, *[""] * (len(ids) - 1)]
        texts[-1] += WORD_END
        ends = [*[start] * (len(ids) - 1), end]
        tokens += map(TextToken, texts, ids, ends)
    return tokens


def place_tokens(tokens: list[TextToken], length: int, max_windows: int) -> list[list[TextToken]]:
    """Return the tokens that are read, by window, at least one.

    A word is not torn apart, if there is a window left and the word fits into one.

    Args:
        tokens: of a text.
        length: of a window, start and end token included.
        max_windows: into which the text must fit; what does not is left out.
    """
    room = length - SPECIAL_TOKENS
    windows: list[list[TextToken]] = [[]]
    for word in _words(tokens):
        full = len(windows[-1]) + len(word) > room
        if full and len(word) <= room and len(windows) < max_windows:
            windows.append([])
        for token in word:
            if len(windows[-1]) == room:
                if len(windows) == max_windows:
                    return windows
                windows.append([])
            windows[-1].append(token)
    return windows


def _words(tokens: list[TextToken]) -> list[list[TextToken]]:
    words: list[list[TextToken]] = [[]]
    for token in tokens:
        words[-1].append(token)
        if token.text.endswith(WORD_END):
            words.append([])
    return [word for word in words if word]


def places(windows: list[list[TextToken]], length: int) -> list[int]:
    """Return the place of each token in the joined embedding of all windows."""
    return [
        number * length + 1 + place
        for number, window in enumerate(windows)
        for place in range(len(window))
    ]
