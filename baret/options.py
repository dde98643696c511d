"""What can be asked of the method: frozen, checked when made, the paper's defaults.

Sources: arXiv 2312.05482 (BARET) where it says; otherwise the published neighbours, null-text
inversion (arXiv 2211.09794) and prompt-tuning inversion, as named beside the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from baret.errors import OptionsError


class Preset(NamedTuple):
    """Interpolation η, and the windows τ_s and τ_c as shares of the steps."""

    interpolation: float
    self_attention_until: float
    cross_attention_until: float


# One per kind of edit, by how much of the photo's layout it keeps; the only place that defines
# presets, which workers announce from here. Measured in docs/decisions/0004-presets.md. The kind
# of an edit is not guessed from its text: `auto` is what did best over all kinds.
PRESETS: Mapping[str, Preset] = {
    "auto": Preset(0.8, 0.6, 0.2),
    "non_rigid": Preset(0.8, 0.6, 0.2),
    "object": Preset(0.8, 0.9, 0.2),
    "style": Preset(0.8, 0.6, 0.8),
    "background": Preset(0.8, 0.6, 0.8),
}


def _check(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN fails too
        raise OptionsError(f"{name} must lie between {low} and {high}, not {value}.")


@dataclass(frozen=True)
class InversionOptions:
    """How a photo is inverted and the target text tuned to it (TTIS)."""

    num_inference_steps: int = 50  # T, DDIM steps (paper)
    guidance_scale: float = 7.5  # w (paper); tuning and editing share it
    inner_steps: int = 10  # most Adam steps a timestep (null-text inversion)
    # Beyond the paper: every timestep is tuned from its own pivot, all at once.
    side_by_side: bool = True
    learning_rate: float = 0.1  # at the noisiest step, falling to half at the last
    stop_loss: float = 1e-5  # an inner loop ends below this … (null-text)
    stop_loss_growth: float = 1e-3  # … plus this times the share of steps done (2e-5 × 50)
    # … or, ours, with the step that brings it below this share of where it began; the paper's is 0
    stop_share: float = 0.9

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check("num_inference_steps", self.num_inference_steps, 1, 1000)
        _check("guidance_scale", self.guidance_scale, 1, 50)
        _check("inner_steps", self.inner_steps, 0, 1000)
        _check("learning_rate", self.learning_rate, 1e-8, 10)
        _check("stop_loss", self.stop_loss, 0, 1)
        _check("stop_loss_growth", self.stop_loss_growth, 0, 1)
        _check("stop_share", self.stop_share, 0, 1)


@dataclass(frozen=True)
class EditOptions:
    """How an inverted photo is edited. None is filled in by the preset; what is given wins."""

    preset: str = "auto"  # a name of PRESETS
    interpolation: float | tuple[float, ...] | None = None  # η; each value is one picture
    interpolation_end: float | None = None  # progressive η: its value at the last step
    self_attention_until: float | None = None  # τ_s, share of the steps from the noisiest
    cross_attention_until: float | None = None  # τ_c, likewise
    # Beyond the paper: where the edit departs from the photo by less than the first share of the
    # most, the photo is kept; above the second the edit is free. None keeps nothing, as there.
    change_thresholds: tuple[float, float] | None = (0.1, 0.25)
    # Beyond the paper: w of the edit branch at the last step, None keeps w throughout, as there.
    guidance_end: float | None = 1.0
    # Beyond the paper: what the edit branch is guided away from, 0 the empty text, as there, and 1
    # the tuned one.
    guidance_base: float = 0.5
    artifacts: bool = False  # also the transition and attention pictures
    previews: bool = False  # tell what the edit is becoming while it is made
    inversion: InversionOptions = field(default_factory=InversionOptions)

    def __post_init__(self) -> None:
        """Fill in the preset and check the ranges."""
        if self.preset not in PRESETS:
            raise OptionsError(f"preset must be one of {', '.join(PRESETS)}, not {self.preset!r}.")
        values = PRESETS[self.preset]
        for name, value in values._asdict().items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for eta in self.interpolations:
            _check("interpolation", eta, 0, 1)
        if not self.interpolations:
            raise OptionsError("interpolation needs at least one value.")
        if self.interpolation_end is not None:
            _check("interpolation_end", self.interpolation_end, 0, 1)
        if self.guidance_end is not None:
            _check("guidance_end", self.guidance_end, 1, 50)
        _check("guidance_base", self.guidance_base, 0, 1)
        if self.change_thresholds is not None:
            _check("change_thresholds' second", self.change_thresholds[1], 0, 1)
            _check(
                "change_thresholds' first", self.change_thresholds[0], 0, self.change_thresholds[1]
            )
        _check("self_attention_until", self.windows[0], 0, 1)
        _check("cross_attention_until", self.windows[1], 0, 1)

    @property
    def interpolations(self) -> tuple[float, ...]:
        """η of each picture asked for."""
        eta = self.interpolation
        if isinstance(eta, tuple):
            return eta
        return (PRESETS[self.preset].interpolation if eta is None else eta,)

    @property
    def windows(self) -> tuple[float, float]:
        """(τ_s, τ_c)."""
        tau_s, tau_c = self.self_attention_until, self.cross_attention_until
        if tau_s is None or tau_c is None:  # __post_init__ has filled them in
            raise OptionsError("the injection windows are missing.")
        return tau_s, tau_c


# The paper's form, as its text is read, with null-text inversion's settings where it gives none.
PAPER = EditOptions(
    self_attention_until=0.2,
    cross_attention_until=0.4,
    change_thresholds=None,
    guidance_end=None,
    guidance_base=0.0,
    inversion=InversionOptions(side_by_side=False, learning_rate=1e-2, stop_share=0.0),
)
