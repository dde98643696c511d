"""What a model can read of a text: its tokens, the words it knows, and where it stops reading."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, NamedTuple

from tokenizers import Tokenizer

_APOSTROPHES = "'’"
_WORD = re.compile(rf"[^\s{_APOSTROPHES}](\S*[^\s{_APOSTROPHES}])?")
_MARKS = 2  # of the model's length: one before the text, one after it

# A text may be long and foreign throughout; a hint stays short.
_MAX_WORDS, _MAX_QUOTED = 20, 5  # listed; in a sentence
_LONGEST = 40  # characters of a word, or of the end of a text


@dataclass(frozen=True)
class Hint:
    """Why an edit may not show what its text says. The edit was made all the same."""

    code: Literal["unknown_words", "prompt_truncated"]
    detail: str  # a sentence or two for whoever wrote the text
    words: tuple[str, ...]  # that it is about, lower case, each once: 20 of 40 letters at most


class _Word(NamedTuple):
    text: str  # in lower case
    end: int  # characters of the whole text up to its last one


class PromptReader:
    """Reads texts as one model does. Safe to call from several threads."""

    def __init__(self, tokenizer: Tokenizer, *, length: int, known: frozenset[str]):
        """Take what decides how the model reads.

        Args:
            tokenizer: the model's; it is copied, because whether it pads and cuts is a setting of
                the object, and other threads encode by it.
            length: tokens that the model takes, the marks at either end included.
            known: every word that it was trained with, in lower case; empty where it was trained
                on whatever people write.
        """
        self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer.to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._room = length - _MARKS
        self._known = known

    def tokens(self, prompt: str) -> list[str]:
        """The text's tokens as the model sees them, without the marks at either end."""
        tokens: list[str] = self._tokenizer.encode(prompt, add_special_tokens=False).tokens
        return tokens[: self._room]

    def unknown_words(self, prompt: str) -> tuple[str, ...]:
        """The words that the model was not trained with, in lower case, in the text's order."""
        if not self._known:
            return ()
        words = [word.text for word in _words(unicodedata.normalize("NFC", prompt))]
        return tuple(dict.fromkeys(word for word in words if not self._knows(word)))

    def _knows(self, word: str) -> bool:
        # The "dog" of "dog's" is a token of its own.
        return word in self._known or word.partition("'")[0] in self._known

    def hints(self, prompt: str) -> tuple[Hint, ...]:
        """All that there is to say of a text; nothing, for most."""
        found = []
        if unknown := self.unknown_words(prompt):
            told = (
                f"Unknown to the model: {_quoted(unknown)}. The picture shows the nearest thing "
                "that it knows; try other words."
            )
            found.append(Hint("unknown_words", told, _short(unknown)))
        text = unicodedata.normalize("NFC", prompt)
        words, cut = _words(text), self._cut(text)
        kept = [word for word in words if word.end <= cut]
        if lost := tuple(dict.fromkeys(word.text for word in words[len(kept) :])):
            where = f"after “{_tail(text[: kept[-1].end])}”" if kept else "within its first word"
            told = f"The text is longer than the model reads: cut {where}. Say it in fewer words."
            found.append(Hint("prompt_truncated", told, _short(lost)))
        return tuple(found)

    def _cut(self, text: str) -> int:
        """How many characters of a text the model reads. In NFC, or tokenizers count others."""
        ends = [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]
        return ends[self._room - 1] if len(ends) > self._room else len(text)


def _words(text: str) -> list[_Word]:
    """A text's words: letters, digits, signs such as emoji, and apostrophes inside."""
    spaced = "".join(char if _in_word(char) else " " for char in text)
    return [
        _Word(found[0].replace("’", "'").lower(), found.end()) for found in _WORD.finditer(spaced)
    ]


def _in_word(char: str) -> bool:
    kind = unicodedata.category(char)  # L letters, M their accents, N digits, So emoji
    return char in _APOSTROPHES or kind[0] in "LMN" or kind == "So"


def _quoted(words: tuple[str, ...]) -> str:
    quoted = ", ".join(f"“{word}”" for word in _short(words)[:_MAX_QUOTED])
    more = len(words) - _MAX_QUOTED
    return f"{quoted} and {more} more" if more > 0 else quoted


def _short(words: tuple[str, ...]) -> tuple[str, ...]:
    first = words[:_MAX_WORDS]
    return tuple(w if len(w) <= _LONGEST else w[: _LONGEST - 1] + "…" for w in first)


def _tail(text: str) -> str:
    """The last few words."""
    if len(text) <= _LONGEST:
        return text
    end = text[-_LONGEST:]
    return "…" + (end.partition(" ")[2] or end)
