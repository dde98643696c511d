"""The questions about the method, each with the settings that answer it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baret.options import PAPER, PRESETS, EditOptions, InversionOptions
from bench.ablations.variants import Variant


@dataclass(frozen=True)
class Study:
    """A question. Every series is a line of the plot, every point of it a setting."""

    question: str
    axis: str
    series: Mapping[str, Sequence[tuple[float | str, Variant]]]


def _edit(**changes: Any) -> Variant:
    """Return the defaults with some edit options changed."""
    return Variant(replace(EditOptions(), **changes))


def _inversion(**changes: Any) -> Variant:
    """Return the defaults with some inversion options changed."""
    return _edit(inversion=replace(InversionOptions(), **changes))


def _windows(self_until: float, cross_until: float) -> Variant:
    return _edit(self_attention_until=self_until, cross_attention_until=cross_until)


_SHARES = (0.0, 0.3, 0.6, 0.9)
_ETAS = (0.0, 0.4, 0.6, 0.8, 1.0)
STUDIES: dict[str, Study] = {
    "inner-steps": Study(
        "What do inner steps gain?",
        "inner steps per timestep",
        {
            form: [
                (count, _inversion(inner_steps=count, stop_share=0.0, **changes))
                for count in counts
            ]
            for form, counts, changes in (
                ("side by side", (0, 1, 2, 3, 5, 10), {}),
                ("one timestep after another", (1, 10), {"side_by_side": False}),
                (
                    "the same, at the paper's rate",
                    (1, 10),
                    {"side_by_side": False, "learning_rate": PAPER.inversion.learning_rate},
                ),
            )
        },
    ),
    "start": Study(
        "Does it matter which text tuning starts from?",
        "inner steps per timestep",
        {
            start: [
                (steps, replace(_inversion(inner_steps=steps, stop_share=0.0), start=start))
                for steps in (1, 5)
            ]
            for start in ("target", "source", "empty")
        },
    ),
    "pivots": Study(
        "Which text should the pivots come from?",
        "text of the inversion",
        {
            "as shipped": [
                (text, Variant(EditOptions(), pivots=text))
                for text in ("empty", "target", "source")
            ]
        },
    ),
    "eta": Study(
        "How much weight should the target text get, constant or changing over the steps?",
        "η (at the noisiest step)",
        {
            "constant": [(eta, _edit(interpolation=eta)) for eta in _ETAS],
            "falling to 0": [
                (eta, _edit(interpolation=eta, interpolation_end=0.0)) for eta in _ETAS
            ],
            "rising to 1": [
                (eta, _edit(interpolation=eta, interpolation_end=1.0)) for eta in _ETAS
            ],
        },
    ),
    "windows": Study(
        "How long should self- and cross-attention be balanced?",
        "τ_s",
        {
            f"τ_c {cross}": [(share, _windows(share, cross)) for share in _SHARES]
            for cross in (0.0, 0.2, 0.8)
        },
    ),
    "bam": Study(
        "Which attention should be balanced, and how strongly?",
        "balanced",
        {
            "as shipped": [
                ("none", _windows(0.0, 0.0)),
                ("self only", _windows(0.6, 0.0)),
                ("cross only", _windows(0.0, 0.2)),
                ("both", _windows(0.6, 0.2)),
                ("both, λ .75", replace(_windows(0.6, 0.2), strength=0.75)),
                ("both, λ .5", replace(_windows(0.6, 0.2), strength=0.5)),
                ("both, λ .25", replace(_windows(0.6, 0.2), strength=0.25)),
            ]
        },
    ),
    "layers": Study(
        "Which layers should be balanced?",
        "layers",
        {
            f"τ_s {share}": [
                (name, replace(_windows(share, 0.2), layers=layers))
                for name, layers in {
                    "all": (0.0, 1.0),
                    "first third": (0.0, 1 / 3),
                    "middle third": (1 / 3, 2 / 3),
                    "last third": (2 / 3, 1.0),
                    "last two thirds": (1 / 3, 1.0),
                }.items()
            ]
            for share in (0.6,)
        },
    ),
    "guidance": Study(
        "How much guidance?",
        "w",
        {
            "as shipped": [
                (w, _inversion(guidance_scale=w)) for w in (1.5, 2.5, 4.0, 5.5, 7.5, 10.0)
            ]
        },
    ),
    "steps": Study(
        "How many steps?",
        "T",
        {"as shipped": [(steps, _inversion(num_inference_steps=steps)) for steps in (10, 20, 50)]},
    ),
    "presets": Study(
        "What are the presets worth?",
        "preset",
        {"as shipped": [(preset, Variant(EditOptions(preset=preset))) for preset in PRESETS]},
    ),
}
