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
from baret.mask import Keeper

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
    guidance_scale: float  # w, of the edit branch at the noisiest step
    guidance_end: float | None = None  # w of the edit branch at the last step; None: as at first
    guide_from_tuned: bool = False  # the edit branch is guided away from c_t, else from ∅
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
    keeper = None if balance.keep is None else Keeper(pivots, schedule, balance.keep)
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
            torch.stack(
                [conditional[name] for name in active] + _bases(active, texts, level, balance)
            ),
            _injection(
                active,
                balanced_self=balanced_self,
                balanced_cross=balanced_cross,
                from_tuned=balance.guide_from_tuned,
            ),
            recorder,
        )
        with_text, without = answer.noise.chunk(2)
        scales = _scales(active, done / max(1, count - 1), balance).to(with_text)
        noise = guide(without, with_text, scales)
        stepped = schedule.step(rows, noise, level=level)
        latents.update(zip(active, stepped, strict=True))
        if keeper is not None:
            keeper.watch(rows[0], noise[0], level=level)  # the edit is the first row
            latents[EDIT] = keeper.hold(latents[EDIT], level=level - 1)
    return Branches(
        latents[EDIT],
        latents[TRANSITION] if balance.keep_transition else None,
        recorder.maps() if recorder else None,
        keeper.mask if keeper else None,
    )


def _bases(active: list[str], texts: Texts, level: int, balance: Balance) -> list[Tensor]:
    """What each branch is guided away from, [n, d] each.

    Beyond the paper: ε(c_t) + w (ε(c) − ε(c_t)) in the edit branch. c_t is the target text bent
    until it explains the photo, so their difference is what the edit asks for and little else; that
    between c and ∅ holds all that c says, and strengthens also what is already in the photo.
    """
    away = texts.tuned[level - 1] if balance.guide_from_tuned else texts.uncond
    return [away if name == EDIT else texts.uncond for name in active]


def _scales(active: list[str], share: float, balance: Balance) -> Tensor:
    """w of each branch when a share of the steps is done, [branches, 1, 1, 1].

    The edit branch's falls as the square of what is left: layout, decided early, needs guidance;
    late guidance only drives colours and contrast.
    """
    first, last = balance.guidance_scale, balance.guidance_end
    falling = first if last is None else last + (first - last) * (1 - share) ** 2
    scales = [falling if name == EDIT else first for name in active]
    return torch.tensor(scales).view(-1, 1, 1, 1)


def _injection(
    active: list[str], *, balanced_self: bool, balanced_cross: bool, from_tuned: bool
) -> Injection | None:
    """The rows that the edit branch attends with: first the rows with text, then the guidance's.

    Self-attention is balanced in both: where the edit is guided away from c_t, both rows attend as
    the reconstruction's row with c_t. Cross-attention is balanced only with the target's text:
    without text there are no words to act anywhere.
    """
    if not (balanced_self or balanced_cross):
        return None
    count = len(active)
    self_from, cross_from = list(range(2 * count)), list(range(2 * count))
    edit = active.index(EDIT)
    if balanced_self:
        source = active.index(RECONSTRUCTION)
        self_from[edit] = source
        self_from[count + edit] = source if from_tuned else count + source
    if balanced_cross:
        cross_from[edit] = active.index(TRANSITION)
    return Injection(tuple(self_from), tuple(cross_from))
