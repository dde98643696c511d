"""The methods that are compared, each with the six settings that are tried for it.

Every method has the same number of settings, tried on the tuning split only. A
peer's first one is that of its paper or published code. The best one is stored in tuned.json.
"""

from dataclasses import fields, is_dataclass, replace
from typing import Any

from baret.options import PAPER, EditOptions, InversionOptions, PaperTuning
from bench.edits.baret_editor import baret
from bench.edits.batch import Method
from bench.edits.peers.ddim import DdimOptions, ddim
from bench.edits.peers.ddim_kept import ddim_kept
from bench.edits.peers.direct_inversion import direct_inversion
from bench.edits.peers.h_edit import HEditOptions, h_edit
from bench.edits.peers.leditspp import LeditsOptions, leditspp
from bench.edits.peers.masactrl import MasaCtrlOptions, masactrl
from bench.edits.peers.null_text import NullTextOptions, null_text
from bench.edits.peers.plug_and_play import PlugAndPlayOptions, plug_and_play
from bench.edits.peers.prompt_to_prompt import PromptToPromptOptions
from bench.edits.peers.prompt_tuning import PromptTuningOptions, prompt_tuning
from bench.edits.peers.sdedit import SDEditOptions, sdedit
from bench.edits.sampling import TuningOptions

BARET = "baret"
CAPTION = "receives the source caption"

_GUIDANCES = (7.5, 5.0, 3.5, 2.5, 1.5, 1.0)
_PROMPT_TO_PROMPT = (
    PromptToPromptOptions(),
    PromptToPromptOptions(self_until=0.2),
    PromptToPromptOptions(cross_until=0.4, self_until=0.2, blend=0.3),
    PromptToPromptOptions(self_until=0.4, guidance_scale=1.5),
    PromptToPromptOptions(self_until=0.4, guidance_scale=4, blend=0.3),
    PromptToPromptOptions(self_until=0.4, guidance_scale=2.5),
)

METHODS: dict[str, Method[Any]] = {
    BARET: Method(
        "BARET",
        baret,
        (
            EditOptions(),
            EditOptions(guidance_scale=2),
            EditOptions(guidance_scale=5),
            EditOptions(change_thresholds=(0.15, 0.3)),  # fewer pixels count as changed
            EditOptions(self_attention_until=0.3),
            EditOptions(inversion=InversionOptions(inner_steps=0)),
        ),
    ),
    "baret-paper": Method(
        "BARET, the paper's form",
        baret,
        tuple(
            replace(
                PAPER,
                self_attention_until=tau_s,
                cross_attention_until=tau_c,
                guidance_scale=w,
                inversion=replace(PAPER.inversion, paper=PaperTuning(guidance_scale=w)),
            )
            for tau_s, tau_c, w in (
                (0.2, 0.4, 7.5),
                (0.6, 0.8, 7.5),
                (0.2, 0.4, 4.0),
                (0.6, 0.8, 4.0),
                (0.2, 0.4, 2.0),
                (0.6, 0.2, 2.0),
            )
        ),
    ),
    "ddim": Method(
        "DDIM inversion", ddim, tuple(DdimOptions(guidance_scale=w) for w in _GUIDANCES)
    ),
    "ddim-kept": Method(
        "DDIM inversion, kept as BARET keeps",
        ddim_kept,
        tuple(DdimOptions(guidance_scale=w) for w in _GUIDANCES),
        "not a peer: shows what BARET's last stage is worth alone",
    ),
    **{
        f"sdedit-{strength}": Method(
            f"SDEdit {strength}",
            sdedit,
            tuple(SDEditOptions(strength, guidance_scale=w) for w in _GUIDANCES),
        )
        for strength in (0.4, 0.6, 0.8)
    },
    "null-text": Method(
        "Null-text + P2P",
        null_text,
        (
            NullTextOptions(),
            NullTextOptions(tuning=TuningOptions(learning_rate=1e-3)),
            NullTextOptions(PromptToPromptOptions(self_until=0.2), TuningOptions(3, 1e-3)),
            NullTextOptions(PromptToPromptOptions(guidance_scale=4), TuningOptions(3, 1e-3)),
            NullTextOptions(
                PromptToPromptOptions(0.4, 0.2, blend=0.3, guidance_scale=4), TuningOptions(3, 1e-3)
            ),
            NullTextOptions(
                PromptToPromptOptions(0.8, 0.4, blend=0.3, guidance_scale=2.5),
                TuningOptions(3, 1e-3),
            ),
        ),
        CAPTION,
    ),
    "direct-inversion": Method(
        "Direct Inversion + P2P", direct_inversion, _PROMPT_TO_PROMPT, CAPTION
    ),
    "h-edit": Method(
        "h-Edit + P2P",
        h_edit,
        (
            HEditOptions(),
            HEditOptions(
                PromptToPromptOptions(0.4, 0.6, swap=False, blend=0.3, guidance_scale=10.0),
                source_scale=9.0,
                random=False,
            ),
            HEditOptions(
                PromptToPromptOptions(0.4, 0.35, swap=False, blend=0.3, guidance_scale=4),
                source_scale=3.0,
            ),
            HEditOptions(PromptToPromptOptions(0.4, 0.35, guidance_scale=2.5), source_scale=1.5),
            HEditOptions(PromptToPromptOptions(0.4, 0.35, guidance_scale=1.5), source_scale=1.0),
            HEditOptions(
                PromptToPromptOptions(0.4, 0.2, guidance_scale=2.5),
                source_scale=1.5,
                random=False,
            ),
        ),
        CAPTION,
    ),
    "masactrl": Method(
        "MasaCtrl",
        masactrl,
        (
            MasaCtrlOptions(),
            MasaCtrlOptions(from_step=0.2),
            MasaCtrlOptions(from_step=0.2, guidance_scale=4),
            MasaCtrlOptions(from_step=0.2, guidance_scale=2.5),
            MasaCtrlOptions(from_step=0.2, from_layer=0.5, guidance_scale=4),
            MasaCtrlOptions(from_step=0.2, guidance_scale=4, source_caption=True),
        ),
        "receives the source caption in one try",
    ),
    "plug-and-play": Method(
        "Plug-and-Play",
        plug_and_play,
        (
            PlugAndPlayOptions(),
            PlugAndPlayOptions(features_until=0.4, attention_until=0.4),
            PlugAndPlayOptions(features_until=0.2, attention_until=0.2),
            PlugAndPlayOptions(features_until=0.4, attention_until=0.4, guidance_scale=1.5),
            PlugAndPlayOptions(features_until=0.2, attention_until=0.2, guidance_scale=2.5),
            PlugAndPlayOptions(features_until=0.4, attention_until=0.4, guidance_scale=2.5),
        ),
    ),
    "leditspp": Method(
        "LEDITS++",
        leditspp,
        (
            LeditsOptions(),
            LeditsOptions(threshold=0.8),
            LeditsOptions(guidance_scale=6, threshold=0.8),
            LeditsOptions(guidance_scale=6, threshold=0.7, skip=0.3),
            LeditsOptions(guidance_scale=15),
            LeditsOptions(guidance_scale=3, threshold=0.8, remove_source=True),
        ),
        "receives the source caption in one try",
    ),
    "prompt-tuning": Method(
        "Prompt-Tuning Inversion",
        prompt_tuning,
        (
            PromptTuningOptions(),
            PromptTuningOptions(interpolation=0.6),
            PromptTuningOptions(interpolation=0.9),
            PromptTuningOptions(start="target"),
            PromptTuningOptions(guidance_scale=4),
            PromptTuningOptions(guidance_scale=2.5, interpolation=0.9),
        ),
    ),
}


def methods_with_steps(steps: int) -> dict[str, Method[Any]]:
    """Return all methods, with the number of DDIM steps set in every try."""
    return {
        name: replace(method, tries=tuple(with_steps(options, steps) for options in method.tries))
        for name, method in METHODS.items()
    }


def with_steps(options: Any, steps: int) -> Any:
    """Return the options with T replaced, in nested options too."""
    changed: dict[str, Any] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name in ("steps", "num_inference_steps"):
            changed[field.name] = steps
        elif is_dataclass(value):
            changed[field.name] = with_steps(value, steps)
    return replace(options, **changed)
