"""How far an edit is, and where its time went."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from baret.options import InversionOptions
from baret.result import Preview
from baret.unet.requests import StageProgress


@dataclass(frozen=True)
class Progress:
    """How far an edit is, told before whatever it asks of the device."""

    stage: str  # "inverting", "tuning", "editing" or "decoding"
    step: int  # timesteps of the stage done
    fraction: float  # 0–1 of the whole, never falling
    preview: Preview | None = None  # every few steps of editing, where it was asked for


OnProgress = Callable[[Progress], None]


@dataclass
class ProgressTracker:
    """One edit's progress and timings. Stages weigh what they cost in UNet rows, roughly."""

    options: InversionOptions
    outputs: int
    on_progress: OnProgress | None
    skipped: frozenset[str] = frozenset()  # stages
    parts_done: int = 0  # outputs denoised
    preview: Preview | None = None  # not told yet
    seconds: dict[str, float] = field(default_factory=dict)
    stage: str | None = None  # that time is being spent on
    since: float = 0.0

    @property
    def reused(self) -> bool:
        """Whether the edit alone is left to do."""
        return "tuning" in self.skipped

    def before_call(self, where: StageProgress) -> None:
        """For the engine, before whatever it is asked for."""
        self.record_time()
        self.stage = where.stage
        self.report(where.stage, where.step, where.done)

    def record_time(self) -> None:
        """Put the time since the last call down to the stage it was spent on."""
        now = time.perf_counter()
        if self.stage is not None:
            self.seconds[self.stage] = self.seconds.get(self.stage, 0.0) + now - self.since
        self.since = now

    def report(self, stage: str, step: int, done: float) -> None:
        """Tell the caller, the share of the stage put in its place in the whole."""
        if self.on_progress is None:
            return
        # Where a step that promises enough ends an inner loop, one is what most take.
        inner_steps = min(self.options.inner_steps, 1 if self.options.stop_share else 1000)
        weights = {
            "inverting": 1.0,
            "tuning": 1.0 + 2.1 * inner_steps,
            "editing": 3.0 * self.outputs,
            "decoding": 0.2,
        } | dict.fromkeys(self.skipped, 0.0)
        if stage == "editing":
            done = (self.parts_done + done) / self.outputs
        order = list(weights)
        before = sum(weights[name] for name in order[: order.index(stage)])
        fraction = (before + weights[stage] * done) / sum(weights.values())
        preview, self.preview = self.preview, None
        self.on_progress(Progress(stage, step, fraction, preview))
