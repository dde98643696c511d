"""A training loop with averaged weights, checkpoints and a log; resuming continues the same run."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from zoo.train.files import append_json, replacing

log = logging.getLogger(__name__)


class Stopped(Exception):
    """The run was stopped on request, after writing its checkpoint."""


class Task(Protocol):
    """The modules to train, with their loss and measurements."""

    modules: dict[str, nn.Module]

    def loss(self, step: int, done: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of a step and scalar numbers for the log.

        Args:
            step: counted from 0.
            done: share of the training that is done, 0…1.
        """
        ...

    def measure(self, step: int) -> dict[str, float]:
        """Measure the current quality; the averaged weights are in place."""
        ...


@dataclass(frozen=True)
class LoopOptions:
    """Settings for training one task."""

    name: str
    steps: int
    batch: int  # pictures per step, for the log
    learning_rate: float  # the highest
    time_limit: float = 0.0  # seconds of training that replace `steps`; 0: none
    warmup: int = 200  # steps
    decay: float = 0.25  # final share of the training, over which the rate falls to 0
    beta2: float = 0.99
    weight_decay: float = 0.01
    average: float = 0.999  # decay of the averaged weights per step, after the first steps
    clip: float = 1.0  # maximum norm of the gradient
    log_steps: int = 100
    checkpoint_seconds: float = 300.0
    measure_seconds: float = 900.0

    def done(self, step: int, seconds: float) -> float:
        """Return the share of the training that is done, 0…1."""
        share = seconds / self.time_limit if self.time_limit else step / self.steps
        return min(1.0, share)

    def rate(self, step: int, done: float) -> float:
        """Return the learning rate of a step: warm-up, then constant, then linear decay to 0.

        The constant part makes a run extendable: from any checkpoint before the decay, it can
        continue with more steps as if they had been planned from the start.
        """
        return self.learning_rate * min(1.0, (step + 1) / self.warmup, (1 - done) / self.decay)


class Loop:
    """A task's optimiser, averaged weights and progress.

    Parameters and running statistics are averaged; counters cannot be.

    Attributes:
        step: number of steps done.
        seconds: time spent on them, over all resumed runs.
    """

    def __init__(self, task: Task, options: LoopOptions, folder: Path):
        """Load the checkpoint in `folder`, if there is one."""
        self.task, self.options, self.step, self.seconds = task, options, 0, 0.0
        self._rate = 0.0  # of the last step
        self.checkpoint = folder / f"{options.name}.pt"
        self._metrics = folder / "metrics.jsonl"
        self._parameters = [p for m in task.modules.values() for p in m.parameters()]
        self._optimiser = torch.optim.AdamW(
            self._parameters,
            lr=options.learning_rate,
            betas=(0.9, options.beta2),
            weight_decay=options.weight_decay,
            fused=True,
        )
        # Loading a module's state or averaged weights copies into the same tensors.
        states = (module.state_dict() for module in task.modules.values())
        self._weights = [t for state in states for t in state.values() if t.is_floating_point()]
        self._average = [tensor.clone() for tensor in self._weights]
        if self.checkpoint.is_file():
            self._load()

    def run(self, stop: Event, until: int | None = None) -> None:
        """Train to the last step, or to step `until`, and write the checkpoint.

        Raises:
            Stopped: `stop` was set.
        """
        last = math.inf if self.options.time_limit else self.options.steps
        if until is not None:
            last = min(last, until)
        sums, since = dict[str, Tensor](), self.step
        logged, saved, measured = time.monotonic(), time.monotonic(), time.monotonic()
        while self.done < 1 and self.step < last:
            for name, value in self._train_step().items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
            ended = self.done == 1 or self.step == last
            if self.step % self.options.log_steps == 0 or ended or stop.is_set():
                now = time.monotonic()
                self._log(sums, self.step - since, now - logged)
                sums, since, logged = {}, self.step, now
            if time.monotonic() - saved > self.options.checkpoint_seconds:
                self.save()
                saved = time.monotonic()
            if (now := time.monotonic()) - measured > self.options.measure_seconds:
                self.measure()
                measured = time.monotonic()
                logged += measured - now  # the logged speed is that of training alone
            if stop.is_set():
                self.save()
                raise Stopped
        self.save()

    @property
    def done(self) -> float:
        """Share of the training that is done, 0…1."""
        return self.options.done(self.step, self.seconds)

    def _train_step(self) -> dict[str, Tensor]:
        started = time.monotonic()
        done = self.done
        self._rate = self.options.rate(self.step, done)
        for group in self._optimiser.param_groups:
            group["lr"] = self._rate
        loss, numbers = self.task.loss(self.step, done)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._parameters, self.options.clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.step += 1
        with torch.no_grad():
            keep = min(self.options.average, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self._average, self._weights, 1 - keep)
        self.seconds += time.monotonic() - started
        return {"loss": loss.detach()} | {k: v.detach() for k, v in numbers.items()}

    def _log(self, sums: dict[str, Tensor], steps: int, seconds: float) -> None:
        self._write(
            {name: round(float(value) / steps, 5) for name, value in sums.items()}
            | {"rate": self._rate}
            | {"images_per_second": round(steps * self.options.batch / seconds, 1)}
        )

    def _write(self, numbers: dict[str, float]) -> None:
        place = {"stage": self.options.name, "step": self.step, "seconds": round(self.seconds, 1)}
        append_json(self._metrics, place | numbers)
        told = "  ".join(f"{name} {value:.5g}" for name, value in numbers.items())
        log.info("%s %d  %.0f s  %s", self.options.name, self.step, self.seconds, told)

    def measure(self) -> dict[str, float]:
        """Measure the averaged weights and log the numbers."""
        with self.averaged():
            numbers = self.task.measure(self.step)
        self._write(numbers)
        return numbers

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the averaged weights into the task's modules within the context."""
        own = [tensor.clone() for tensor in self._weights]
        training = {name: module.training for name, module in self.task.modules.items()}
        self._put(self._average)
        try:
            for module in self.task.modules.values():
                module.eval()
            yield
        finally:
            self._put(own)
            for name, module in self.task.modules.items():
                module.train(training[name])

    def _put(self, tensors: list[Tensor]) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self._weights, tensors)

    def save(self) -> None:
        """Write the checkpoint atomically."""
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "weights": {name: m.state_dict() for name, m in self.task.modules.items()},
            "average": self._average,
            "optimiser": self._optimiser.state_dict(),
        }
        with replacing(self.checkpoint) as draft:
            torch.save(state, draft)

    def _load(self) -> None:
        state: dict[str, Any] = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        for name, module in self.task.modules.items():
            module.load_state_dict(state["weights"][name])
        with torch.no_grad():
            torch._foreach_copy_(self._average, state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        log.info("%s goes on at step %d", self.options.name, self.step)


def progress(folder: Path, name: str) -> tuple[int, float]:
    """Return the steps and seconds of a task's checkpoint, or zeros if there is none."""
    path = folder / f"{name}.pt"
    if not path.is_file():
        return 0, 0.0
    state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return int(state["step"]), float(state["seconds"])
