"""Trains the judge on renders that are slightly blurred, shifted and noisy, never mirrored.

b batch · S pixels on a side · A attributes.
"""

import logging
from pathlib import Path
from threading import Event

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.judge import Judge, JudgeNetwork, to_side
from zoo.scene import ATTRIBUTES
from zoo.train import draws, pictures
from zoo.train.draws import Batches, Stream
from zoo.train.files import replacing
from zoo.train.loop import Loop, LoopOptions
from zoo.train.options import TrainOptions
from zoo.train.precision import autocast

log = logging.getLogger(__name__)
REQUIRED = 0.99  # accuracy that every attribute needs before the judge can measure a model
SHIFT = 3  # maximum, in pixels
NOISE = 0.06  # maximum standard deviation, for pixels in −1…1


class JudgeTask:
    """Trains on the cross entropy of every attribute."""

    def __init__(self, options: TrainOptions, device: torch.device):
        """Build the network from the seed."""
        self._options, self._device = options, device
        torch.manual_seed(options.seed)
        self.network = JudgeNetwork().to(device)
        self.modules: dict[str, nn.Module] = {"judge": self.network}
        self._training, self._validation = pictures.training(options), pictures.validation(options)
        self._batches = Batches(options.pictures, options.judge_batch, options.seed, Stream.JUDGE)

    def loss(self, step: int, done: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean loss over the attributes; it adds no numbers to the log."""
        indices = self._batches.indices(step)
        images = to_side(self._training.batch(indices, self._device))
        images = disturb(images, self._options.seed, step)
        truth = torch.from_numpy(self._training.labels[indices]).to(self._device)
        with autocast(self._options, self._device):
            rows = self.network(images)
        losses = [functional.cross_entropy(r.float(), truth[:, k]) for k, r in enumerate(rows)]
        return torch.stack(losses).mean(), {}

    def measure(self, step: int) -> dict[str, float]:
        """Measure the accuracy of every attribute on the validation pictures."""
        found = Judge(self.network, self._device).classify(self._validation.pixels)
        right = (found == self._validation.labels).mean(0)
        return {name: round(float(r), 4) for name, r in zip(ATTRIBUTES, right, strict=True)}


def disturb(images: Tensor, seed: int, step: int) -> Tensor:
    """Blur, shift and add noise, so that a model's small faults do not mislead the judge.

    It does not mirror pictures, because that would turn "left" into "right".

    Args:
        images: [b, 3, S, S], −1…1.
        seed, step: seed and step of the random numbers.
    """
    rng = draws.numbers(seed, Stream.JUDGE, step)
    blurred = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = torch.lerp(images, blurred, float(rng.uniform(0, 1)))
    noise = torch.randn(images.shape, generator=draws.noise(seed, Stream.JUDGE, step))
    images = images + noise.to(images.device) * float(rng.uniform(0, NOISE))
    left, top = (int(v) for v in rng.integers(0, 2 * SHIFT + 1, 2))
    side = images.shape[-1]
    padded = functional.pad(images, (SHIFT,) * 4, mode="replicate")
    shifted = padded[..., top : top + side, left : left + side]
    return shifted.contiguous(memory_format=torch.channels_last)


def path(options: TrainOptions) -> Path:
    """Return the path of the run's judge."""
    return options.out / "judge.safetensors"


def train(options: TrainOptions, device: torch.device, stop: Event) -> dict[str, float]:
    """Train the judge and write it.

    Returns:
        Accuracy of every attribute on the validation pictures.
    """
    task = JudgeTask(options, device)
    how = LoopOptions(
        name="judge",
        steps=options.judge_steps,
        batch=options.judge_batch,
        learning_rate=options.judge_rate,
        warmup=100,
        decay=0.5,
        average=0.99,
        weight_decay=0.02,
        checkpoint_seconds=options.checkpoint_seconds,
    )
    loop = Loop(task, how, options.out)
    loop.run(stop)
    accuracy = loop.measure()
    if min(accuracy.values()) < REQUIRED:
        log.warning("the judge is too weak to measure with: %s", accuracy)
    with loop.averaged(), replacing(path(options)) as draft:
        Judge(task.network, device).save(draft)
    return accuracy
