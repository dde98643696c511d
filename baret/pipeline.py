"""The method composed: a photo and a target text become an edited photo.

T steps · n tokens · d text width · h, w latent height and width · H, W pixels.

    describe  c_src, the target text tuned to the photo       `method.ttis.describe`
              where the two texts differ about the photo      `method.mask.departure`
    invert    z*_0…z*_T, from the photo and c_src             `method.inversion.invert`
    mix       c̃ between c_src and c, for each strength        `method.transition.transition`
    draw      z_0 of the edit, from z*_T; verified, refined   `drawing.Drawing`
    compose   the edit, decoded and laid over the photo       `method.composition.compose`
    detail    on request, the changed region of a large       `method.detail.redraw`
              photo, drawn again at the photo's resolution

The paper's form inverts with the empty text first, and tunes on the pivots: `method.paper.tune`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from baret import images
from baret.detailing import DetailPass, Layers
from baret.drawing import Drawing, denoising_options
from baret.errors import ContentRejected
from baret.heatmaps import heatmaps, words_of
from baret.images import Alpha, Pixels
from baret.method import matte, paper
from baret.method.composition import compose
from baret.method.denoising import Denoised, PreviewHook, Texts
from baret.method.inversion import invert
from baret.method.mask import departure
from baret.method.transition import eta_of, transition
from baret.method.ttis import describe
from baret.model.device_work import decode, embed, encode, is_refused
from baret.model.prompts import Hint
from baret.model.stable_diffusion import StableDiffusion
from baret.options import EditOptions, InversionOptions, PaperTuning
from baret.progress import ProgressTracker
from baret.result import EditedImage, EditResult, Inversion, Preview
from baret.unet.requests import Routine, StageProgress

_NOT_SHOWN = Hint(
    "text_not_shown",
    "After three tries the picture still looks like the photo, and not like the text. Say plainly "
    "what differs from the photo, or try another seed or photo.",
    (),
)
_DECODING, _DETAILING = StageProgress("decoding", 0, 0.0), StageProgress("detailing", 0, 0.0)


@dataclass(frozen=True)
class Found:
    """What inverting and tuning find; `Inversion` describes it."""

    pivots: Tensor
    tuned: Tensor
    departure: Tensor
    reconstruction: Tensor
    inner_steps: int


class Pipeline:
    """The parts of the method on one model. Its routines know nothing of threads or batches."""

    def __init__(self, model: StableDiffusion):
        """Take a model."""
        self.model = model
        self._detail = DetailPass(model)

    def max_tiles(self, photo: tuple[int, int], options: EditOptions) -> int:
        """Return how many tiles each output's second pass may use; 0 if the photo is too small.

        Args:
            photo: its (width, height).
            options: with `detail`.
        """
        return self._detail.max_tiles(photo, options.detail)

    def edit(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: EditOptions,
        tracker: ProgressTracker,
    ) -> Routine[EditResult]:
        """Edit a photo, or one that was inverted before."""
        inversion = yield from self.invert(source, prompt, options.inversion)
        drawing, edits = Drawing(self.model, inversion, options), []
        for strength in options.strengths:
            texts = yield from self._texts(
                inversion, strength, _size(inversion.pivots[0]), "editing"
            )
            on_preview = self._preview_hook(strength, tracker) if options.previews else None
            edits.append((yield from drawing.draw(texts, strength, on_preview)))
            tracker.outputs_done["editing"] += 1
        return (yield from self.compose(inversion, drawing, edits, options, tracker))

    def invert(
        self, source: Image.Image | Inversion, prompt: str, options: InversionOptions
    ) -> Routine[Inversion]:
        """Tune the text to a photo and invert it, unless an inversion has done so already."""
        if isinstance(source, Image.Image):
            photo = images.to_rgb(source)
            clean = yield from self._encode(photo, options)
            pixels = np.array(photo)
        elif (source.prompt, source.options) == (prompt, options):
            return source
        else:
            clean, pixels = source.pivots[0].to(self.model.device), source.photo
        form = self.describe_photo if options.paper is None else self._tune_as_in_the_paper
        found = yield from form(clean, prompt, options)
        return Inversion(
            photo=pixels,
            pivots=found.pivots,
            tuned=found.tuned,
            departure=found.departure,
            reconstruction=found.reconstruction,
            inner_steps=found.inner_steps,
            prompt=prompt,
            options=options,
            model=self.model.identity,
            dtype=self.model.dtype_name,
        )

    def _encode(self, photo: Image.Image, options: InversionOptions) -> Routine[Tensor]:
        """Encode a photo at the working size: z_0, [4, h, w]."""
        model, stage = self.model, "tuning" if options.paper is None else "inverting"
        size = images.working_size(*photo.size, area=model.native_size**2, multiple=model.multiple)
        pixels = images.to_pixels(photo, size)
        return (yield from encode(model, pixels, StageProgress(stage, 0, 0.0)))

    def describe_photo(
        self, clean: Tensor, prompt: str, options: InversionOptions
    ) -> Routine[Found]:
        """Find the text that describes the photo, and invert z_0 with it."""
        target, _ = yield from embed(self.model, prompt, _size(clean), "tuning")
        schedule = self.model.schedule(options.num_inference_steps)
        source = yield from describe(clean, target, schedule, options)
        departed = yield from departure(clean, source, target, schedule, options)
        pivots = yield from invert(clean, source, schedule)
        return Found(pivots, source.embedding[None], departed, pivots[0], options.inner_steps)

    def _tune_as_in_the_paper(
        self, clean: Tensor, prompt: str, options: InversionOptions
    ) -> Routine[Found]:
        """Invert z_0 with the empty text, and tune the target text to the pivots."""
        target, uncond = yield from embed(self.model, prompt, _size(clean), "inverting")
        schedule = self.model.schedule(options.num_inference_steps)
        pivots = yield from invert(clean, uncond, schedule)
        how = options.paper or PaperTuning()
        tuning = yield from paper.tune(pivots, target, uncond, schedule, how)
        everywhere = torch.ones_like(clean[0])
        return Found(
            pivots, tuning.embeddings, everywhere, tuning.reconstruction, tuning.inner_steps
        )

    def _texts(
        self, inversion: Inversion, strength: float, size: tuple[int, int], stage: str
    ) -> Routine[Texts]:
        """Return the texts of the branches for one strength, and latents of a size (h, w)."""
        target, uncond = yield from embed(self.model, inversion.prompt, size, stage)
        tuned = inversion.tuned.to(self.model.device)
        is_paper = inversion.options.paper is not None
        eta = strength if is_paper else eta_of(strength)
        mixed = target.with_embeddings(transition(tuned, target.embedding, eta))
        if is_paper:
            return Texts(target, uncond, target.with_embeddings(tuned), mixed)
        source = target.with_embedding(tuned[0])
        # At η = 0 the edit's text and what guides it are both c_src: the photo itself.
        away = source.lerp(uncond, eta)
        return Texts(mixed[0], away, [source] * inversion.options.num_inference_steps)

    def _preview_hook(self, strength: float, tracker: ProgressTracker) -> PreviewHook:
        def on_preview(progress: StageProgress, clean: Tensor) -> Routine[None]:
            image = Image.fromarray((yield from decode(self.model, clean, progress)))
            if not (yield from is_refused(self.model, image, progress)):
                tracker.preview = Preview(strength, image)

        return on_preview

    def compose(
        self,
        inversion: Inversion,
        drawing: Drawing,
        edits: Sequence[Denoised],
        options: EditOptions,
        tracker: ProgressTracker,
    ) -> Routine[EditResult]:
        """Decode the edits, one for each strength, and lay them over the photo."""
        progress = _DETAILING if self.max_tiles(inversion.size, options) else _DECODING
        photo = rebuilt = yield from drawing.photo(progress)
        if not torch.equal(inversion.reconstruction, inversion.pivots[0]):
            rebuilt = yield from decode(self.model, inversion.reconstruction, progress)
        outputs, drawn_again = [], False
        for strength, edit in zip(options.strengths, edits, strict=True):
            pixels = yield from decode(self.model, edit.latents, progress)
            layers, alpha = self._lay(pixels, photo, drawing.mask, inversion, options)
            drawn_again |= yield from self._add_detail(layers, alpha, inversion, strength, options)
            tracker.outputs_done["detailing"] += 1
            outputs.append(self._output(strength, edit, pixels, layers, inversion, options))
        tracker.enter("decoding")
        for output in outputs:
            if (yield from is_refused(self.model, output.image, _DECODING)):
                raise ContentRejected("The model's safety checker refuses what this edit shows.")
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
            hints=(
                *self.model.world.photo_hints(images.psnr(photo, original)),
                *(self.model.world.detail_hints() if drawn_again else ()),
                *(() if all(edit.shows_text for edit in edits) else (_NOT_SHOWN,)),
                *self.model.hints(inversion.prompt),
            ),
        )

    def _lay(
        self,
        edited: Pixels,
        photo: Pixels,
        mask: Tensor | None,
        inversion: Inversion,
        options: EditOptions,
    ) -> tuple[Layers, Alpha]:
        """Lay an edit over its photo, at the photo's size; add the alpha at the working size.

        Args:
            edited: [H, W, 3], decoded.
            photo: [H, W, 3], through the same VAE.
            mask: [h, w], where the text changes the photo; None shows all of the edit.
            inversion, options: of the edit.
        """
        size = inversion.size
        source = Image.fromarray(inversion.photo)
        if mask is None:
            everywhere = np.ones(edited.shape[:2], np.float32)
            image, white = images.to_image(edited, size), Image.new("L", size, 255)
            return Layers(image, source, white), everywhere
        composition = compose(edited, photo, mask)
        alpha = composition.alpha
        if self.max_tiles(size, options):
            working = images.to_pixels(source, (edited.shape[1], edited.shape[0]))
            shown = matte.refine(alpha, inversion.photo, working)
        else:
            shown = images.to_mask(alpha, size)
        image = images.to_image(composition.edited, size)
        return Layers(Image.composite(image, source, shown), source, shown), alpha

    def _add_detail(
        self,
        layers: Layers,
        alpha: Alpha,
        inversion: Inversion,
        strength: float,
        options: EditOptions,
    ) -> Routine[bool]:
        """Draw the changed region again, if the options say so; return whether it was drawn."""
        region = self._detail.plan(alpha, inversion.size, options.detail)
        if region is None:
            return False
        size = self._detail.tiles(region).tile
        texts = yield from self._texts(inversion, strength, size, "detailing")
        if inversion.options.paper is None:
            texts = replace(texts, away=texts.source)
        steps, seed = inversion.options.num_inference_steps, inversion.options.seed
        yield from self._detail.run(layers, region, texts, denoising_options(options), steps, seed)
        return True

    def _output(
        self,
        strength: float,
        edit: Denoised,
        edited: Pixels,
        layers: Layers,
        inversion: Inversion,
        options: EditOptions,
    ) -> EditedImage:
        if not options.artifacts:
            return EditedImage(strength, layers.image)
        attention = None
        if edit.attention is not None:
            prompt = inversion.prompt
            words = words_of(self.model.tokens(prompt), self.model.places(prompt))
            attention = heatmaps(edit.attention, words, inversion.photo, _size(edit.latents))
        whole = images.to_image(edited, inversion.size)
        shown = None if options.change_thresholds is None else layers.matte
        return EditedImage(strength, layers.image, whole, attention or (), shown)


def _size(latents: Tensor) -> tuple[int, int]:
    """Return the (h, w) of latents [4, h, w]."""
    return latents.shape[-2], latents.shape[-1]
