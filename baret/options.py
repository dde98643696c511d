"""Options of the method: frozen, checked when made, with their sources.

Defaults are from the paper (arXiv 2312.05482), from null-text inversion (arXiv 2211.09794) for what
the paper leaves open, or our own; docs/method.md has the reasons.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

from baret.errors import OptionsError


class Preset(NamedTuple):
    """Strength, and the windows τ_s and τ_c as shares of the steps."""

    strength: float
    self_attention_until: float
    cross_attention_until: float


# One per kind of edit, by how much of the photo's layout it keeps; the only place that defines
# presets, which workers announce from here. Measured in docs/decisions/0030.
AUTO, STYLE = "auto", "style"
PRESETS: Mapping[str, Preset] = {
    AUTO: Preset(1.0, 0.0, 0.0),  # style's windows where the text changes the look alone
    "non_rigid": Preset(1.0, 0.0, 0.0),
    "object": Preset(1.0, 0.6, 0.0),
    STYLE: Preset(1.0, 0.6, 0.2),
    "background": Preset(1.0, 0.0, 0.0),
}


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN fails too
        raise OptionsError(f"{name} must lie between {low} and {high}, not {value}.")


PredictionSetting = Literal["auto", "epsilon", "v_prediction", "v_prediction_zero_snr"]
SamplingSetting = Literal["auto", "full", "distilled"]
LongPromptSetting = Literal["truncate", "windows"]
DetailSetting = Literal["off", "auto", "full"]


@dataclass(frozen=True)
class ModelOptions:
    """What to take a model for; "auto" finds out."""

    prediction: PredictionSetting = "auto"  # what its UNet predicts
    sampling: SamplingSetting = "auto"  # "distilled" wants few steps and no guidance (LCM, Turbo)
    vae: str = ""  # file or folder of a VAE to use instead of the model's own
    lora: str = ""  # files fused into its weights, such as "a.safetensors:0.8,b.safetensors"
    embeddings: str = ""  # files that teach it words, such as "a.pt,cat-toy=b.safetensors"
    long_prompts: LongPromptSetting = "truncate"  # "windows" reads them in several


@dataclass(frozen=True)
class PaperTuning:
    """How the paper tunes the target text to the pivots, one timestep after another."""

    guidance_scale: float = 7.5  # w (paper)
    inner_steps: int = 10  # Adam steps a timestep, at most (null-text inversion)
    learning_rate: float = 1e-2  # at the noisiest step, falling to half (null-text inversion)
    stop_loss: float = 1e-5  # an inner loop ends below this … (null-text inversion)
    stop_loss_growth: float = 1e-3  # … plus this times the share of steps done (2e-5 × 50)

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_range("guidance_scale", self.guidance_scale, 1, 50)
        _check_range("inner_steps", self.inner_steps, 0, 1000)
        _check_range("learning_rate", self.learning_rate, 1e-8, 10)
        _check_range("stop_loss", self.stop_loss, 0, 1)
        _check_range("stop_loss_growth", self.stop_loss_growth, 0, 1)


@dataclass(frozen=True)
class InversionOptions:
    """How the target text is tuned to a photo (TTIS), and the photo inverted."""

    num_inference_steps: int = 20  # T, DDIM steps
    inner_steps: int = 8  # Adam steps of TTIS, each on ten noise levels at once
    learning_rate: float = 0.1  # of Adam
    seed: int = 0  # of the noise that the photo is put under
    paper: PaperTuning | None = None  # tune as the paper does instead, on pivots of ∅

    def __post_init__(self) -> None:
        """Check the ranges."""
        _check_range("num_inference_steps", self.num_inference_steps, 1, 1000)
        _check_range("inner_steps", self.inner_steps, 0, 1000)
        _check_range("learning_rate", self.learning_rate, 1e-8, 10)
        _check_range("seed", self.seed, 0, 2**64 - 1)


@dataclass(frozen=True)
class EditOptions:
    """How an inverted photo is edited. The preset fills in strength, τ_s and τ_c if None."""

    preset: str = AUTO  # a name of PRESETS
    strength: float | tuple[float, ...] | None = None  # one output for each value
    self_attention_until: float | None = None  # τ_s, share of the steps from the noisiest
    cross_attention_until: float | None = None  # τ_c, likewise
    guidance_scale: float = 4.0  # w of the edit at the noisiest step
    guidance_end: float | None = 1.0  # and at the last one; None keeps w throughout
    # Shares of the largest difference between what the two texts predict: below the first the
    # photo is kept, above the second the edit is free. None keeps nothing.
    change_thresholds: tuple[float, float] | None = (0.05, 0.15)
    # An edit at strength 1 whose text does not explain it better than c_src does, by this share of
    # its error, is made again. None never checks.
    min_advantage: float | None = 0.03
    # The share of the steps, from the clean end, in which the changed region is drawn once more,
    # stochastically. 0 does not.
    refine: float = 0.4
    # Draw the changed region of a larger photo again, nearer to the photo's resolution: "auto" in
    # at most 4 tiles of the model's native area, "full" in 16.
    detail: DetailSetting = "off"
    artifacts: bool = False  # also return the edit before composition, and the heatmaps
    previews: bool = False  # report unfinished edits with the progress
    inversion: InversionOptions = field(default_factory=InversionOptions)

    def __post_init__(self) -> None:
        """Fill in the preset and check the ranges."""
        if self.preset not in PRESETS:
            raise OptionsError(f"preset must be one of {', '.join(PRESETS)}, not {self.preset!r}.")
        values = PRESETS[self.preset]
        for name, value in values._asdict().items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for strength in self.strengths:
            _check_range("strength", strength, 0, 1)
        if self.detail not in get_args(DetailSetting):
            names = ", ".join(get_args(DetailSetting))
            raise OptionsError(f"detail must be one of {names}, not {self.detail!r}.")
        if not self.strengths:
            raise OptionsError("strength needs at least one value.")
        _check_range("guidance_scale", self.guidance_scale, 1, 50)
        if self.guidance_end is not None:
            _check_range("guidance_end", self.guidance_end, 1, 50)
        if self.change_thresholds is not None:
            _check_range("change_thresholds' second", self.change_thresholds[1], 0, 1)
            _check_range(
                "change_thresholds' first", self.change_thresholds[0], 0, self.change_thresholds[1]
            )
        if self.min_advantage is not None:
            _check_range("min_advantage", self.min_advantage, -1, 10)
        _check_range("refine", self.refine, 0, 1)
        _check_range("self_attention_until", self.windows[0], 0, 1)
        _check_range("cross_attention_until", self.windows[1], 0, 1)

    @property
    def strengths(self) -> tuple[float, ...]:
        """The strength of each output."""
        strength = self.strength
        if isinstance(strength, tuple):
            return strength
        return (PRESETS[self.preset].strength if strength is None else strength,)

    @property
    def windows(self) -> tuple[float, float]:
        """(τ_s, τ_c)."""
        tau_s, tau_c = self.self_attention_until, self.cross_attention_until
        if tau_s is None or tau_c is None:  # __post_init__ has filled them in
            raise OptionsError("The injection windows are missing.")
        return tau_s, tau_c

    @property
    def adapts_windows(self) -> bool:
        """Whether the windows may follow from the edit: those of `auto`, left as they are."""
        is_plain = self.preset == AUTO and self.windows == PRESETS[AUTO][1:]
        return is_plain and self.inversion.paper is None  # the paper's form knows no departure


# The paper's form as we read it, with null-text inversion's settings where it gives none.
PAPER = EditOptions(
    strength=0.8,
    self_attention_until=0.2,
    cross_attention_until=0.4,
    guidance_scale=7.5,
    guidance_end=None,
    change_thresholds=None,
    min_advantage=None,
    refine=0.0,
    inversion=InversionOptions(num_inference_steps=50, paper=PaperTuning()),
)
