"""LPIPS (arXiv 1801.03924, version 0.1), with the weights of its authors and of torchvision.

`lpips`, `piq` and torchmetrics' own class all import torchvision, whose wheel on PyPI is built for
CUDA and cannot be imported with torch for the CPU. So the three small backbones are written here in
torch. Their weights are torchvision's files; the linear heads are the authors', shipped by
torchmetrics.

c channels · h, w height and width of a layer · H, W pixels.
"""

import pickle
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from urllib.error import URLError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bench.photos.errors import WeightsError

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of pixels in −1…1


class _Fire(nn.Module):
    """SqueezeNet's module (arXiv 1602.07360, section 3.2)."""

    def __init__(self, channels: int, squeezed: int, expanded: int):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [b, c, h, w] to [b, 2 · expanded, h, w]."""
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x).relu(), self.expand3x3(x).relu()], 1)


def _alex() -> nn.Sequential:
    """Make AlexNet's convolutions (arXiv 1404.5997), numbered as in torchvision."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, stride=4, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(),
    )


def _vgg() -> nn.Sequential:
    """Make VGG-16's convolutions (arXiv 1409.1556, column D), up to its last pool."""
    layers: list[nn.Module] = []
    in_channels = 3
    for block, (channels, count) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)]):
        layers += [nn.MaxPool2d(2)] if block else []
        for _ in range(count):
            layers += [nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU()]
            in_channels = channels
    return nn.Sequential(*layers)


def _squeeze() -> nn.Sequential:
    """Make SqueezeNet 1.1's features, numbered as in torchvision."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(64, 16, 64),
        _Fire(128, 16, 64),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(128, 32, 128),
        _Fire(256, 32, 128),
        nn.MaxPool2d(3, 2, ceil_mode=True),
        _Fire(256, 48, 192),
        _Fire(384, 48, 192),
        _Fire(384, 64, 256),
        _Fire(512, 64, 256),
    )


@dataclass(frozen=True)
class Backbone:
    """The network whose features LPIPS compares."""

    features: nn.Sequential
    taps: tuple[int, ...]  # the layers whose output is compared
    weights: str  # torchvision's file of ImageNet weights


def backbone(name: str) -> Backbone:
    """Make one of `NETS`, without weights."""
    if name == "alex":
        return Backbone(_alex(), (1, 4, 7, 9, 11), "alexnet-owt-7be5be79.pth")
    if name == "vgg":
        return Backbone(_vgg(), (3, 8, 15, 22, 29), "vgg16-397923af.pth")
    return Backbone(_squeeze(), (1, 4, 7, 9, 10, 11, 12), "squeezenet1_1-b8a52dc0.pth")


NETS = ("alex", "vgg", "squeeze")
_URL = "https://download.pytorch.org/models/"  # of torchvision's weights


class Lpips:
    """A frozen LPIPS. PIE-Bench's figures use `squeeze`, most others `alex`."""

    def __init__(self, net: str, weights: Path | None, device: torch.device):
        """Load the backbone and the heads.

        Args:
            net: one of `NETS`.
            weights: torchvision's ImageNet weights of that net, `.pth` or `.safetensors`; None
                downloads them.
            device: to run on.

        Raises:
            WeightsError: the weights cannot be loaded.
        """
        parts = backbone(net)
        try:
            tensors = _download(parts.weights) if weights is None else _read(weights)
            prefix = "features."
            state = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            parts.features.load_state_dict(state)
        except (OSError, URLError, RuntimeError, SafetensorError, pickle.UnpicklingError) as error:
            raise WeightsError(
                f"Cannot load the backbone of LPIPS ({net}) from {weights or _URL}. Give "
                f"--lpips-weights torchvision's file {parts.weights}, or its tensors as "
                ".safetensors."
            ) from error
        self._features = parts.features.eval().requires_grad_(False).to(device)
        self._taps = parts.taps
        self._heads = [head.to(device) for head in _heads(net, len(parts.taps))]
        self._shift = torch.tensor(_SHIFT, device=device)[None, :, None, None]
        self._scale = torch.tensor(_SCALE, device=device)[None, :, None, None]

    @torch.no_grad()
    def distance(self, edited: Tensor, photo: Tensor) -> float:
        """Compute equation 1: squared differences, weighted by the heads, averaged and summed.

        Args:
            edited: [1, 3, H, W], 0–1; at least 64 pixels a side.
            photo: likewise.
        """
        pairs = zip(self._layers(edited), self._layers(photo), self._heads, strict=True)
        return sum(float(((a - b).square() * head).sum(1).mean()) for a, b, head in pairs)

    def _layers(self, image: Tensor) -> list[Tensor]:
        """Return the outputs of the tapped layers, [1, c, h, w] each, of length 1 along c."""
        x = (image * 2 - 1 - self._shift) / self._scale
        tapped = []
        for i, layer in enumerate(self._features):
            x = layer(x)
            if i in self._taps:
                tapped.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return tapped


def _heads(net: str, count: int) -> list[Tensor]:
    """Load the authors' linear heads, [1, c, 1, 1] each, not negative."""
    resource = files("torchmetrics.functional.image") / "lpips_models" / f"{net}.pth"
    with as_file(resource) as path:
        state = _read(path)
    return [state[f"lin{i}.model.1.weight"] for i in range(count)]


def _read(path: Path) -> dict[str, Tensor]:
    """Read tensors by name; of a pickle only tensors are read, no code in it is run."""
    if path.suffix == ".safetensors":
        return load_file(path)
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _download(name: str) -> dict[str, Tensor]:
    """Download torchvision's weights into torch's cache and check the hash in their name."""
    state: dict[str, Tensor] = torch.hub.load_state_dict_from_url(
        _URL + name, map_location="cpu", check_hash=True, weights_only=True, progress=False
    )
    return state
