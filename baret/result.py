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
from baret.options import InversionOptions, PaperTuning

_FORMAT = "baret-inversion-4"
_TENSORS = ("pivots", "tuned", "departure", "reconstruction")


@dataclass(frozen=True)
class Inversion:
    """An inverted photo and a target text tuned to it, with everything that identifies them.

    Index 0 of every sequence is the cleanest level.
    """

    photo: Pixels  # [H, W, 3] uint8 RGB at its own size, upright
    pivots: Tensor  # z*_0…z*_T, [T + 1, 4, h, w] float32
    tuned: Tensor  # c_src, [1, n, d] float32; in the paper's form c_t, [T, n, d]
    departure: Tensor  # [h, w] float32, how far the texts lead apart; in the paper's form 1
    reconstruction: Tensor  # [4, h, w] float32, where denoising with the tuned text ends
    prompt: str
    options: InversionOptions
    model: str  # identity of the model
    dtype: str  # of the UNet, such as "float32"
    inner_steps: int  # Adam steps spent

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
            "inner_steps": self.inner_steps,
        }
        # Copies, because safetensors refuses tensors that share memory, as pivots and a pivot do.
        tensors = {name: getattr(self, name).detach().cpu().clone() for name in _TENSORS}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
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
                options=_options(described["options"]),
                model=described["model"],
                dtype=described["dtype"],
                inner_steps=described["inner_steps"],
                **{name: tensors[name] for name in _TENSORS},
            )
        except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise BaretError("This is not a saved inversion; invert the photo again.") from error


def _options(described: dict[str, Any]) -> InversionOptions:
    paper = described["paper"]
    return InversionOptions(**{**described, "paper": paper and PaperTuning(**paper)})


@dataclass(frozen=True)
class WordAttention:
    """Where one word of the text acted: the photo, bright where the edit attended to the word."""

    word: str
    image: Image.Image


@dataclass(frozen=True)
class Preview:
    """The clean image that an unfinished edit predicts, at the working size."""

    strength: float
    image: Image.Image


@dataclass(frozen=True)
class EditedImage:
    """One output of an edit, at the photo's size."""

    strength: float
    image: Image.Image
    transition: Image.Image | None = None  # as decoded, before composition; with artifacts
    attention: tuple[WordAttention, ...] = ()  # with artifacts, in the text's order
    mask: Image.Image | None = None  # L, white where the edit shows; with artifacts, if kept by one


@dataclass(frozen=True)
class EditResult:
    """An edit's images, and what it took to make them."""

    outputs: tuple[EditedImage, ...]  # one per strength, in the requested order
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
        """TTIS's Adam steps that this edit spent."""
        return 0 if self.inversion_reused else self.inversion.inner_steps
