"""The classifier of realism, its weights, and the one model that they are for.

b images · H, W pixels.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bench.edits.model import Images

BUNDLED = Path(__file__).with_name("realism.safetensors")
WIDTHS, STRIDES = (16, 32, 48, 64), (2, 2, 2, 1)  # of the convolutions
BATCH = 64


class NoRealismError(Exception):
    """The classifier has no weights for this model."""


@dataclass(frozen=True)
class Provenance:
    """What the weights were trained on, and what they reach on held-out scenes."""

    model: str  # its identity
    seed: int
    examples: int
    accuracy: float
    auc: Mapping[str, float]  # by method, its edits against all real pictures


class RealismNetwork(nn.Module):
    """A network that maps images of any size to one logit; above 0 it takes them for real."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in zip((3, *WIDTHS[:-1]), WIDTHS, STRIDES, strict=True):
            layers += [
                nn.Conv2d(before, after, 3, stride, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(2 * WIDTHS[-1], 1))

    def forward(self, images: Tensor) -> Tensor:
        """Map [b, 3, H, W], −1…1, to [b]."""
        features = self.features(images)
        # One fault is enough, so the strongest response counts beside the mean.
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        logits: Tensor = self.head(pooled)[:, 0]
        return logits


class Realism:
    """A trained network."""

    def __init__(self, network: RealismNetwork, provenance: Provenance):
        """Wrap a network; it runs on the CPU."""
        self._network = network.eval().cpu()
        self.provenance = provenance

    @classmethod
    def for_model(cls, identity: str, path: Path = BUNDLED) -> Self:
        """Load the weights for a model.

        Raises:
            NoRealismError: there are none, or they are for another model.
        """
        again = "train them: python -m bench.edits.realism"
        if not path.is_file():
            raise NoRealismError(f"Realism has no weights yet; {again}.")
        with safe_open(path, "pt") as file:
            provenance = Provenance(**json.loads(file.metadata()["provenance"]))
        if provenance.model != identity:
            raise NoRealismError(
                f"The weights for realism are for the model {provenance.model[:12]}, not for "
                f"{identity[:12]}; {again}."
            )
        network = RealismNetwork()
        network.load_state_dict(load_file(path))  # copies into float32 parameters
        return cls(network, provenance)

    def save(self, path: Path = BUNDLED) -> None:
        """Write the weights as float16 safetensors, with their provenance."""
        state = {
            name: (t.half() if t.is_floating_point() else t).contiguous()
            for name, t in self._network.state_dict().items()
        }
        save_file(state, path, {"provenance": json.dumps(asdict(self.provenance))})

    @torch.no_grad()
    def probabilities(self, images: Images) -> NDArray[np.float32]:
        """Return how probably each image [b, H, W, 3] is real, [b]; real and edits as likely."""
        logits = [
            self._network(to_network(images[i : i + BATCH])) for i in range(0, len(images), BATCH)
        ]
        probable: NDArray[np.float32] = torch.cat(logits).sigmoid().numpy()
        return probable


def to_network(images: Images) -> Tensor:
    """Return images [b, H, W, 3] as the network takes them, [b, 3, H, W]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1
