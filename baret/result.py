"""What inverting and editing give: an inversion that can be kept, an edit that can be looked at.

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
    """A photo inverted and a target text tuned to it, with everything that identifies it.

    Index 0 of every sequence is the cleanest level.
    """

    photo: Pixels  # [H, W, 3] uint8, the photo as given, in RGB, rotated as people see it
    pivots: Tensor  # z*_0…z*_T, [T + 1, 4, h, w] float32
    tuned: Tensor  # c_t, [T, n, d] float32
    losses: Tensor  # [T] float32, squared error on the pivot with c_t
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
        """The contents of a safetensors file."""
        told = {
            "prompt": self.prompt,
            "options": asdict(self.options),
            "model": self.model,
            "dtype": self.dtype,
        }
        tensors = {name: getattr(self, name).detach().cpu().contiguous() for name in _TENSORS}
        tensors["photo"] = torch.from_numpy(self.photo.copy())
        return safetensors.torch.save(tensors, {"format": _FORMAT, "inversion": json.dumps(told)})

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            BaretError: the file is no inversion of this version.
            OSError: it cannot be read.
        """
        return cls.from_bytes(Path(path).read_bytes())

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` gave.

        Raises:
            BaretError: the bytes are no inversion of this version.
        """
        try:
            tensors = safetensors.torch.load(data)
            length = int.from_bytes(data[:8], "little")
            metadata = json.loads(data[8 : 8 + length])["__metadata__"]
            if metadata["format"] != _FORMAT:
                raise BaretError(f"This is no {_FORMAT} file; invert the photo again.")
            told: dict[str, Any] = json.loads(metadata["inversion"])
            return cls(
                photo=tensors["photo"].numpy(),
                prompt=told["prompt"],
                options=InversionOptions(**told["options"]),
                model=told["model"],
                dtype=told["dtype"],
                **{name: tensors[name] for name in _TENSORS},
            )
        except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise BaretError("This is no saved inversion; invert the photo again.") from error


@dataclass(frozen=True)
class WordAttention:
    """Where one word of the text acted: the photo, bright where the edit attended to the word."""

    word: str
    image: Image.Image


@dataclass(frozen=True)
class Preview:
    """What an output is becoming: the clean picture that the edit predicts, at the working size."""

    interpolation: float  # η
    image: Image.Image


@dataclass(frozen=True)
class Output:
    """One edited picture, at the size of the photo given."""

    interpolation: float  # η
    image: Image.Image
    transition: Image.Image | None = None  # with artifacts
    attention: tuple[WordAttention, ...] = ()  # with artifacts, in the text's order


@dataclass(frozen=True)
class EditResult:
    """What an edit gave and what it took."""

    outputs: tuple[Output, ...]  # one per interpolation, in the order asked
    reconstruction: Image.Image
    reconstruction_psnr: (
        float  # dB against the photo at the working size, what the VAE loses included
    )
    inversion: Inversion
    inversion_reused: bool
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    hints: tuple[Hint, ...] = ()  # why the pictures may not show what the text says

    @property
    def image(self) -> Image.Image:
        """The first output."""
        return self.outputs[0].image

    @property
    def inner_steps(self) -> int:
        """TTIS optimisation steps that this edit spent."""
        return 0 if self.inversion_reused else int(self.inversion.inner_steps.sum())

    @property
    def losses(self) -> tuple[float, ...]:
        """TTIS's loss at each timestep, the cleanest first."""
        return tuple(self.inversion.losses.tolist())
