"""The edit itself: three branches from the same noise, balanced by each other's attention.

T steps · n tokens · d text width · h, w latent height and width.

    reconstruction  denoised with c_t                gives the layout: its self-attention map
    transition      denoised with c̃_t                gives where the words act: its cross-attention
    edit            denoised with c                  takes both while t is in their windows
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from baret.attention import AttentionRecorder, Injection
from baret.ddim import Schedule, guide
from baret.engine import Edit, Request, Where

RECONSTRUCTION, TRANSITION, EDIT = "reconstruction", "transition", "edit"


@dataclass(frozen=True)
class Texts:
    """The embeddings of the branches; index 0 is the cleanest level."""

    uncond: Tensor  # ∅, [n, d]
    target: Tensor  # c, [n, d]
    tuned: Tensor  # c_t, [T, n, d]
    transition: Tensor  # c̃_t, [T, n, d]


@dataclass(frozen=True)
class Balance:
    """When BAM injects, as shares of the steps from the noisiest on, and what else is wanted."""

    self_attention_until: float  # τ_s
    cross_attention_until: float  # τ_c
    guidance_scale: float  # w
    keep_transition: bool = False  # denoise the transition branch to its end
    record_attention: bool = False
    mask: Tensor | None = None  # [h, w], 0 where the edit is held to the pivots; None: nowhere


@dataclass(frozen=True)
class Branches:
    """Where the branches end."""

    edit: Tensor  # [4, h, w]
    transition: Tensor | None  # [4, h, w] where it was asked for
    attention: Tensor | None  # [q, n] where it was asked for


def denoise(pivots: Tensor, texts: Texts, schedule: Schedule, balance: Balance) -> Edit[Branches]:
    """Denoise the three branches from the same noise, each guided, BAM in the edit branch.

    A branch is left out as soon as nothing needs it any more.

    Args:
        pivots: z*_0…z*_T, [T + 1, 4, h, w]; the branches start at the noisiest.
        texts: embeddings of the branches.
        schedule: T levels.
        balance: windows, guidance, and what to keep.
    """
    count = len(schedule)
    latents = dict.fromkeys((RECONSTRUCTION, TRANSITION, EDIT), pivots[-1])
    recorder = None
    for level in range(count, 0, -1):
        done = count - level
        balanced_self = done < round(balance.self_attention_until * count)
        balanced_cross = done < round(balance.cross_attention_until * count)
        active = [EDIT]
        active += [RECONSTRUCTION] if balanced_self else []
        active += [TRANSITION] if balanced_cross or balance.keep_transition else []
        conditional = {
            RECONSTRUCTION: texts.tuned[level - 1],
            TRANSITION: texts.transition[level - 1],
            EDIT: texts.transition[level - 1] if balanced_cross else texts.target,
        }
        if balance.record_attention and recorder is None:
            recorder = AttentionRecorder(row=0)
        rows = torch.stack([latents[name] for name in active])  # [branches, 4, h, w]
        answer = yield Request(
            Where("editing", done, done / count),
            torch.cat([rows, rows]),
            schedule.timestep(level),
            torch.stack([conditional[name] for name in active] + [texts.uncond] * len(active)),
            _injection(active, balanced_self=balanced_self, balanced_cross=balanced_cross),
            recorder,
        )
        with_text, without = answer.noise.chunk(2)
        noise = guide(without, with_text, balance.guidance_scale)
        rows = schedule.step(rows, noise, level=level)
        latents.update(zip(active, rows, strict=True))
        if balance.mask is not None:
            latents[EDIT] = torch.lerp(pivots[level - 1], latents[EDIT], balance.mask)
    return Branches(
        latents[EDIT],
        latents[TRANSITION] if balance.keep_transition else None,
        recorder.maps() if recorder else None,
    )


def _injection(active: list[str], *, balanced_self: bool, balanced_cross: bool) -> Injection | None:
    """The rows that the edit branch attends with: first the rows with text, then those without.

    Self-attention is balanced with and without text, cross-attention only with: without text
    there are no words to act anywhere.
    """
    if not (balanced_self or balanced_cross):
        return None
    count = len(active)
    self_from, cross_from = list(range(2 * count)), list(range(2 * count))
    edit = active.index(EDIT)
    if balanced_self:
        source = active.index(RECONSTRUCTION)
        self_from[edit], self_from[count + edit] = source, count + source
    if balanced_cross:
        cross_from[edit] = active.index(TRANSITION)
    return Injection(tuple(self_from), tuple(cross_from))
