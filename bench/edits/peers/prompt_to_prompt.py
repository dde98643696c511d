"""Prompt-to-prompt (arXiv 2208.01626): the target branch takes the source branch's maps.

b images · n tokens · h, w latent height and width · T steps · q queries.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d

from baret.method.ddim import guide
from baret.unet.attention import HEATMAP_QUERIES
from bench.edits.attention import (
    AttentionProcessor,
    Layer,
    RowInjection,
    WordMapInjection,
    replaced_processors,
)
from bench.edits.batch import Batch
from bench.edits.model import BatchModel, RowTexts
from bench.edits.peers.alignment import Alignment, align

BLEND_FROM = 0.2  # share of the steps before local editing starts, as in the published code


@dataclass(frozen=True)
class PromptToPromptOptions:
    """What is injected, and until when."""

    cross_until: float = 0.8  # share of the steps from the noisiest: cross-attention maps
    self_until: float = 0.5  # likewise: self-attention maps
    swap: bool = True  # replacing words take the maps of the replaced ones
    blend: float | None = (
        None  # local editing: threshold on a changed word's map, share of its peak
    )
    guidance_scale: float = 7.5  # w
    steps: int = 50  # T


@dataclass(frozen=True)
class Captions:
    """The captions of both branches, embedded and aligned."""

    source: RowTexts  # [b]
    target: RowTexts  # [b]
    alignments: tuple[Alignment, ...]  # [b]

    @classmethod
    def of(cls, model: BatchModel, batch: Batch, options: PromptToPromptOptions) -> "Captions":
        """Embed and align the captions of a batch."""
        source, target = model.embed(batch.source_captions), model.embed(batch.prompts)
        length = len(source[0].embedding)
        aligned = [
            align(model.tokens(a), model.tokens(b), length, swap=options.swap)
            for a, b in zip(batch.source_captions, batch.prompts, strict=True)
        ]
        return cls(source, target, tuple(aligned))


def denoise_both(
    model: BatchModel,
    pivots: Tensor,
    captions: Captions,
    uncond: list[RowTexts],
    options: PromptToPromptOptions,
    *,
    hold_source: bool,
) -> tuple[Tensor, Tensor]:
    """Denoise the source and the target branch from the same noise.

    Args:
        model: predicts.
        pivots: z*_0…z*_T, [T + 1, b, 4, h, w].
        captions: of both branches.
        uncond: ∅_t, [T][b].
        options: windows and guidance.
        hold_source: Direct Inversion (arXiv 2310.01506, algorithm 1): add what is missing to the
            pivot, z*_{t−1} − step(z_t), to the source branch, so that it meets every pivot.

    Returns:
        (source, target) latents, each [b, 4, h, w].
    """
    schedule = model.schedule(options.steps)
    count, source, target = len(schedule), pivots[-1], pivots[-1]
    map_sums: dict[int, Tensor] = {}
    for level in range(count, 0, -1):
        done = count - level
        inject = (
            done < round(options.cross_until * count),
            done < round(options.self_until * count),
        )
        with _injecting(model, captions, inject, map_sums):
            rows = torch.cat([source, target, source, target])
            texts = captions.source + captions.target + uncond[level - 1] * 2
            noise = model.predict(rows, schedule.timestep(level), texts)
        with_text, without = noise.chunk(2)
        guided = guide(without, with_text, options.guidance_scale)
        both = schedule.step(torch.cat([source, target]), guided, level=level)
        source, target = both.chunk(2)
        if hold_source:
            source = source + (pivots[level - 1] - source)
        if options.blend is not None and done >= BLEND_FROM * count:
            mask = _changed_words(
                captions, map_sums, options.blend, (source.shape[2], source.shape[3])
            )
            target = torch.lerp(source, target, mask)
    return source, target


def _injecting(
    model: BatchModel,
    captions: Captions,
    inject: tuple[bool, bool],
    map_sums: dict[int, Tensor],
) -> AbstractContextManager[None]:
    """Inject maps; rows are source and target with text, then without, and only the former mix."""
    count = len(captions.source)
    sources, targets = list(range(count)), list(range(count, 2 * count))
    source_rows = sources + sources + list(range(2 * count, 4 * count))
    device = model.model.device
    cross = WordMapInjection(
        sources,
        targets,
        torch.stack([own.matrix for own in captions.alignments]).to(device),
        torch.stack([own.share for own in captions.alignments])[:, None, None].to(device),
        inject=inject[0],
        map_sums=map_sums,
    )
    self_injection = RowInjection(query=source_rows, key=source_rows) if inject[1] else None

    def choose(layer: Layer) -> AttentionProcessor | None:
        return cross if layer.cross else self_injection

    return replaced_processors(model.model.unet, choose)


def _changed_words(
    captions: Captions, map_sums: dict[int, Tensor], threshold: float, size: tuple[int, int]
) -> Tensor:
    """Return where the changed words of both captions act, [b, 1, h, w], 0 or 1 (section 4)."""
    queries = min(map_sums, key=lambda q: abs(q - HEATMAP_QUERIES))
    maps, count = map_sums[queries], len(captions.source)
    word_maps = []
    for i, own in enumerate(captions.alignments):
        both = [
            maps[row][:, list(words)].sum(1)
            for row, words in ((i, own.changed_source), (count + i, own.changed_target))
        ]
        word_maps.append(torch.stack(both))  # [2, q]
    side = round((queries * size[0] / size[1]) ** 0.5)
    grids = torch.stack(word_maps).view(count, 2, side, -1)
    grids = interpolate(max_pool2d(grids, 3, 1, 1), size=size)
    peak = grids.amax((2, 3), keepdim=True).clamp(min=1e-12)
    return (grids / peak > threshold).any(1, keepdim=True).float()
