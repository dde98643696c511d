"""The world that a model knows: its words, and how a small one notices a foreign photo."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from baret.errors import UnsupportedModel
from baret.model.loading import read_known_words
from baret.model.prompts import Hint

FILE = "world.json"  # beside model_index.json; models for photographs have none


@dataclass(frozen=True)
class World:
    """What a model was trained on. The default is that of a model for photographs."""

    known_words: frozenset[str] = frozenset()  # all of them; empty if they are not listed
    min_psnr: float | None = None  # dB that nearly all of its pictures keep through the VAE
    trained_on_parts: bool | None = None  # of pictures, as `detail` shows them; None: not stated

    @classmethod
    def read(cls, folder: Path | None) -> "World":
        """Read the world of a model's folder, if it has one.

        Raises:
            UnsupportedModel: a file that describes it is damaged.
        """
        if folder is None:
            return cls()
        stated = _read(folder)
        return cls(read_known_words(folder), stated.min_psnr, stated.trained_on_parts)

    def photo_hints(self, psnr: float) -> tuple[Hint, ...]:
        """Return a hint if a photo is not of a small model's world.

        Args:
            psnr: of the photo through the VAE, in dB.
        """
        if self.min_psnr is None or psnr >= self.min_psnr:
            return ()
        detail = (
            f"The photo is outside the model's world: the model can redraw it to {psnr:.1f} dB, "
            f"and pictures of its world to {self.min_psnr:.1f} dB or more. Use one of its sample "
            "pictures, or a model that was trained on photographs."
        )
        return (Hint("outside_the_models_world", detail, ()),)

    def detail_hints(self) -> tuple[Hint, ...]:
        """Return a hint for an edit with a second pass if the model cannot draw parts well."""
        if self.trained_on_parts is not False:
            return ()
        detail = (
            "The model was not trained on parts of pictures, so `detail` may have drawn small "
            "figures or a texture into the changed part. Set it to “off” and compare, or use a "
            "model that was trained on photographs."
        )
        return (Hint("detail_not_learned", detail, ()),)


class _Stated(NamedTuple):
    """What the file says."""

    min_psnr: float | None = None
    trained_on_parts: bool | None = None


def _read(folder: Path) -> _Stated:
    try:
        content = json.loads((folder / FILE).read_text("utf-8"))
        parts = content.get("trained_on_parts")
        if not isinstance(parts, bool | None):
            raise TypeError("trained_on_parts is not a truth value")
        return _Stated(float(content["min_psnr"]), parts)
    except FileNotFoundError:
        return _Stated()
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UnsupportedModel(
            f"{FILE} of the model is damaged. Download the model again, or delete the file."
        ) from error
