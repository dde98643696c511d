"""The method composed: a photo and a target text become an edited photo.

T steps · n tokens · d text width · h, w latent height and width · H, W pixels.

    invert    z*_0…z*_T, from the photo and the empty text    `method.inversion.invert`
    tune      c_t, from the pivots and the target text        `method.inversion.tune`
    denoise   c̃_t between c_t and c for each η, then z_0 of   `method.transition.transition`,
              the branches, from z*_T                         `method.denoising.denoise`
    compose   the edit, decoded and laid over the photo       `method.matte.alpha_matte`
"""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from baret import images
from baret.errors import ContentRejected
from baret.heatmaps import heatmaps
from baret.images import Pixels
from baret.method.denoising import Branches, DenoisingOptions, PreviewHook, Texts, denoise
from baret.method.inversion import invert, tune
from baret.method.matte import alpha_matte
from baret.method.transition import transition
from baret.model.stable_diffusion import StableDiffusion
from baret.options import EditOptions, InversionOptions
from baret.progress import ProgressTracker
from baret.result import EditedImage, EditResult, Inversion, Preview
from baret.unet.requests import Conditioning, Routine, StageProgress, on_device

# Costs in rows of the UNet. The VAE's are those at Stable Diffusion 1.5's size:
# docs/performance.md, "The lower bound".
ENCODE_COST, DECODE_COST = 1.4, 3.1
# In latent pixels: CLIP ViT-L/14 on 224 pixels is a tenth of a row of 64×64, by its operations.
SAFETY_CHECK_COST = 400
_DECODING = StageProgress("decoding", 0, 0.0)


class Pipeline:
    """The parts of the method on one model. Its routines know nothing of threads or batches."""

    def __init__(self, model: StableDiffusion):
        """Take a model."""
        self.model = model

    def edit(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: EditOptions,
        tracker: ProgressTracker,
    ) -> Routine[EditResult]:
        """Edit a photo, or one that was inverted before."""
        inversion = yield from self.invert(source, prompt, options.inversion)
        branches = []
        for eta in options.interpolations:
            branches.append((yield from self.denoise(inversion, eta, options, tracker)))
            tracker.outputs_done += 1
        return (yield from self.compose(inversion, branches, options, tracker))

    def invert(
        self, source: Image.Image | Inversion, prompt: str, options: InversionOptions
    ) -> Routine[Inversion]:
        """Invert a photo and tune the text, skipping what an inversion has done already."""
        if isinstance(source, Image.Image):
            photo = images.to_rgb(source)
            pivots = yield from self.pivots(photo, options.num_inference_steps)
            return (yield from self.tune(np.array(photo), pivots, prompt, options))
        if (source.prompt, source.options) == (prompt, options):
            return source
        pivots = source.pivots.to(self.model.device)
        return (yield from self.tune(source.photo, pivots, prompt, options))

    def pivots(self, photo: Image.Image, steps: int) -> Routine[Tensor]:
        """Invert a photo with the empty text: z*_0…z*_T, [T + 1, 4, h, w]."""
        model, progress = self.model, StageProgress("inverting", 0, 0.0)
        size = images.working_size(*photo.size, area=model.native_size**2, multiple=model.multiple)
        pixels = images.to_pixels(photo, size)
        cost = ENCODE_COST * size[0] * size[1] / model.multiple**2
        clean = yield from on_device(progress, lambda: model.encode(pixels), cost)
        uncond = yield from on_device(progress, lambda: model.embed(""), 0)
        return (yield from invert(clean, uncond, model.schedule(steps)))

    def tune(
        self, photo: Pixels, pivots: Tensor, prompt: str, options: InversionOptions
    ) -> Routine[Inversion]:
        """Tune the target text to the pivots of a photo [H, W, 3]."""
        target, uncond = yield from self._embed(prompt, "tuning")
        schedule = self.model.schedule(options.num_inference_steps)
        tuning = yield from tune(pivots, target, uncond, schedule, options)
        return Inversion(
            photo=photo,
            pivots=pivots,
            tuned=tuning.embeddings,
            losses=tuning.losses,
            inner_steps=tuning.inner_steps,
            reconstruction=tuning.reconstruction,
            prompt=prompt,
            options=options,
            model=self.model.identity,
            dtype=self.model.dtype_name,
        )

    def denoise(
        self, inversion: Inversion, eta: float, options: EditOptions, tracker: ProgressTracker
    ) -> Routine[Branches]:
        """Denoise the branches for one η."""
        model, (tau_s, tau_c) = self.model, options.windows
        tuned = inversion.tuned.to(model.device)
        target, uncond = yield from self._embed(inversion.prompt, "editing")
        mixed = transition(tuned, target.embedding, eta, options.interpolation_end)
        texts = Texts(
            uncond=uncond,
            target=target,
            tuned=target.with_embeddings(tuned),
            transition=target.with_embeddings(mixed),
        )
        denoising = DenoisingOptions(
            self_attention_until=tau_s,
            cross_attention_until=tau_c,
            guidance_scale=options.inversion.guidance_scale,
            guidance_end=options.guidance_end,
            guidance_base=options.guidance_base,
            keep_transition=options.artifacts,
            record_attention=options.artifacts,
            change_thresholds=options.change_thresholds,
        )
        schedule = model.schedule(options.inversion.num_inference_steps)
        on_preview = self._preview_hook(eta, tracker) if options.previews else None
        pivots = inversion.pivots.to(model.device)
        return (yield from denoise(pivots, texts, schedule, denoising, on_preview))

    def _preview_hook(self, eta: float, tracker: ProgressTracker) -> PreviewHook:
        def on_preview(progress: StageProgress, clean: Tensor) -> Routine[None]:
            image = Image.fromarray((yield from self._decode(clean, progress)))
            if not (yield from self._is_refused(image, progress)):
                tracker.preview = Preview(eta, image)

        return on_preview

    def compose(
        self,
        inversion: Inversion,
        branches: Sequence[Branches],
        options: EditOptions,
        tracker: ProgressTracker,
    ) -> Routine[EditResult]:
        """Decode the branches, one for each η, and lay every edit over the photo."""
        rebuilt = yield from self._decode(inversion.reconstruction)
        photo = rebuilt  # through the VAE, whose losses must not count as a change
        if not torch.equal(inversion.reconstruction, inversion.pivots[0]):
            photo = yield from self._decode(inversion.pivots[0])
        outputs = []
        for eta, branch in zip(options.interpolations, branches, strict=True):
            outputs.append((yield from self._compose_one(inversion, eta, branch, photo)))
        working_size = (rebuilt.shape[1], rebuilt.shape[0])
        original = images.to_pixels(Image.fromarray(inversion.photo), working_size)
        tracker.record_time()
        return EditResult(
            outputs=tuple(outputs),
            reconstruction=images.to_image(rebuilt, inversion.size),
            reconstruction_psnr=images.psnr(rebuilt, original),
            inversion=inversion,
            inversion_reused=tracker.reused,
            seconds=tracker.seconds,
            hints=self.model.hints(inversion.prompt),
        )

    def _compose_one(
        self, inversion: Inversion, eta: float, branches: Branches, photo: Pixels
    ) -> Routine[EditedImage]:
        height, width = branches.edit.shape[-2:]
        moved, attention = None, None
        if branches.transition is not None:
            moved = images.to_image((yield from self._decode(branches.transition)), inversion.size)
        if branches.attention is not None:
            tokens = self.model.tokens(inversion.prompt)
            attention = heatmaps(branches.attention, tokens, inversion.photo, (height, width))
        pixels = yield from self._decode(branches.edit)
        image = images.to_image(pixels, inversion.size)
        if branches.mask is not None:
            alpha = alpha_matte(pixels, photo, latent_pixel_size=pixels.shape[0] // height)
            image = images.composite(image, inversion.photo, alpha)
        if (yield from self._is_refused(image)):
            raise ContentRejected("The model's safety checker refuses what this edit shows.")
        return EditedImage(eta, image, moved, attention or ())

    def _embed(self, prompt: str, stage: str) -> Routine[tuple[Conditioning, Conditioning]]:
        """Return c and ∅."""
        embed, progress = self.model.embed, StageProgress(stage, 0, 0.0)
        return (yield from on_device(progress, lambda: (embed(prompt), embed("")), 0))

    def _decode(self, latents: Tensor, progress: StageProgress = _DECODING) -> Routine[Pixels]:
        """Decode a latent [4, h, w] to pixels [H, W, 3]."""
        model, cost = self.model, DECODE_COST * latents.shape[-2] * latents.shape[-1]
        return (
            yield from on_device(progress, lambda: model.decode(latents.to(model.device)), cost)
        )

    def _is_refused(self, image: Image.Image, progress: StageProgress = _DECODING) -> Routine[bool]:
        """Return whether the model has a safety checker that refuses an image."""
        checker = self.model.safety_checker
        if checker is None:
            return False
        return (yield from on_device(progress, lambda: checker.refuses(image), SAFETY_CHECK_COST))
