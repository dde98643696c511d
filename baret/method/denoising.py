"""The edit itself: three branches from the same noise, balanced by each other's attention.

T steps · n tokens · d text width · h, w latent height and width.

    reconstruction  c_t, on the pivots themselves    lends its self-attention map: the layout
    transition      denoised with c̃_t                lends its cross-attention map: where words act
    edit            denoised with c                  takes both, each while t is in its window
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from baret.method.mask import ChangeMask
from baret.unet.attention import AttentionRecorder, Injection, Recording
from baret.unet.requests import (
    Conditioning,
    Prediction,
    Request,
    Routine,
    StageProgress,
    stack_embeddings,
)

TRANSITION, EDIT = "transition", "edit"
PREVIEW_EVERY = 5  # steps: with 50 of them, the VAE costs a tenth of what the UNet does

# Receives how far the edit is and the clean latent that it predicts, [4, h, w].
PreviewHook = Callable[[StageProgress, Tensor], Routine[None]]


@dataclass(frozen=True)
class Texts:
    """The texts of the branches; index 0 is the cleanest level."""

    uncond: Conditioning  # ∅
    target: Conditioning  # c
    tuned: Sequence[Conditioning]  # c_t, T of them
    transition: Sequence[Conditioning]  # c̃_t, T of them


@dataclass(frozen=True)
class DenoisingOptions:
    """When BAM injects, in shares of the steps from the noisiest on, and what else is done."""

    self_attention_until: float  # τ_s
    cross_attention_until: float  # τ_c
    guidance_scale: float  # w; of the edit branch, at the noisiest step
    guidance_end: float | None = None  # w of the edit branch at the last step; None keeps w
    guidance_base: float = 0.0  # the edit branch is guided away from ∅ (0), c_t (1), or between
    keep_transition: bool = False  # denoise the transition branch to its end
    record_attention: bool = False
    change_thresholds: tuple[float, float] | None = None  # of `change_mask`; None: no mask


@dataclass(frozen=True)
class Branches:
    """Where the branches end."""

    edit: Tensor  # [4, h, w]
    transition: Tensor | None  # [4, h, w], with `keep_transition`
    attention: Tensor | None  # [q, n], with `record_attention`
    mask: Tensor | None  # [h, w], 0 where the photo was kept; with `change_thresholds`


def denoise(
    pivots: Tensor,
    texts: Texts,
    schedule: Schedule,
    options: DenoisingOptions,
    on_preview: PreviewHook | None = None,
) -> Routine[Branches]:
    """Denoise edit and transition from the same noise, both guided, with BAM in the edit branch.

    The transition is dropped as soon as nothing needs it. The reconstruction stays on the pivots:
    the offset makes up for what its text leaves unexplained, so it is exact without guidance.

    Args:
        pivots: z*_0…z*_T, [T + 1, 4, h, w]; the branches start at the noisiest.
        texts: one or more for each branch.
        schedule: T levels.
        options: windows, guidance, and what to keep.
        on_preview: called every few steps; None skips previews and costs nothing.
    """
    latents = {EDIT: pivots[-1], TRANSITION: pivots[-1]}
    recorder = AttentionRecorder() if options.record_attention else None
    change = None
    if options.change_thresholds is not None:
        change = ChangeMask(pivots, schedule, options.change_thresholds)
    for level in range(len(schedule), 0, -1):
        step = _Step(level, schedule, options)
        rows = torch.stack([latents[branch] for branch in step.guided])  # [guided, 4, h, w]
        prediction: Prediction = yield step.request(rows, pivots[level], texts, recorder)
        noise = step.guided_noise(prediction)
        below = schedule.step(rows, noise, level=level)
        latents.update(zip(step.guided, below, strict=True))
        if change is not None:
            change.observe(rows[0], noise[0], level=level)  # the edit is the first row
            latents[EDIT] = change.apply(latents[EDIT], level=level - 1)
        if on_preview is not None and step.has_preview:
            clean = schedule.clean(rows[0], noise[0], level=level)
            yield from on_preview(step.progress(after=1), clean)
    return Branches(
        latents[EDIT],
        latents[TRANSITION] if options.keep_transition else None,
        recorder.maps() if recorder else None,
        change.mask if change else None,
    )


@dataclass(frozen=True)
class _Step:
    """What the step at one level requests, and how it combines the prediction.

    Its rows are the guided branches with their texts, the edit first; the same branches with the
    texts that guidance leads away from; and the reconstruction's, while its map is injected.
    """

    level: int
    schedule: Schedule
    options: DenoisingOptions

    @property
    def done(self) -> int:
        """Steps done before this one."""
        return len(self.schedule) - self.level

    @property
    def inject_self(self) -> bool:
        """Whether t is in the window of τ_s."""
        return self.done < round(self.options.self_attention_until * len(self.schedule))

    @property
    def inject_cross(self) -> bool:
        """Whether t is in the window of τ_c."""
        return self.done < round(self.options.cross_attention_until * len(self.schedule))

    @property
    def guided(self) -> tuple[str, ...]:
        """The branches that are denoised, the edit first."""
        with_transition = self.inject_cross or self.options.keep_transition
        return (EDIT, TRANSITION) if with_transition else (EDIT,)

    @property
    def has_preview(self) -> bool:
        """Whether this is one of every few steps, and not the last."""
        return self.level > 1 and (self.done + 1) % PREVIEW_EVERY == 0

    def progress(self, *, after: int = 0) -> StageProgress:
        """Return how far the edit is before this step, or some steps later."""
        done = self.done + after
        return StageProgress("editing", done, done / len(self.schedule))

    def request(
        self, rows: Tensor, pivot: Tensor, texts: Texts, recorder: AttentionRecorder | None
    ) -> Request:
        """Request ε of the guided branches' latents [guided, 4, h, w], and of z*_t [4, h, w]."""
        latents, row_texts = [rows, rows], self._guided_texts(texts)
        if self.inject_self:
            latents.append(pivot[None])
            row_texts.append(texts.tuned[self.level - 1])
        return Request(
            self.progress(),
            torch.cat(latents),
            (self.schedule.timestep(self.level),) * len(row_texts),
            stack_embeddings(row_texts),
            self._injection(),
            () if recorder is None else (Recording(0, recorder),),
        )

    def _guided_texts(self, texts: Texts) -> list[Conditioning]:
        """Return the texts of the guided branches, then those that guidance leads away from."""
        tuned, transition = texts.tuned[self.level - 1], texts.transition[self.level - 1]
        # Within its window the edit has the transition's text, and so its values too.
        toward = {TRANSITION: transition, EDIT: transition if self.inject_cross else texts.target}
        away = {
            TRANSITION: texts.uncond,
            EDIT: texts.uncond.lerp(tuned, self.options.guidance_base),
        }
        return [side[branch] for side in (toward, away) for branch in self.guided]

    def _injection(self) -> Injection | None:
        """Return which rows the edit's rows attend with.

        Self-attention is injected into both of the edit's rows, so that they differ by the text
        alone. Cross-attention is injected only into the row with the target's text: in the text
        that guidance leads away from, no word is meant to act anywhere.
        """
        if not (self.inject_self or self.inject_cross):
            return None
        guided = len(self.guided)
        count = 2 * guided + self.inject_self
        self_from, cross_from = list(range(count)), list(range(count))
        if self.inject_self:
            self_from[0] = self_from[guided] = count - 1
        if self.inject_cross:
            cross_from[0] = 1
        return Injection(tuple(self_from), tuple(cross_from))

    def guided_noise(self, prediction: Prediction) -> Tensor:
        """Return the guided ε of the branches, [guided, 4, h, w]."""
        toward, away = prediction.noise[: 2 * len(self.guided)].chunk(2)
        return guide(away, toward, self._scales().to(toward))

    def _scales(self) -> Tensor:
        """Return w of each guided branch, [guided, 1, 1, 1].

        The edit branch's falls as the square of the steps left: layout is decided early and needs
        guidance, while late guidance only drives colours and contrast.
        """
        first, last = self.options.guidance_scale, self.options.guidance_end
        share = self.done / max(1, len(self.schedule) - 1)
        falling = first if last is None else last + (first - last) * (1 - share) ** 2
        return torch.tensor([falling] + [first] * (len(self.guided) - 1)).view(-1, 1, 1, 1)
