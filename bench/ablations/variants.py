"""The shipped edit with switches that the product does not have.

b rows · n tokens · d text width · h, w latent height and width · T steps.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from baret.method.denoising import Texts
from baret.method.inversion import invert
from baret.method.mask import departure
from baret.method.ttis import describe
from baret.model.stable_diffusion import StableDiffusion
from baret.options import EditOptions, InversionOptions
from baret.pipeline import Found, Pipeline
from baret.progress import ProgressTracker
from baret.result import Inversion
from baret.unet.predictor import Predictor
from baret.unet.requests import Conditioning, Prediction, Request, Routine
from bench.edits.attention import (
    AttentionProcessor,
    Layer,
    RowInjection,
    replaced_processors,
)
from bench.edits.batch import Batch, Edited
from bench.edits.lockstep import run_together
from bench.edits.model import BatchModel

Text = Literal["empty", "target", "source"]


@dataclass(frozen=True)
class Variant:
    """The options of an edit, and its differences from the shipped one."""

    edit: EditOptions = field(default_factory=EditOptions)
    start: Text = "target"  # the text that tuning starts from
    pivots: Text | Literal["tuned"] = "tuned"  # the text of the DDIM inversion
    base: Literal["mixed", "tuned"] = "mixed"  # the text that guidance leads away from
    balance: float = 1.0  # λ of a soft balance: λ SDPA(q_r, k_r, v) + (1 − λ) SDPA(q, k, v)
    layers: tuple[float, float] = (0.0, 1.0)  # the balanced range, as shares of each kind's
    # From this share of the steps on, self-attention reads the photo's keys and values with the
    # edit's queries, and takes no map before. It needs a τ_s of 1.
    contents_from: float | None = None


def edit_variant(model: BatchModel, batch: Batch, options: Variant) -> Edited:
    """Edit every image with the variant."""
    inversion, outputs = options.edit.inversion, len(options.edit.strengths)
    edits = [
        _Pipeline(model.model, options, caption).edit(
            Image.fromarray(source), prompt, options.edit, ProgressTracker(inversion, outputs)
        )
        for source, prompt, caption in zip(
            batch.sources, batch.prompts, batch.source_captions, strict=True
        )
    ]
    results = run_together(_Predictor(model.model, options), edits)
    rebuilt = np.stack([np.asarray(result.reconstruction) for result in results])
    return Edited(np.stack([np.asarray(result.image) for result in results]), lambda: rebuilt)


class _Pipeline(Pipeline):
    """The shipped pipeline, but with the variant's texts for tuning, inversion and guidance.

    They are those of the product's form; the paper's keeps its own.
    """

    def __init__(self, model: StableDiffusion, variant: Variant, caption: str):
        super().__init__(model)
        self._variant, self._caption = variant, caption

    def describe_photo(
        self, clean: Tensor, prompt: str, options: InversionOptions
    ) -> Routine[Found]:
        variant, target = self._variant, self.model.embed(prompt)
        schedule = self.model.schedule(options.num_inference_steps)
        source = yield from describe(clean, self._text(variant.start, prompt), schedule, options)
        departed = yield from departure(clean, source, target, schedule, options)
        inverting = source if variant.pivots == "tuned" else self._text(variant.pivots, prompt)
        pivots = yield from invert(clean, inverting, schedule)
        return Found(pivots, source.embedding[None], departed, pivots[0], options.inner_steps)

    def _texts(
        self, inversion: Inversion, eta: float, size: tuple[int, int], stage: str
    ) -> Routine[Texts]:
        texts = yield from super()._texts(inversion, eta, size, stage)
        if self._variant.base == "tuned":
            return replace(texts, away=texts.source)
        return texts

    def _text(self, which: Text, prompt: str) -> Conditioning:
        return self.model.embed({"empty": "", "target": prompt, "source": self._caption}[which])


class _Predictor(Predictor):
    """The shipped predictor, but with the variant's balanced attention."""

    def __init__(self, model: StableDiffusion, variant: Variant):
        super().__init__(model)
        self._unet, self._variant = model.unet, variant

    def answer(self, request: Request) -> Prediction:
        injection, variant = request.injection, self._variant
        if injection is None:
            return super().answer(request)
        (low, high), done = variant.layers, request.progress.done

        def choose(layer: Layer) -> AttentionProcessor | None:
            rows = list(injection.cross_from if layer.cross else injection.self_from)
            if not (low <= layer.depth < high or layer.depth == high == 1):
                return None
            if layer.cross or variant.contents_from is None:
                return SoftInjection(rows, variant.balance)
            return RowInjection(key=rows, value=rows) if done >= variant.contents_from else None

        with replaced_processors(self._unet, choose):
            return super().answer(replace(request, injection=None))


@dataclass(frozen=True)
class SoftInjection(AttentionProcessor):
    """Attends with a mix of the source rows' map and the row's own.

    λ SDPA(q_r, k_r, v) + (1 − λ) SDPA(q, k, v) attends with the mixed map, since attention is
    linear in its map.
    """

    source: list[int]  # [b]
    balance: float  # λ

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Attend with the source rows' map and, if λ is below 1, with the row's own."""
        injected = scaled_dot_product_attention(
            query[self.source], key[self.source], value, scale=scale
        )
        if self.balance == 1:
            return injected
        own = scaled_dot_product_attention(query, key, value, scale=scale)
        return torch.lerp(own, injected, self.balance)
