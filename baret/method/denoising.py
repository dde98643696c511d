"""The edit itself: three branches from the same noise, balanced by each other's attention.

T steps · n tokens · d text width · h, w latent height and width.

    reconstruction  c_t on the pivots themselves     gives the layout: its self-attention map
    transition      denoised with c̃_t                gives where the words act: its cross-attention
    edit            denoised with c                  takes both while t is in their windows
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from baret.method.mask import ChangeMask
from baret.unet.attention import AttentionRecorder, Injection, Recording
from baret.unet.requests import Answer, Request, Routine, StageProgress

TRANSITION, EDIT = "transition", "edit"
PREVIEW_EVERY = 5  # steps: at 50 of them the VAE costs a tenth of what the UNet does

# Given how far the edit is and the clean latent that it predicts, [4, h, w].
PreviewHook = Callable[[StageProgress, Tensor], Routine[None]]


@dataclass(frozen=True)
class Texts:
    """The embeddings of the branches; index 0 is the cleanest level."""

    uncond: Tensor  # ∅, [n, d]
    target: Tensor  # c, [n, d]
    tuned: Tensor  # c_t, [T, n, d]
    transition: Tensor  # c̃_t, [T, n, d]


@dataclass(frozen=True)
class DenoisingOptions:
    """When BAM injects, as shares of the steps from the noisiest on, and what else is wanted."""

    self_attention_until: float  # τ_s
    cross_attention_until: float  # τ_c
    guidance_scale: float  # w, of the edit branch at the noisiest step
    guidance_end: float | None = None  # w of the edit branch at the last step; None: as at first
    guidance_base: float = 0.0  # the edit branch is guided away from ∅ (0), from c_t (1), between
    keep_transition: bool = False  # denoise the transition branch to its end
    record_attention: bool = False
    keep: tuple[float, float] | None = None  # `mask.change_mask`'s thresholds; None keeps nothing


@dataclass(frozen=True)
class Branches:
    """Where the branches end."""

    edit: Tensor  # [4, h, w]
    transition: Tensor | None  # [4, h, w] where it was asked for
    attention: Tensor | None  # [q, n] where it was asked for
    mask: Tensor | None  # [h, w], 0 where the photo was kept; None where nothing was


def denoise(
    pivots: Tensor,
    texts: Texts,
    schedule: Schedule,
    balance: DenoisingOptions,
    show: PreviewHook | None = None,
) -> Routine[Branches]:
    """Denoise edit and transition from the same noise, each guided, BAM in the edit branch.

    A branch is left out as soon as nothing needs it any more. The reconstruction stays on the
    pivots: what its text leaves unexplained is the offset, so it is exact and needs no guidance.

    Args:
        pivots: z*_0…z*_T, [T + 1, 4, h, w]; the branches start at the noisiest.
        texts: embeddings of the branches.
        schedule: T levels.
        balance: windows, guidance, and what to keep.
        show: asked every few steps; None costs nothing.
    """
    count = len(schedule)
    latents = {EDIT: pivots[-1], TRANSITION: pivots[-1]}
    recorder = AttentionRecorder() if balance.record_attention else None
    recordings = () if recorder is None else (Recording(0, recorder),)
    keeper = None if balance.keep is None else ChangeMask(pivots, schedule, balance.keep)
    for level in range(count, 0, -1):
        done = count - level
        balanced_self = done < round(balance.self_attention_until * count)
        balanced_cross = done < round(balance.cross_attention_until * count)
        guided = [EDIT, TRANSITION] if balanced_cross or balance.keep_transition else [EDIT]
        tuned, between = texts.tuned[level - 1], texts.transition[level - 1]
        conditional = {TRANSITION: between, EDIT: between if balanced_cross else texts.target}
        away = {
            TRANSITION: texts.uncond,
            EDIT: torch.lerp(texts.uncond, tuned, balance.guidance_base),
        }
        rows = torch.stack([latents[name] for name in guided])  # [guided, 4, h, w]
        asked = [rows, rows]
        embeddings = [conditional[name] for name in guided] + [away[name] for name in guided]
        if balanced_self:
            asked.append(pivots[level][None])
            embeddings.append(tuned)
        answer: Answer = yield Request(
            StageProgress("editing", done, done / count),
            torch.cat(asked),
            (schedule.timestep(level),) * len(embeddings),
            torch.stack(embeddings),
            _injection(len(guided), balanced_self=balanced_self, balanced_cross=balanced_cross),
            recordings,
        )
        with_text, without = answer.noise[: 2 * len(guided)].chunk(2)
        scales = _scales(len(guided), done / max(1, count - 1), balance).to(with_text)
        noise = guide(without, with_text, scales)
        stepped = schedule.step(rows, noise, level=level)
        latents.update(zip(guided, stepped, strict=True))
        if keeper is not None:
            keeper.observe(rows[0], noise[0], level=level)  # the edit is the first row
            latents[EDIT] = keeper.apply(latents[EDIT], level=level - 1)
        if show is not None and level > 1 and (done + 1) % PREVIEW_EVERY == 0:
            where = StageProgress("editing", done + 1, (done + 1) / count)
            yield from show(where, schedule.clean(rows[0], noise[0], level=level))
    return Branches(
        latents[EDIT],
        latents[TRANSITION] if balance.keep_transition else None,
        recorder.maps() if recorder else None,
        keeper.mask if keeper else None,
    )


def _scales(guided: int, share: float, balance: DenoisingOptions) -> Tensor:
    """w of each guided branch when a share of the steps is done, the edit's first, [b, 1, 1, 1].

    The edit branch's falls as the square of what is left: layout, decided early, needs guidance;
    late guidance only drives colours and contrast.
    """
    first, last = balance.guidance_scale, balance.guidance_end
    falling = first if last is None else last + (first - last) * (1 - share) ** 2
    return torch.tensor([falling] + [first] * (guided - 1)).view(-1, 1, 1, 1)


def _injection(guided: int, *, balanced_self: bool, balanced_cross: bool) -> Injection | None:
    """The rows that the edit branch attends with.

    The rows are those with text, the edit's first, then those they are guided away from, then the
    reconstruction's. Self-attention is balanced in both of the edit's, so that their difference is
    the text's alone; cross-attention only in the one with the target's text: what the edit is
    guided away from has no words that were to act anywhere.
    """
    if not (balanced_self or balanced_cross):
        return None
    count = 2 * guided + balanced_self
    self_from, cross_from = list(range(count)), list(range(count))
    if balanced_self:
        self_from[0] = self_from[guided] = count - 1
    if balanced_cross:
        cross_from[0] = 1
    return Injection(tuple(self_from), tuple(cross_from))
