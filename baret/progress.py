"""How far an edit is, and how long each stage took."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from baret.method.detail import NOISE_SHARE
from baret.method.mask import DEPARTURE_ROWS
from baret.method.ttis import LEVELS_PER_STEP
from baret.options import InversionOptions
from baret.result import Preview
from baret.unet.requests import StageProgress


@dataclass(frozen=True)
class Progress:
    """How far an edit is. Reported before every use of the device."""

    stage: str  # "tuning", "inverting", "editing", "detailing" or "decoding"
    step: int  # timesteps of the stage done
    fraction: float  # 0–1 of the whole, never falling
    preview: Preview | None = None  # every few steps of editing, if requested


OnProgress = Callable[[Progress], None]


@dataclass
class ProgressTracker:
    """One edit's progress and timings. Stages are weighted by their rough cost in UNet rows."""

    options: InversionOptions
    outputs: int
    on_progress: OnProgress | None = None
    skipped: frozenset[str] = frozenset()  # stages
    max_tiles: int = 0  # of each output's second pass
    # Stages that every output goes through, and how many have.
    outputs_done: dict[str, int] = field(default_factory=lambda: {"editing": 0, "detailing": 0})
    fraction: float = 0.0  # of the whole that was reported last; an edit made again repeats steps
    preview: Preview | None = None  # not reported yet
    seconds: dict[str, float] = field(default_factory=dict)  # by stage
    stage: str | None = None  # the current one
    since: float = 0.0  # when time was last recorded

    @property
    def reused(self) -> bool:
        """Whether an inversion is reused, and only the edit is left to do."""
        return "tuning" in self.skipped

    def before_call(self, progress: StageProgress) -> None:
        """Record time and report progress; called by the engine before every request."""
        self.enter(progress.stage)
        self.report(progress)

    def enter(self, stage: str) -> None:
        """Record time; from now on it is spent on a stage."""
        self.record_time()
        self.stage = stage

    def record_time(self) -> None:
        """Add the time since the last call to the current stage."""
        now = time.perf_counter()
        if self.stage is not None:
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.since
        self.since = now

    def report(self, progress: StageProgress) -> None:
        """Report the progress of a stage as that of the whole edit."""
        if self.on_progress is None:
            return
        weights = self._weights() | dict.fromkeys(self.skipped, 0.0)
        stage, done = progress.stage, progress.done
        if stage in self.outputs_done:
            done = (self.outputs_done[stage] + done) / self.outputs
        order = list(weights)
        before = sum(weights[name] for name in order[: order.index(stage)])
        self.fraction = max(self.fraction, (before + weights[stage] * done) / sum(weights.values()))
        preview, self.preview = self.preview, None
        self.on_progress(Progress(stage, progress.step, self.fraction, preview))

    def _weights(self) -> dict[str, float]:
        """Return what each stage costs, in rows of the UNet a timestep, in the stages' order."""
        paper, steps = self.options.paper, self.options.num_inference_steps
        detailing = 2.0 * NOISE_SHARE * self.max_tiles
        editing = {
            "editing": 3.0 * self.outputs,
            "detailing": detailing * self.outputs,
            "decoding": 0.2,
        }
        if paper is not None:
            return {"inverting": 1.0, "tuning": 2.0 + 2.1 * paper.inner_steps} | editing
        rows = 2.1 * LEVELS_PER_STEP * self.options.inner_steps + DEPARTURE_ROWS
        return {"tuning": rows / steps, "inverting": 1.0} | editing
