"""Trains the classifier of realism, and tells what it reaches on held-out scenes.

b images · H, W pixels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits, pad

from bench.edits.model import Images
from bench.edits.realism.classifier import Provenance, Realism, RealismNetwork, to_network
from bench.edits.realism.examples import METHODS, Examples

UPDATES = 800
BATCH = 64  # half of them real
RATE = 2e-3
HELD_OUT = 5  # every fifth case; kinds and methods come in turns of other lengths
SHIFT = 3  # pixels


def train(examples: Examples, identity: str, seed: int, updates: int = UPDATES) -> Realism:
    """Train on four fifths of the cases; measure on the others."""
    torch.manual_seed(seed)
    held_out = examples.cases % HELD_OUT == 0
    network = _fitted(examples.where(~held_out), np.random.default_rng(seed), updates)
    accuracy, auc = _measured(network, examples.where(held_out))
    provenance = Provenance(identity, seed, len(examples.images), accuracy, auc)
    return Realism(network, provenance)


def _fitted(examples: Examples, rng: np.random.Generator, updates: int) -> RealismNetwork:
    network = RealismNetwork().train()
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=updates)
    real, edited = (np.flatnonzero(examples.real == truth) for truth in (True, False))
    for _ in range(updates):
        rows = np.concatenate([rng.choice(own, BATCH // 2) for own in (real, edited)])
        images = to_network(_varied(examples.images[rows], rng))
        truth = torch.from_numpy(examples.real[rows].astype(np.float32))
        optimiser.zero_grad()
        loss = binary_cross_entropy_with_logits(network(images), truth)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return network


def _varied(images: Images, rng: np.random.Generator) -> Images:
    """Return the images mirrored at random and moved by up to SHIFT pixels."""
    height, width = images.shape[1:3]
    planes = torch.from_numpy(images).permute(0, 3, 1, 2).float()
    padded = pad(planes, (SHIFT,) * 4, mode="reflect").permute(0, 2, 3, 1).to(torch.uint8).numpy()
    varied = []
    for image in padded:
        y, x = rng.integers(0, 2 * SHIFT + 1, 2)
        window = image[y : y + height, x : x + width]
        varied.append(window[:, ::-1] if rng.random() < 0.5 else window)
    return np.stack(varied)


def _measured(network: RealismNetwork, examples: Examples) -> tuple[float, dict[str, float]]:
    """Return the accuracy, with real and edited as likely, and the AUC by method."""
    score = Realism(network, Provenance("", 0, 0, 0.0, {})).probabilities(examples.images)
    real = score[examples.real]
    accuracy = ((real > 0.5).mean() + (score[~examples.real] <= 0.5).mean()) / 2
    by_method = {
        name: round(area_under_curve(real, score[examples.origins == name]), 4)
        for name in METHODS
        if (examples.origins == name).any()
    }
    return round(float(accuracy), 4), by_method


def area_under_curve(higher: NDArray[np.float32], lower: NDArray[np.float32]) -> float:
    """Return how often a value of the first is above one of the second; ties count half."""
    above = higher[:, None] > lower[None]
    ties = higher[:, None] == lower[None]
    return float((above + 0.5 * ties).mean())
