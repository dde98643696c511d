"""The judge: recognises the attributes that a picture of the world shows.

It is a small convolutional network, trained only on renders (zoo/train/judge.py). The model's
training never uses it, so its measurements of the model are independent.

b batch · H, W pixels · A attributes.
"""

from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from zoo.scene import ATTRIBUTES

BUNDLED = Path(__file__).parent / "judge.safetensors"
SIDE = 64  # input pixels; pictures of other sizes are resized
BATCH = 256


class JudgeNetwork(nn.Module):
    """A network that maps pictures to one row of logits per attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            *_halving(16, 32),
            *_halving(32, 64),
            *_halving(64, 96),
        )
        places = 96 * (SIDE // 16) ** 2
        self.heads = nn.ModuleList(nn.Linear(places, len(v)) for v in ATTRIBUTES.values())

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map [b, 3, SIDE, SIDE], −1…1, to A times [b, values of the attribute]."""
        features = self.features(images).flatten(1)
        return [head(features) for head in self.heads]


def _halving(before: int, after: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, 2, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, 1, 1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]


def to_side(images: Tensor) -> Tensor:
    """Resize [b, 3, H, W] to the network's input size."""
    if images.shape[-2:] == (SIDE, SIDE):
        return images
    return functional.interpolate(images, (SIDE, SIDE), mode="bilinear", antialias=True)


class Judge:
    """A trained network and the device it runs on."""

    def __init__(self, network: JudgeNetwork, device: torch.device | None = None):
        """Wrap a network; it runs on the CPU if no device is given."""
        self._device = device or torch.device("cpu")
        self._network = network.eval().to(self._device)

    @classmethod
    def from_pretrained(cls, path: Path = BUNDLED, device: torch.device | None = None) -> Self:
        """Load weights that `save` wrote.

        Raises:
            FileNotFoundError: the file does not exist.
        """
        network = JudgeNetwork()
        network.load_state_dict(load_file(path))  # copies into float32 parameters
        return cls(network, device)

    def save(self, path: Path) -> None:
        """Write the weights as float16 safetensors."""
        state = self._network.state_dict()
        save_file(
            {
                name: (t.half() if t.is_floating_point() else t).cpu().contiguous()
                for name, t in state.items()
            },
            path,
        )

    @torch.no_grad()
    def classify(self, pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the attribute values that pictures show.

        Args:
            pictures: [b, H, W, 3] uint8, square.

        Returns:
            [b, A] int64: the index of each attribute's value in `zoo.scene.ATTRIBUTES`.
        """
        found = [self._classify(pictures[i : i + BATCH]) for i in range(0, len(pictures), BATCH)]
        return np.concatenate(found)

    def _classify(self, pictures: NDArray[np.uint8]) -> NDArray[np.int64]:
        images = torch.tensor(pictures, device=self._device)
        images = to_side(images.permute(0, 3, 1, 2).float() / 127.5 - 1)
        rows = self._network(images.contiguous(memory_format=torch.channels_last))
        return torch.stack([row.argmax(1) for row in rows], 1).cpu().numpy()
