"""The world of a small model: how it notices a photo that it cannot redraw."""

import json
from dataclasses import dataclass
from pathlib import Path

from baret.errors import UnsupportedModel
from baret.model.prompts import Hint

FILE = "world.json"  # beside model_index.json; models for photographs have none


@dataclass(frozen=True)
class World:
    """What the pictures that a small model was trained on have in common."""

    min_psnr: float  # dB that nearly all of them keep through the VAE

    @classmethod
    def read(cls, folder: Path) -> "World | None":
        """Read the world of a model's folder; None if it has no such file.

        Raises:
            UnsupportedModel: the file is damaged.
        """
        try:
            return cls(float(json.loads((folder / FILE).read_text("utf-8"))["min_psnr"]))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, LookupError) as error:
            raise UnsupportedModel(
                f"{FILE} of the model is damaged. Download the model again, or delete the file."
            ) from error

    def hints(self, psnr: float) -> tuple[Hint, ...]:
        """Return a hint if a photo is not of this world.

        Args:
            psnr: of the photo through the VAE, in dB.
        """
        if psnr >= self.min_psnr:
            return ()
        detail = (
            f"The photo is outside the model's world: the model can redraw it to {psnr:.1f} dB, "
            f"and pictures of its world to {self.min_psnr:.1f} dB or more. Use one of its sample "
            "pictures, or a model that was trained on photographs."
        )
        return (Hint("outside_the_models_world", detail, ()),)
