"""h-Edit (arXiv 2503.02187), implicit, with prompt-to-prompt; it receives the source caption.

b images · i heads · q queries · n tokens · e head width · d text width · h, w latent height and
width · T steps. Equations are numbered as the published code cites them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baret.method.ddim import Schedule, guide
from bench.edits.attention import (
    AttentionProcessor,
    Layer,
    RowInjection,
    WordMapInjection,
    replaced_processors,
)
from bench.edits.batch import Batch, Edited
from bench.edits.model import BatchModel
from bench.edits.peers.alignment import Alignment
from bench.edits.peers.prompt_to_prompt import (
    BLEND_FROM,
    Captions,
    PromptToPromptOptions,
    _changed_words,
)
from bench.edits.sampling import pivots_of

PUBLISHED = PromptToPromptOptions(cross_until=0.4, self_until=0.35, swap=False, blend=0.3)


@dataclass(frozen=True)
class HEditOptions:
    """The options of h-Edit; the defaults are those of h-Edit-R + P2P on PIE-Bench.

    The guidance scale of prompt-to-prompt is w^edit; w^orig is 1, as published.
    """

    prompt_to_prompt: PromptToPromptOptions = PUBLISHED
    source_scale: float = 5.0  # ŵ^orig: guidance of the source caption in the editing term
    random: bool = True  # h-Edit-R: inversion with random noise; False: h-Edit-D, by DDIM
    emphasis: float = 2.0  # factor on the injected maps of changed words
    inner_steps: int = 1  # updates of the editing term per timestep
    reconstruction: float = 0.1  # pull to x^base from the second update on, share of f's size


@dataclass(frozen=True, kw_only=True)
class EmphasisedInjection(WordMapInjection):
    """Injected maps, of which those of changed words weigh more, as in the published code.

    Maps times a factor are maps on values times that factor. `map_sums` has them without it.
    """

    emphasis: Tensor  # [r, 1, n, 1], factor of each token of the target rows

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """Weigh the values of target rows while maps are taken, then attend."""
        if self.inject:
            rows = torch.tensor(self.target, device=value.device)
            weighed = value[rows] * self.emphasis.to(value)
            value = value.index_copy(0, rows, weighed)
        return super().attend(query, key, value, scale)


@dataclass(frozen=True)
class HEdit:
    """The edit of a batch. x^orig_t is the inversion, x_t the edited latent, both at level t."""

    model: BatchModel
    captions: Captions
    originals: Tensor  # x^orig_0…x^orig_T, [T + 1, b, 4, h, w]
    schedule: Schedule
    options: HEditOptions

    def run(self) -> Tensor:
        """Return x_0, [b, 4, h, w]."""
        latents, map_sums = self.originals[-1], dict[int, Tensor]()
        blend, count = self.options.prompt_to_prompt.blend, len(self.schedule)
        for level in range(count, 0, -1):
            latents = self.step(latents, map_sums, level=level)
            if blend is not None and count - level >= BLEND_FROM * count:
                size = (latents.shape[2], latents.shape[3])
                mask = _changed_words(self.captions, map_sums, blend, size)
                latents = torch.lerp(self.originals[level - 1], latents, mask)
        return latents

    def step(self, latents: Tensor, map_sums: dict[int, Tensor], *, level: int) -> Tensor:
        """Return x_{t−1} = x^base_{t−1} + (∂μ/∂ε) f(x_{t−1}, t − 1) (equation 25).

        Further updates repeat it from x_{t−1}, and pull it back to x^base_{t−1} by the gradient of
        the mean absolute difference, scaled to a share of f's size (section 3.3.3).

        Args:
            latents: x_t, [b, 4, h, w].
            map_sums: receives the attention maps of the last update, q → [4b, q, n].
            level: t.
        """
        base = self.base(latents, level=level)
        latents = base
        for inner in range(1, self.options.inner_steps + 1):
            sums = map_sums if inner == self.options.inner_steps else {}
            term = self.editing_term(latents, sums, level=level)
            direction = (latents - base).sign()  # zero in the first update
            pull = direction * _size(term) / _size(direction).clamp(min=1e-12)
            latents = latents - self.options.reconstruction * pull
            latents = latents + self.noise_factor(level) * term
        return latents

    def base(self, latents: Tensor, *, level: int) -> Tensor:
        """Return x^base_{t−1} = μ(x_t, ε(x_t, c^orig)) + u^orig_t, [b, 4, h, w] (equation 22).

        u^orig_t = x^orig_{t−1} − μ(x^orig_t, ε(x^orig_t, c^orig)) (equation 7), so the source
        branch of the published code is the inversion itself.
        """
        rows = torch.cat([latents, self.originals[level]])
        source = self.captions.source
        noise = self.model.predict(rows, self.schedule.timestep(level), source * 2)
        mean, original_mean = self.mean(rows, noise, level=level).chunk(2)
        return mean + (self.originals[level - 1] - original_mean)

    def mean(self, latents: Tensor, noise: Tensor, *, level: int) -> Tensor:
        """Return μ(x_t, ε), the mean of DDIM's step (equation 3), [b, 4, h, w]."""
        clean = self.schedule.clean(latents, noise, level=level)
        return self.schedule.alphas[level - 1].sqrt() * clean + self._remaining(level) * noise

    def noise_factor(self, level: int) -> Tensor:
        """Return ∂μ/∂ε = √(1 − ᾱ_{t−1} − ω²) − √(ᾱ_{t−1} (1 − ᾱ_t) / ᾱ_t), [] (equation 23)."""
        alpha, below = self.schedule.alphas[level], self.schedule.alphas[level - 1]
        return self._remaining(level) - (below * (1 - alpha) / alpha).sqrt()

    def _remaining(self, level: int) -> Tensor:
        """Return √(1 − ᾱ_{t−1} − ω²); ω² is DDPM's variance, or 0 for h-Edit-D."""
        alpha, below = self.schedule.alphas[level], self.schedule.alphas[level - 1]
        variance = (1 - below) / (1 - alpha) * (1 - alpha / below)
        return (1 - below - variance * self.options.random).sqrt()

    def editing_term(self, latents: Tensor, map_sums: dict[int, Tensor], *, level: int) -> Tensor:
        """Return f(x_{t−1}, t − 1), [b, 4, h, w] (equation 24).

        f = ε(∅) + w^edit (ε(c^edit) − ε(∅)) − [ε(∅) + ŵ^orig (ε(c^orig) − ε(∅))], of which only
        ε(c^edit) takes maps, from x^orig_{t−1} with c^orig. The clean level is t = 0 to the UNet.
        """
        texts, options = self.captions, self.options
        uncond = self.model.embed([""] * len(latents))
        timestep = self.schedule.timestep(level - 1) if level > 1 else 0
        with replaced_processors(self.model.model.unet, self._injection(map_sums, level)):
            noise = self.model.predict(
                torch.cat([self.originals[level - 1], latents, latents, latents]),
                timestep,
                texts.source + texts.target + uncond + texts.source,
            )
        _, with_target, without, with_source = noise.chunk(4)
        edited = guide(without, with_target, options.prompt_to_prompt.guidance_scale)
        return edited - guide(without, with_source, options.source_scale)

    def _injection(
        self, map_sums: dict[int, Tensor], level: int
    ) -> Callable[[Layer], AttentionProcessor | None]:
        """Return the processors of `editing_term`'s call at a step from `level` down."""
        options, done = self.options, len(self.schedule) - level
        count, device = len(self.captions.source), self.model.model.device
        sources, targets = list(range(count)), list(range(count, 2 * count))
        alignments = self.captions.alignments
        cross = EmphasisedInjection(
            sources,
            targets,
            torch.stack([own.matrix for own in alignments]).to(device),
            torch.stack([own.share for own in alignments])[:, None, None].to(device),
            inject=done < round(options.prompt_to_prompt.cross_until * len(self.schedule)),
            map_sums=map_sums,
            emphasis=_factors(alignments, options.emphasis).to(device),
        )
        rows = sources + sources + list(range(2 * count, 4 * count))
        injects_self = done < round(options.prompt_to_prompt.self_until * len(self.schedule))
        self_injection = RowInjection(query=rows, key=rows) if injects_self else None
        return lambda layer: cross if layer.cross else self_injection


def h_edit(model: BatchModel, batch: Batch, options: HEditOptions) -> Edited:
    """Invert with the source caption, then edit alongside the inversion."""
    schedule = model.schedule(options.prompt_to_prompt.steps)
    captions = Captions.of(model, batch, options.prompt_to_prompt)
    clean = model.encode(batch.sources)
    if options.random:
        originals = noised(clean, schedule, batch.seeds)
    else:
        originals = pivots_of(model, clean, captions.source, schedule)
    edited = HEdit(model, captions, originals, schedule, options).run()
    return Edited(model.decode(edited), lambda: model.decode(originals[0]))


def noised(clean: Tensor, schedule: Schedule, seeds: Sequence[int]) -> Tensor:
    """Return x_0…x_T with fresh noise for each level, as edit-friendly inversion does.

    Args:
        clean: x_0, [b, 4, h, w].
        schedule: T levels.
        seeds: [b].

    Returns:
        [T + 1, b, 4, h, w].
    """
    shape = (len(schedule), *clean.shape[1:])
    # Drawn on the CPU, so that every device has the same noise.
    draws = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    noise = torch.stack(draws, dim=1).to(clean)
    alphas = schedule.alphas[1:].to(clean)[:, None, None, None, None]
    return torch.cat([clean[None], alphas.sqrt() * clean + (1 - alphas).sqrt() * noise])


def _factors(alignments: Sequence[Alignment], emphasis: float) -> Tensor:
    """Return the factor of every token of the target captions, [b, 1, n, 1]."""
    factors = torch.ones(len(alignments), len(alignments[0].share))
    for own, alignment in zip(factors, alignments, strict=True):
        own[list(alignment.changed_target)] = emphasis
    return factors[:, None, :, None]


def _size(latents: Tensor) -> Tensor:
    """Return the root mean square of each image's latents, [b, 1, 1, 1]."""
    return latents.square().mean((1, 2, 3), keepdim=True).sqrt()
