"""What a model reads of a text: its tokens, the words it knows, and where it stops reading."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tokenizers import Tokenizer

from baret.model.windows import TextToken, place_tokens, places, split_tokens

_APOSTROPHES = "'’"
_WORD = re.compile(rf"[^\s{_APOSTROPHES}](\S*[^\s{_APOSTROPHES}])?")
# "make the dog sit", "turn it into a cat", "please add a hat": says what to do, not what to show.
# A verb alone does not count: "turn of the century house", "change purse on a table".
_INSTRUCTION = re.compile(
    r"\W*(?:(?:please|can you|could you|i want|i would like|i'd like)\b"
    r"|(?:add|change|convert|delete|edit|erase|give|let|make|paint|put|remove|replace|swap"
    r"|transform|turn)"
    r"\s+(?:a|all|an|another|every|everything|her|him|his|it|its|me|more|my|one|out|some|that"
    r"|the|their|them|these|this|those|two|your)\b)",
    re.IGNORECASE,
)

# A text may be long and full of unknown words; a hint stays short.
_MAX_WORDS, _MAX_QUOTED = 20, 5  # in the list; in the sentence
_MAX_CHARACTERS = 40  # of a word, or of the quoted end of a text


@dataclass(frozen=True)
class Hint:
    """Why an edit may not show what its text says. The edit was made all the same."""

    code: Literal[
        "looks_like_instruction",
        "unknown_words",
        "prompt_truncated",
        "outside_the_models_world",
        "detail_not_learned",
        "text_not_shown",
    ]
    detail: str  # one or two sentences for the user
    # Of the text, in lower case, each once; at most 20, of at most 40 characters.
    words: tuple[str, ...]


class _Word(NamedTuple):
    text: str  # in lower case
    end: int  # where it ends in the whole text, in characters


class PromptReader:
    """Reads texts like one model. Safe to call from several threads."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        length: int,
        known_words: frozenset[str],
        max_windows: int = 1,
        added_words: Mapping[str, Sequence[int]] = {},
    ):
        """Take the model's tokenizer and limits.

        Args:
            tokenizer: is copied, because padding and truncation are settings of the object, and
                other threads encode with it.
            length: tokens that the model reads, start and end token included.
            known_words: every word that it was trained with, in lower case; empty if its
                vocabulary is open.
            max_windows: of the length, that a text may take.
            added_words: those that embeddings taught the model, each with the ids of its tokens.
        """
        self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._length, self._max_windows = length, max_windows
        self._added_words = added_words
        added = {word.text for name in added_words for word in _words(name)}
        self._known_words = known_words | added if known_words else known_words

    def windows(self, prompt: str) -> list[list[TextToken]]:
        """Return the tokens that the model reads of a text, without start and end tokens."""
        tokens = split_tokens(self._tokenizer, prompt, self._added_words)
        return place_tokens(tokens, self._length, self._max_windows)

    def tokens(self, prompt: str) -> list[str]:
        """Return the tokens that the model reads of a text, without start and end tokens."""
        return [token.text for window in self.windows(prompt) for token in window]

    def places(self, prompt: str) -> list[int]:
        """Return the place of each of the `tokens` in the text's embedding."""
        return places(self.windows(prompt), self._length)

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """Return the words that the model was not trained with, in lower case, in order."""
        if not self._known_words:
            return ()
        words = [word.text for word in _words(unicodedata.normalize("NFC", prompt))]
        return tuple(dict.fromkeys(word for word in words if not self._is_known(word)))

    def _is_known(self, word: str) -> bool:
        # The tokenizer splits "dog's" into "dog" and "'s".
        return word in self._known_words or word.partition("'")[0] in self._known_words

    def hints(self, prompt: str) -> tuple[Hint, ...]:
        """Return the hints for a text; most texts have none."""
        hints = []
        if looks_like_instruction(prompt):
            detail = (
                "The text reads like an instruction. Describe what the edited photo should show "
                "instead: “a dog sitting”, not “make the dog sit”."
            )
            hints.append(Hint("looks_like_instruction", detail, _first_word(prompt)))
        if unknown := self.unknown_words(prompt):
            detail = (
                f"Unknown to the model: {_quote(unknown)}. The image shows the nearest thing "
                "that it knows; try other words."
            )
            hints.append(Hint("unknown_words", detail, _shorten(unknown)))
        text = unicodedata.normalize("NFC", prompt)
        words, length = _words(text), self._read_length(text)
        read = [word for word in words if word.end <= length]
        if lost := tuple(dict.fromkeys(word.text for word in words[len(read) :])):
            place = f"after “{_tail(text[: read[-1].end])}”" if read else "within its first word"
            detail = (
                f"The text is longer than the model reads: it was cut {place}. Use fewer words."
            )
            hints.append(Hint("prompt_truncated", detail, _shorten(lost)))
        return tuple(hints)

    def _read_length(self, text: str) -> int:
        """Return how many characters the model reads of a text in NFC, as tokenizers count them."""
        tokens = split_tokens(self._tokenizer, text, self._added_words)
        read = sum(map(len, place_tokens(tokens, self._length, self._max_windows)))
        return tokens[read - 1].end if read < len(tokens) else len(text)


def looks_like_instruction(prompt: str) -> bool:
    """Return whether a text begins by saying what to do, and not what to show.

    `api/web/sentence.js` has the same pattern; a test compares the two.
    """
    return _INSTRUCTION.match(prompt.replace("’", "'")) is not None


def _first_word(prompt: str) -> tuple[str, ...]:
    return tuple(word.text for word in _words(unicodedata.normalize("NFC", prompt))[:1])


def _words(text: str) -> list[_Word]:
    """Find the words of a text: letters, digits, symbols such as emoji, and inner apostrophes."""
    spaced = "".join(char if _in_word(char) else " " for char in text)
    return [
        _Word(match[0].replace("’", "'").lower(), match.end()) for match in _WORD.finditer(spaced)
    ]


def _in_word(char: str) -> bool:
    category = unicodedata.category(char)  # L letters, M their accents, N digits, So emoji
    return char in _APOSTROPHES or category[0] in "LMN" or category == "So"


def _quote(words: tuple[str, ...]) -> str:
    quoted = ", ".join(f"“{word}”" for word in _shorten(words)[:_MAX_QUOTED])
    more = len(words) - _MAX_QUOTED
    return f"{quoted} and {more} more" if more > 0 else quoted


def _shorten(words: tuple[str, ...]) -> tuple[str, ...]:
    first = words[:_MAX_WORDS]
    return tuple(w if len(w) <= _MAX_CHARACTERS else w[: _MAX_CHARACTERS - 1] + "…" for w in first)


def _tail(text: str) -> str:
    """Return the last few words."""
    if len(text) <= _MAX_CHARACTERS:
        return text
    end = text[-_MAX_CHARACTERS:]
    return "…" + (end.partition(" ")[2] or end)
