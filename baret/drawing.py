"""An inverted photo and the texts for one strength become the latent of an edit.

h, w latent height and width · H, W pixels.

    denoise   z_0 of the edit, from z*_T                      `method.denoising.denoise`
    verify    whether it shows its text; if not, again with   `method.verify.advantage`
              more guidance, then from fresh noise            `method.verify.renewed`
    refine    the region where it differs from the photo,     `method.refine.refine`
              drawn once more, stochastically
"""

from dataclasses import replace

import torch
from torch import Tensor

from baret.images import Pixels
from baret.method.denoising import Denoised, DenoisingOptions, PreviewHook, Texts, denoise
from baret.method.mask import change_mask, changes_look
from baret.method.refine import DRAWN, refine, refined_region
from baret.method.verify import SAYS_THE_SAME, advantage, renewed
from baret.model.device_work import decode, embed
from baret.model.stable_diffusion import StableDiffusion
from baret.options import PRESETS, STYLE, EditOptions
from baret.result import Inversion
from baret.unet.requests import Conditioning, Routine, StageProgress

MORE_GUIDANCE = 3  # times w, for an edit that does not show its text


class Drawing:
    """Draws the edits of one inverted photo, one for each strength."""

    def __init__(self, model: StableDiffusion, inversion: Inversion, options: EditOptions):
        """Take a model, a photo that it inverted, and the options of the edit."""
        self._model, self._inversion, self._options = model, inversion, options
        self._schedule = model.schedule(inversion.options.num_inference_steps)
        self._pivots = inversion.pivots.to(model.device)
        self._photo: Pixels | None = None
        self.mask: Tensor | None = None  # [h, w], where the text changes the photo; None: anywhere
        if options.change_thresholds is not None:
            found = change_mask(inversion.departure, *options.change_thresholds)
            self.mask = found.to(model.device)

    def photo(self, progress: StageProgress) -> Routine[Pixels]:
        """Return the photo through the VAE, whose losses must not count as a change: [H, W, 3]."""
        if self._photo is None:
            self._photo = yield from decode(self._model, self._pivots[0], progress)
        return self._photo

    def draw(
        self, texts: Texts, strength: float, on_preview: PreviewHook | None
    ) -> Routine[Denoised]:
        """Draw an edit, verify and refine it.

        Args:
            texts: of the branches, for this strength.
            strength: below 1 an edit that does not show its text is not made again.
            on_preview: called every few steps, until the edit is made again.
        """
        edit = yield from self._verified(texts, strength, on_preview)
        return replace(edit, latents=(yield from self._refined(edit.latents, texts.edit)))

    def _verified(
        self, texts: Texts, strength: float, on_preview: PreviewHook | None
    ) -> Routine[Denoised]:
        """Denoise the edit, a new look on the photo's layout first; try again at strength 1."""
        options, least = denoising_options(self._options), self._options.min_advantage
        if self._options.adapts_windows and changes_look(self._inversion.departure):
            held = denoising_options(replace(self._options, **PRESETS[STYLE]._asdict()))
            edit = yield from self._denoise(texts, held, on_preview)
            if least is None or (yield from self._advantage(edit.latents, texts)) >= least:
                return edit
        edit = yield from self._denoise(texts, options, on_preview)
        if strength < 1 or least is None or self.mask is None:
            return edit
        shown = yield from self._advantage(edit.latents, texts)
        if shown >= least or (yield from self._advantage(self._pivots[0], texts)) >= SAYS_THE_SAME:
            return edit
        return (yield from self._tried_again(edit, shown, least, texts, self.mask))

    def _tried_again(
        self, edit: Denoised, shown: float, least: float, texts: Texts, mask: Tensor
    ) -> Routine[Denoised]:
        """Denoise an edit that does not show its text with more guidance, then from fresh noise.

        More guidance keeps the photo; fresh noise loses more of it. The edit stays as it is if no
        try shows the text.

        Args:
            edit, shown: the first try and its advantage.
            least: the advantage that ends the tries.
            texts: of the branches.
            mask: where fresh noise begins.
        """
        options = denoising_options(self._options)
        guided = replace(options, guidance_scale=MORE_GUIDANCE * options.guidance_scale)
        fresh = renewed(self._pivots, mask, self._schedule, self._seed)
        for how, start in ((guided, None), (options, fresh)):
            again = yield from self._denoise(texts, how, start=start)
            shown_again = yield from self._advantage(again.latents, texts)
            if shown_again > max(shown, 0):
                edit, shown = again, shown_again
            if shown >= least:
                break
        return replace(edit, shows_text=shown > 0)

    def _denoise(
        self,
        texts: Texts,
        options: DenoisingOptions,
        on_preview: PreviewHook | None = None,
        start: Tensor | None = None,
    ) -> Routine[Denoised]:
        return denoise(self._pivots, texts, self._schedule, options, self.mask, on_preview, start)

    def _advantage(self, clean: Tensor, texts: Texts) -> Routine[float]:
        return advantage(clean, texts.source, texts.edit, self._schedule, self._seed)

    def _refined(self, edit: Tensor, text: Conditioning) -> Routine[Tensor]:
        """Draw the region where an edit differs from its photo once more: z_0, [4, h, w]."""
        photo, size = self._pivots[0], (edit.shape[-2], edit.shape[-1])
        steps = round(self._options.refine * len(self._schedule))
        if not steps or torch.equal(edit, photo):
            return edit
        drawn = StageProgress("editing", len(self._schedule), DRAWN)
        pixels = yield from decode(self._model, edit, drawn)
        region = refined_region(pixels, (yield from self.photo(drawn)), size)
        if region is None:
            return edit
        _, uncond = yield from embed(self._model, self._inversion.prompt, size, "editing")
        texts, region = (text, uncond), region.to(edit)
        return (yield from refine(edit, photo, region, texts, self._schedule, steps, self._seed))

    @property
    def _seed(self) -> int:
        return self._inversion.options.seed


def denoising_options(options: EditOptions) -> DenoisingOptions:
    """Return what denoising an edit needs of its options."""
    tau_s, tau_c = options.windows
    return DenoisingOptions(
        self_attention_until=tau_s,
        cross_attention_until=tau_c,
        guidance_scale=options.guidance_scale,
        guidance_end=options.guidance_end,
        record_attention=options.artifacts,
        progress=DRAWN if options.refine else 1.0,
    )
