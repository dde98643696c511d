"""The world that a model knows: its words, and how a small one notices a foreign photo."""

import json
from dataclasses import dataclass
from pathlib import Path

from baret.errors import UnsupportedModel
from baret.model.loading import read_known_words
from baret.model.prompts import Hint

FILE = "world.json"  # beside model_index.json; models for photographs have none


@dataclass(frozen=True)
class World:
    """What a model was trained on. The default is that of a model for photographs."""

    known_words: frozenset[str] = frozenset()  # all of them; empty if they are not listed
    min_psnr: float | None = None  # dB that nearly all of its pictures keep through the VAE

    @classmethod
    def read(cls, folder: Path | None) -> "World":
        """Read the world of a model's folder, if it has one.

        Raises:
            UnsupportedModel: a file that describes it is damaged.
        """
        return cls() if folder is None else cls(read_known_words(folder), _read_min_psnr(folder))

    def hints(self, psnr: float) -> tuple[Hint, ...]:
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


def _read_min_psnr(folder: Path) -> float | None:
    try:
        return float(json.loads((folder / FILE).read_text("utf-8"))["min_psnr"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, LookupError) as error:
        raise UnsupportedModel(
            f"{FILE} of the model is damaged. Download the model again, or delete the file."
        ) from error
