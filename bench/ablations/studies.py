"""The questions about the method, each with the settings that answer it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baret.options import PAPER, EditOptions, InversionOptions, PaperTuning
from bench.ablations.variants import Variant


@dataclass(frozen=True)
class Study:
    """A question. Every series is a line of the plot, every point of it a setting."""

    question: str
    axis: str
    series: Mapping[str, Sequence[tuple[float | str, Variant]]]
    sheet: bool = False  # whether its page shows edits


def _edit(**changes: Any) -> Variant:
    """Return the defaults with some edit options changed."""
    return Variant(replace(EditOptions(), **changes))


def _inversion(**changes: Any) -> Variant:
    """Return the defaults with some inversion options changed."""
    return _edit(inversion=replace(InversionOptions(), **changes))


def _windows(self_until: float, cross_until: float) -> Variant:
    return _edit(self_attention_until=self_until, cross_attention_until=cross_until)


def _contents(start: float) -> Variant:
    """Return the edit that reads the photo's keys and values from a share of the steps on."""
    return replace(_windows(1.0, 0.0), contents_from=start)


def _paper(inner_steps: int) -> Variant:
    """Return the paper's form with a number of inner steps, never stopped early."""
    tuning = PaperTuning(inner_steps=inner_steps, stop_loss=0.0, stop_loss_growth=0.0)
    return Variant(replace(PAPER, inversion=replace(PAPER.inversion, paper=tuning)))


_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
STUDIES: dict[str, Study] = {
    "strength": Study(
        "How far does the strength carry the edit?",
        "strength",
        {
            "as shipped": [(eta, _edit(strength=eta)) for eta in _STRENGTHS],
            "nothing kept": [
                (eta, _edit(strength=eta, change_thresholds=None)) for eta in _STRENGTHS
            ],
        },
        sheet=True,
    ),
    "pivots": Study(
        "Which text should the photo be inverted with, and guidance lead away from?",
        "text of the inversion",
        {
            "guided from the empty text": [
                (text, Variant(EditOptions(), pivots=text))
                for text in ("tuned", "empty", "target", "source")
            ],
            "guided from the tuned text": [
                (text, Variant(EditOptions(), pivots=text, base="tuned"))
                for text in ("tuned", "empty")
            ],
        },
    ),
    "steps": Study(
        "How many steps?",
        "T",
        {"as shipped": [(steps, _inversion(num_inference_steps=steps)) for steps in (10, 20, 50)]},
    ),
    "bam": Study(
        "Which attention should be balanced, and how strongly?",
        "balanced",
        {
            "as shipped": [
                ("none", _windows(0.0, 0.0)),
                ("self until .3", _windows(0.3, 0.0)),
                ("self until .6", _windows(0.6, 0.0)),
                ("cross until .2", _windows(0.0, 0.2)),
                ("both", _windows(0.6, 0.2)),
                ("both, λ .5", replace(_windows(0.6, 0.2), balance=0.5)),
                ("contents from .4", _contents(0.4)),
                ("contents from .4, late layers", replace(_contents(0.4), layers=(0.5, 1.0))),
            ]
        },
        sheet=True,
    ),
    "inner-steps": Study(
        "What do inner steps gain?",
        "inner steps (in the paper's form per timestep)",
        {
            "on the photo under noise": [
                (count, _inversion(inner_steps=count)) for count in (0, 2, 4, 8, 16)
            ],
            "on the pivots, the paper's form": [(count, _paper(count)) for count in (0, 10)],
        },
    ),
    "mask": Study(
        "From which difference between the two texts on is the edit free?",
        "thresholds",
        {
            "as shipped": [("none", _edit(change_thresholds=None))]
            + [
                (f"{low:g}–{high:g}", _edit(change_thresholds=(low, high)))
                for low, high in ((0.03, 0.08), (0.05, 0.15), (0.1, 0.2), (0.2, 0.4))
            ]
        },
    ),
    "guidance": Study(
        "How much guidance, and away from which text?",
        "w (at the noisiest step)",
        {
            "from the empty text, falling": [
                (w, _edit(guidance_scale=w)) for w in (1.0, 2.5, 4.0, 5.5)
            ],
            "from the empty text, constant": [
                (w, _edit(guidance_scale=w, guidance_end=None)) for w in (2.5, 4.0)
            ],
            "from the tuned text, falling": [
                (w, replace(_edit(guidance_scale=w), base="tuned")) for w in (2.5, 4.0)
            ],
        },
    ),
    "start": Study(
        "Does it matter which text tuning starts from?",
        "text that tuning starts from",
        {
            "as shipped": [
                (text, Variant(EditOptions(), start=text)) for text in ("target", "source", "empty")
            ]
        },
    ),
}
