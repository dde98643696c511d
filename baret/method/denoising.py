"""The edit itself: branches from the same noise, balanced by each other's attention.

T steps · n tokens · d text width · h, w latent height and width.

    edit            denoised with c̃, guided away from a mix of c_src and ∅ by the same η, held to
                    the photo outside the mask
    reconstruction  c_src, on the pivots themselves; lends its attention maps, the photo's layout,
                    to the edit while t is in their windows

In the paper's form the edit has the target text c and is guided away from ∅, and there is a third:

    transition      denoised with c̃_t, guided away from ∅; lends the edit its cross-attention map
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from baret.unet.attention import AttentionRecorder, Injection, Recording
from baret.unet.requests import (
    Conditioning,
    Prediction,
    Request,
    Routine,
    StageProgress,
)

PREVIEW_EVERY = 5  # steps; the VAE's share of a default edit stays under a tenth

# Receives how far the edit is and the clean latent that it predicts, [4, h, w].
PreviewHook = Callable[[StageProgress, Tensor], Routine[None]]


@dataclass(frozen=True)
class Texts:
    """The texts of the branches; index 0 is the cleanest level."""

    edit: Conditioning  # c̃; in the paper's form c
    # What guidance leads away from: between c_src, at η = 0, and ∅; in the paper's form ∅.
    away: Conditioning
    reconstruction: Sequence[Conditioning]  # c_src; in the paper's form c_t. T of them
    transition: Sequence[Conditioning] | None = None  # c̃_t of the paper's third branch, T of them

    @property
    def source(self) -> Conditioning:
        """The text that describes the photo, c_src; in the paper's form that of the last step."""
        return self.reconstruction[0]


@dataclass(frozen=True)
class DenoisingOptions:
    """When BAM injects, in shares of the steps from the noisiest on, and how the edit is guided."""

    self_attention_until: float  # τ_s
    cross_attention_until: float  # τ_c
    guidance_scale: float  # w, of the edit branch at the noisiest step
    guidance_end: float | None = None  # w of the edit branch at the last step; None keeps w
    record_attention: bool = False
    progress: float = 1.0  # share of the stage that this is; what follows takes the rest

    def guidance_at(self, level: int, steps: int) -> float:
        """Return w of the edit branch at a level of `steps`.

        It falls as the square of the steps left: layout is decided early and needs guidance, while
        late guidance only drives colours and contrast.
        """
        first, last = self.guidance_scale, self.guidance_end
        if last is None:
            return first
        share = (steps - level) / max(1, steps - 1)
        return last + (first - last) * (1 - share) ** 2


@dataclass(frozen=True)
class Denoised:
    """Where the edit branch ends."""

    latents: Tensor  # [4, h, w]
    attention: Tensor | None  # [q, n], with `record_attention`
    shows_text: bool = True  # False if c_src explains the edit better; not known without a check


def denoise(
    pivots: Tensor,
    texts: Texts,
    schedule: Schedule,
    options: DenoisingOptions,
    mask: Tensor | None = None,
    on_preview: PreviewHook | None = None,
    start: Tensor | None = None,
) -> Routine[Denoised]:
    """Denoise the edit from the photo's noise, with BAM.

    The transition is dropped as soon as nothing needs it. The reconstruction stays on the pivots:
    the offset makes up for what its text leaves unexplained, so it is exact without guidance.

    Args:
        pivots: z*_0…z*_T, [T + 1, 4, h, w]; the branches start at the noisiest.
        texts: one or more for each branch.
        schedule: T levels.
        options: windows and guidance.
        mask: [h, w], 0 holds the edit to the pivots, 1 leaves it free; None holds nothing.
        on_preview: called every few steps; None skips previews and costs nothing.
        start: where the edit begins, [4, h, w]; None begins at the noisiest pivot.
    """
    edit, transition = pivots[-1] if start is None else start, pivots[-1]
    recorder = AttentionRecorder() if options.record_attention else None
    for level in range(len(schedule), 0, -1):
        step = _Step(level, schedule, options, texts)
        prediction: Prediction = yield step.request(edit, transition, pivots[level], recorder)
        noise = step.guided_noise(prediction)
        clean = schedule.clean(edit, noise[0], level=level)
        edit = schedule.step(edit, noise[0], level=level)
        if step.has_transition:
            transition = schedule.step(transition, noise[1], level=level)
        if mask is not None:
            edit = torch.lerp(pivots[level - 1], edit, mask)
        if on_preview is not None and step.has_preview:
            yield from on_preview(step.progress(after=1), clean)
    return Denoised(edit, recorder.maps() if recorder else None)


@dataclass(frozen=True)
class _Step:
    """What the step at one level requests, and how it combines the prediction.

    Its rows are the edit's, and the transition's if there is one; the same with the text that
    guidance leads away from, unless w is 1; and the reconstruction's, while its maps are injected.
    """

    level: int
    schedule: Schedule
    options: DenoisingOptions
    texts: Texts

    @property
    def done(self) -> int:
        """Steps done before this one."""
        return len(self.schedule) - self.level

    def _is_within(self, window: float) -> bool:
        return self.done < round(window * len(self.schedule))

    @property
    def inject_self(self) -> bool:
        """Whether t is in the window of τ_s."""
        return self._is_within(self.options.self_attention_until)

    @property
    def inject_cross(self) -> bool:
        """Whether t is in the window of τ_c."""
        return self._is_within(self.options.cross_attention_until)

    @property
    def has_transition(self) -> bool:
        """Whether the paper's third branch takes part."""
        return self.inject_cross and self.texts.transition is not None

    @property
    def has_reconstruction(self) -> bool:
        """Whether maps of the reconstruction are injected."""
        return self.inject_self or (self.inject_cross and not self.has_transition)

    @property
    def has_preview(self) -> bool:
        """Whether this is one of every few steps, and not the last."""
        return self.level > 1 and (self.done + 1) % PREVIEW_EVERY == 0

    @property
    def scale(self) -> float:
        """w of the edit branch."""
        return self.options.guidance_at(self.level, len(self.schedule))

    @property
    def is_guided(self) -> bool:
        """Whether the text that guidance leads away from matters."""
        return self.scale != 1 or self.has_transition

    def progress(self, *, after: int = 0) -> StageProgress:
        """Return how far the edit is before this step, or some steps later."""
        done = self.done + after
        share = self.options.progress * done / len(self.schedule)
        return StageProgress("editing", done, share)

    def request(
        self, edit: Tensor, transition: Tensor, pivot: Tensor, recorder: AttentionRecorder | None
    ) -> Request:
        """Request ε of the branches' latents and of z*_t, [4, h, w] each."""
        rows, texts = [edit], [self.texts.edit]
        if self.has_transition and self.texts.transition is not None:
            rows.append(transition)
            # Within its window the edit has the transition's text, and so its values too.
            texts = [self.texts.transition[self.level - 1]] * 2
        if self.is_guided:
            rows, texts = rows * 2, texts + [self.texts.away] * len(texts)
        if self.has_reconstruction:
            rows.append(pivot)
            texts.append(self.texts.reconstruction[self.level - 1])
        return Request.of(
            self.progress(),
            torch.stack(rows),
            (self.schedule.timestep(self.level),) * len(rows),
            texts,
            injection=self._injection(len(rows)),
            recordings=() if recorder is None else (Recording(0, recorder),),
        )

    def _injection(self, count: int) -> Injection | None:
        """Return which of `count` rows the edit's rows attend with.

        Self-attention is injected into both of the edit's rows, so that they differ by the text
        alone. Cross-attention is injected only into the row with the edit's text: in the text that
        guidance leads away from, no word is meant to act anywhere.
        """
        if not (self.inject_self or self.inject_cross):
            return None
        self_from, cross_from = list(range(count)), list(range(count))
        if self.inject_self:
            self_from[0] = count - 1
            if self.is_guided:
                self_from[1 + self.has_transition] = count - 1
        if self.inject_cross:
            cross_from[0] = 1 if self.has_transition else count - 1
        return Injection(tuple(self_from), tuple(cross_from))

    def guided_noise(self, prediction: Prediction) -> Tensor:
        """Return the guided ε of edit and, if it takes part, transition: [1 or 2, 4, h, w]."""
        branches = 1 + self.has_transition
        toward = prediction.noise[:branches]
        if not self.is_guided:
            return toward
        scales = [self.scale] + [self.options.guidance_scale] * (branches - 1)
        away = prediction.noise[branches : 2 * branches]
        return guide(away, toward, torch.tensor(scales).view(-1, 1, 1, 1).to(toward))
