"""What inverting and editing return: an inversion that can be saved, and an edit's images.

T steps · n tokens · d text width · h, w latent height and width · H, W pixels.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import safetensors.torch
import torch
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from baret.errors import BaretError
from baret.images import Pixels
from baret.model.prompts import Hint
from baret.options import InversionOptions

_FORMAT = "baret-inversion-3"
_TENSORS = ("pivots", "tuned", "losses", "inner_steps", "reconstruction")


@dataclass(frozen=True)
class Inversion:
    """An inverted photo and a target text tuned to it, with everything that identifies them.

    Index 0 of every sequence is the cleanest level.
    """

    photo: Pixels  # [H, W, 3] uint8 RGB at its own size, upright
    pivots: Tensor  # z*_0…z*_T, [T + 1, 4, h, w] float32
    tuned: Tensor  # c_t, [T, n, d] float32
    losses: Tensor  # [T] float32, squared error on the pivot with c_t; NaN if never evaluated
    inner_steps: Tensor  # [T] int64, Adam steps spent
    reconstruction: Tensor  # [4, h, w] float32, where denoising with c_t ends
    prompt: str
    options: InversionOptions
    model: str  # identity of the model
    dtype: str  # of the UNet, such as "float32"

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the photo."""
        return self.photo.shape[1], self.photo.shape[0]

    def save(self, path: str | Path) -> None:
        """Write a safetensors file."""
        Path(path).write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the contents of a safetensors file."""
        described = {
            "prompt": self.prompt,
            "options": asdict(self.options),
            "model": self.model,
            "dtype": self.dtype,
        }
        tensors = {name: getattr(self, name).detach().cpu().contiguous() for name in _TENSORS}
        tensors["photo"] = torch.from_numpy(self.photo.copy())
        return safetensors.torch.save(
            tensors, {"format": _FORMAT, "inversion": json.dumps(described)}
        )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            BaretError: the file is not an inversion of this version.
            OSError: the file cannot be read.
        """
        return cls.from_bytes(Path(path).read_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` returned.

        Raises:
            BaretError: the bytes are not an inversion of this version.
        """
        try:
            tensors = safetensors.torch.load(data)
            length = int.from_bytes(data[:8], "little")
            metadata = json.loads(data[8 : 8 + length])["__metadata__"]
            if metadata["format"] != _FORMAT:
                raise BaretError(f"This is not a {_FORMAT} file; invert the photo again.")
            described: dict[str, Any] = json.loads(metadata["inversion"])
            return cls(
                photo=tensors["photo"].numpy(),
                prompt=described["prompt"],
                options=InversionOptions(**described["options"]),
                model=described["model"],
                dtype=described["dtype"],
                **{name: tensors[name] for name in _TENSORS},
            )
        except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise BaretError("This is not a saved inversion; invert the photo again.") from error


@dataclass(frozen=True)
class WordAttention:
    """Where one word of the text acted: the photo, bright where the edit attended to the word."""

    word: str
    image: Image.Image


@dataclass(frozen=True)
class Preview:
    """The clean image that an unfinished edit predicts, at the working size."""

    interpolation: float  # η
    image: Image.Image


@dataclass(frozen=True)
class EditedImage:
    """One output of an edit, at the photo's size."""

    interpolation: float  # η
    image: Image.Image
    transition: Image.Image | None = None  # with artifacts
    attention: tuple[WordAttention, ...] = ()  # with artifacts, in the text's order


@dataclass(frozen=True)
class EditResult:
    """An edit's images, and what it took to make them."""

    outputs: tuple[EditedImage, ...]  # one per η, in the requested order
    reconstruction: Image.Image
    reconstruction_psnr: float  # dB, from the photo at the working size; includes the VAE's losses
    inversion: Inversion
    inversion_reused: bool
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    hints: tuple[Hint, ...] = ()  # why the images may not show what the text says

    @property
    def image(self) -> Image.Image:
        """The first output."""
        return self.outputs[0].image

    @property
    def inner_steps(self) -> int:
        """TTIS inner steps that this edit spent."""
        return 0 if self.inversion_reused else int(self.inversion.inner_steps.sum())

    @property
    def losses(self) -> tuple[float, ...]:
        """TTIS's loss at each timestep, the cleanest first."""
        return tuple(self.inversion.losses.tolist())
