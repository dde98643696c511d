"""What a model is, found before its weights are read; loading and refusals follow from it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from baret.errors import UnsupportedModel
from baret.model.header import Header
from baret.model.layout import FAMILY_NAMES, Family
from baret.model.prediction import PredictionFinding
from baret.options import EditOptions, InversionOptions, ModelOptions, SamplingSetting

# Other conditions than text come in as more input channels.
_CHANNEL_KINDS = {
    5: "a depth-to-image model",
    7: "an upscaler",
    8: "an InstructPix2Pix model",
    9: "an inpainting model",
}
LATENT_CHANNELS = 4
_DISTILLED_NAME = re.compile(r"(?<![a-z])(lcm|turbo|lightning|hyper[-_ ]?sd)(?![a-z])", re.I)
_BYTES = {torch.float32: 4, torch.float16: 2, torch.bfloat16: 2}


@dataclass(frozen=True)
class LoadOptions(ModelOptions):
    """How a model is to be loaded."""

    dtype: torch.dtype = torch.float32  # of UNet and text encoder


@dataclass(frozen=True)
class Sampling:
    """The steps and the guidance of an edit whose caller gives none."""

    num_inference_steps: int
    guidance_scale: float


FULL = Sampling(InversionOptions().num_inference_steps, EditOptions().guidance_scale)
# Distilled models need few steps, and have guidance inside: outside it, w is 1.
DISTILLED = Sampling(8, 1.0)


@dataclass(frozen=True)
class ModelDescription:
    """What a model is. With a `problem` it cannot be loaded, and other fields may be unknown."""

    name: str
    kind: str = "unknown"  # with its article, such as "a single file of Stable Diffusion 1.x"
    problem: str | None = None  # why it cannot be loaded, and what to do
    prediction: PredictionFinding | None = None
    native_size: int | None = None  # pixels on a side
    distilled_by: str | None = None  # the evidence that it wants few steps and no guidance
    notes: tuple[str, ...] = ()  # what is unusual but works, or is doubtful
    parameters: Mapping[str, int] = field(default_factory=dict)  # by part, such as "UNet"
    variant: str | None = None  # of the weights' names in a folder, such as "fp16"
    family: Family | None = None
    text_width: int | None = None  # of the texts that the UNet attends to
    encoder_widths: tuple[int, ...] = ()  # of each text encoder; they add up to the texts'
    additions: tuple[str, ...] = ()  # what is added to it, such as a LoRA, a line each
    # The words that embeddings teach it, each with how many vectors it has.
    added_words: Mapping[str, int] = field(default_factory=dict)
    fingerprint: str | None = None  # of the files that it was loaded from, and of how
    licence: str = "unknown"  # as the model card beside the weights says
    max_windows: int = 1  # of the text encoder's length, that a text may take

    @property
    def sampling(self) -> Sampling:
        """The default steps and guidance."""
        return DISTILLED if self.distilled_by else FULL

    def memory(self, dtype: torch.dtype) -> int:
        """Return the bytes that its weights take; the VAE's are float32 always."""
        return sum(
            count * (4 if part == "VAE" else _BYTES[dtype])
            for part, count in self.parameters.items()
        )

    def raise_problem(self) -> None:
        """Raise the problem, if there is one.

        Raises:
            UnsupportedModel: it cannot be loaded.
        """
        if self.problem:
            raise UnsupportedModel(self.problem)

    def report(self) -> str:
        """Return it as lines for people."""
        lines = [f"{self.name}: {self.kind}"]
        if self.prediction:
            zero = " with zero terminal SNR" if self.prediction.zero_snr else ""
            lines.append(f"  predicts: {self.prediction.type}{zero}, by {self.prediction.found_by}")
        if self.native_size:
            lines.append(f"  native size: {self.native_size}×{self.native_size}")
        if self.prediction:
            sampling, why = self.sampling, f", by {self.distilled_by}" if self.distilled_by else ""
            lines.append(
                f"  defaults: {sampling.num_inference_steps} steps, "
                f"guidance {sampling.guidance_scale:g}{why}"
            )
        if self.parameters:
            sizes = (
                f"{self.memory(dtype) / 2**30:.1f} GiB in {name}"
                for name, dtype in (("float16", torch.float16), ("float32", torch.float32))
            )
            lines.append(f"  weights: {', '.join(sizes)}; an edit takes more beside them")
        if self.max_windows > 1:
            lines.append(f"  texts: up to {self.max_windows} windows of the text encoder's length")
        lines += [f"  with: {addition}" for addition in self.additions]
        lines += [f"  note: {note}" for note in self.notes]
        lines.append(f"  cannot be used: {self.problem}" if self.problem else "  can be used")
        return "\n".join(lines)


def channel_problem(name: str, channels: int) -> str | None:
    """Return why a UNet with this many input channels cannot be used, if so."""
    if channels == LATENT_CHANNELS:
        return None
    kind = _CHANNEL_KINDS.get(channels, "a model for other latents")
    return f"{name} is {kind} with {channels} input channels; give the text-to-image one."


def describe_sampling(
    setting: SamplingSetting, evidence: str | None, name: str, header: Header | None = None
) -> tuple[str | None, tuple[str, ...]]:
    """Return by what a model is taken to be distilled, if it is, and notes.

    Args:
        setting: the operator's.
        evidence: what the model itself shows, if anything.
        name: of its file or folder, which is only a hint: fine-tuned models have any name.
        header: whose title is another hint.
    """
    if setting == "distilled":
        return "the setting BARET_SAMPLING", ()
    if setting == "full":
        return None, (f"taken for undistilled against {evidence}",) if evidence else ()
    title = header.metadata.get("modelspec.title", "") if header else ""
    hint = _DISTILLED_NAME.search(f"{name} {title}")
    if evidence or not hint:
        return evidence, ()
    return None, (
        f"Its name has {hint[0]!r}. If it is a distilled model (LCM, Turbo, Lightning, Hyper), set "
        "BARET_SAMPLING=distilled, or its edits are overdone; if not, set it to full.",
    )


def native_latent_size(sample_size: object, family: Family, prediction: str) -> int:
    """Return the side of the square latent that a UNet was trained on.

    Args:
        sample_size: of its configuration: a number, two, or None if it does not say.
        family: its own.
        prediction: Stable Diffusion 2 was trained on 512 pixels for ε, and on 768 for v.
    """
    if isinstance(sample_size, int):
        return sample_size
    if isinstance(sample_size, list | tuple) and len(sample_size) == 2:
        return math.isqrt(int(sample_size[0]) * int(sample_size[1]))
    if family == "sdxl":
        return 128
    return 96 if family == "sd2" and prediction == "v_prediction" else 64


def family_kind(layout: str, family: Family) -> str:
    """Return the kind of a model, such as "a single file of Stable Diffusion 1.x"."""
    return f"{layout} of {FAMILY_NAMES[family]}"
