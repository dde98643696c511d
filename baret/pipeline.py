"""The method composed: a photo and a target text become an edited photo.

T steps · n tokens · d text width · h, w latent height and width · H, W pixels.

    describe  c_src, the target text tuned to the photo       `method.ttis.describe`
              where the two texts differ about the photo      `method.mask.departure`
    invert    z*_0…z*_T, from the photo and c_src             `method.inversion.invert`
    denoise   c̃ between c_src and c for each η, then z_0      `method.transition.transition`,
              of the edit, from z*_T                          `method.denoising.denoise`
    verify    whether the edit shows its text; if not, once   `method.verify.advantage`
              more from fresh noise                           `method.verify.renewed`
    refine    the region where it differs from the photo,     `method.refine.refine`
              drawn once more, stochastically
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
from baret.detailing import DECODE_COST, ENCODE_COST, DetailPass, Layers
from baret.errors import ContentRejected
from baret.heatmaps import heatmaps, words_of
from baret.images import Alpha, Pixels
from baret.method import matte, paper
from baret.method.composition import compose
from baret.method.denoising import Denoised, DenoisingOptions, PreviewHook, Texts, denoise
from baret.method.inversion import invert
from baret.method.mask import change_mask, changes_look, departure
from baret.method.refine import DRAWN, refine, refined_region
from baret.method.transition import transition
from baret.method.ttis import describe
from baret.method.verify import SAYS_THE_SAME, advantage, renewed
from baret.model.prompts import Hint
from baret.model.stable_diffusion import StableDiffusion
from baret.options import PRESETS, STYLE, EditOptions, InversionOptions, PaperTuning
from baret.progress import ProgressTracker
from baret.result import EditedImage, EditResult, Inversion, Preview
from baret.unet.requests import Conditioning, Routine, StageProgress, on_device

# In latent pixels: CLIP ViT-L/14 on 224 pixels is a tenth of a row of 64×64, by its operations.
SAFETY_CHECK_COST = 400
_NOT_SHOWN = Hint(
    "text_not_shown",
    "After two tries the picture still looks like the photo, and not like the text. Say plainly "
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
        edits = []
        for eta in options.strengths:
            edits.append((yield from self.denoise(inversion, eta, options, tracker)))
            tracker.outputs_done["editing"] += 1
        return (yield from self.compose(inversion, edits, options, tracker))

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
        cost = ENCODE_COST * size[0] * size[1] / model.multiple**2
        first = StageProgress(stage, 0, 0.0)
        return (yield from on_device(first, lambda: model.encode(pixels), cost))

    def describe_photo(
        self, clean: Tensor, prompt: str, options: InversionOptions
    ) -> Routine[Found]:
        """Find the text that describes the photo, and invert z_0 with it."""
        target, _ = yield from self._embed(prompt, "tuning", _size(clean))
        schedule = self.model.schedule(options.num_inference_steps)
        source = yield from describe(clean, target, schedule, options)
        departed = yield from departure(clean, source, target, schedule, options)
        pivots = yield from invert(clean, source, schedule)
        return Found(pivots, source.embedding[None], departed, pivots[0], options.inner_steps)

    def _tune_as_in_the_paper(
        self, clean: Tensor, prompt: str, options: InversionOptions
    ) -> Routine[Found]:
        """Invert z_0 with the empty text, and tune the target text to the pivots."""
        target, uncond = yield from self._embed(prompt, "inverting", _size(clean))
        schedule = self.model.schedule(options.num_inference_steps)
        pivots = yield from invert(clean, uncond, schedule)
        how = options.paper or PaperTuning()
        tuning = yield from paper.tune(pivots, target, uncond, schedule, how)
        everywhere = torch.ones_like(clean[0])
        return Found(
            pivots, tuning.embeddings, everywhere, tuning.reconstruction, tuning.inner_steps
        )

    def denoise(
        self, inversion: Inversion, eta: float, options: EditOptions, tracker: ProgressTracker
    ) -> Routine[Denoised]:
        """Denoise the edit for one η, and refine it."""
        texts = yield from self._texts(inversion, eta, _size(inversion.pivots[0]), "editing")
        edit = yield from self._draw(inversion, texts, eta, options, tracker)
        refined = yield from self._refine(inversion, edit.latents, texts.edit, options)
        return replace(edit, latents=refined)

    def _draw(
        self,
        inversion: Inversion,
        texts: Texts,
        eta: float,
        options: EditOptions,
        tracker: ProgressTracker,
    ) -> Routine[Denoised]:
        """Denoise the edit, and again in another way if it does not show its text.

        A new look is drawn on the photo's layout first. At a strength of 1 the last try begins from
        fresh noise.
        """
        schedule = self.model.schedule(inversion.options.num_inference_steps)
        denoising, mask = _denoising(options), self._mask(inversion, options)
        on_preview = self._preview_hook(eta, tracker) if options.previews else None
        pivots, seed = inversion.pivots.to(self.model.device), inversion.options.seed

        def verify(clean: Tensor) -> Routine[float]:
            return (yield from advantage(clean, texts.away, texts.edit, schedule, seed))

        if options.adapts_windows and changes_look(inversion.departure):
            held = _denoising(replace(options, **PRESETS[STYLE]._asdict()))
            edit = yield from denoise(pivots, texts, schedule, held, mask, on_preview)
            least = options.min_advantage
            if least is None or (yield from verify(edit.latents)) >= least:
                return edit
        edit = yield from denoise(pivots, texts, schedule, denoising, mask, on_preview)
        if eta < 1 or options.min_advantage is None or mask is None:
            return edit
        shown = yield from verify(edit.latents)
        if shown >= options.min_advantage or (yield from verify(pivots[0])) >= SAYS_THE_SAME:
            return edit
        start = renewed(pivots, mask, schedule, seed)
        again = yield from denoise(pivots, texts, schedule, denoising, mask, start=start)
        shown_again = yield from verify(again.latents)
        if shown_again > shown:
            edit, shown = again, shown_again
        return replace(edit, shows_text=shown > 0)

    def _refine(
        self, inversion: Inversion, edit: Tensor, text: Conditioning, options: EditOptions
    ) -> Routine[Tensor]:
        """Draw the region where an edit differs from its photo once more: z_0, [4, h, w]."""
        steps = round(options.refine * inversion.options.num_inference_steps)
        photo, size = inversion.pivots[0].to(self.model.device), _size(edit)
        if not steps or torch.equal(edit, photo):
            return edit
        drawn = StageProgress("editing", inversion.options.num_inference_steps, DRAWN)
        pixels = (yield from self._decode(edit, drawn)), (yield from self._decode(photo, drawn))
        region = refined_region(*pixels, size)
        if region is None:
            return edit
        _, uncond = yield from self._embed(inversion.prompt, "editing", size)
        schedule = self.model.schedule(inversion.options.num_inference_steps)
        return (
            yield from refine(
                edit,
                photo,
                region.to(edit),
                (text, uncond),
                schedule,
                steps,
                inversion.options.seed,
            )
        )

    def _mask(self, inversion: Inversion, options: EditOptions) -> Tensor | None:
        """Return where the text changes the photo, [h, w]; None if nothing is kept."""
        if options.change_thresholds is None:
            return None
        mask = change_mask(inversion.departure, *options.change_thresholds)
        return mask.to(self.model.device)

    def _texts(
        self, inversion: Inversion, eta: float, size: tuple[int, int], stage: str
    ) -> Routine[Texts]:
        """Return the texts of the branches for one η, and for latents of a size (h, w)."""
        target, uncond = yield from self._embed(inversion.prompt, stage, size)
        tuned = inversion.tuned.to(self.model.device)
        mixed = target.with_embeddings(transition(tuned, target.embedding, eta))
        if inversion.options.paper is not None:
            return Texts(target, uncond, target.with_embeddings(tuned), mixed)
        source = target.with_embedding(tuned[0])
        return Texts(mixed[0], source, [source] * inversion.options.num_inference_steps)

    def _preview_hook(self, eta: float, tracker: ProgressTracker) -> PreviewHook:
        def on_preview(progress: StageProgress, clean: Tensor) -> Routine[None]:
            image = Image.fromarray((yield from self._decode(clean, progress)))
            if not (yield from self._is_refused(image, progress)):
                tracker.preview = Preview(eta, image)

        return on_preview

    def compose(
        self,
        inversion: Inversion,
        edits: Sequence[Denoised],
        options: EditOptions,
        tracker: ProgressTracker,
    ) -> Routine[EditResult]:
        """Decode the edits, one for each η, and lay them over the photo."""
        progress = _DETAILING if self.max_tiles(inversion.size, options) else _DECODING
        rebuilt = yield from self._decode(inversion.reconstruction, progress)
        photo = rebuilt  # through the VAE, whose losses must not count as a change
        if not torch.equal(inversion.reconstruction, inversion.pivots[0]):
            photo = yield from self._decode(inversion.pivots[0], progress)
        outputs, drawn_again = [], False
        for eta, edit in zip(options.strengths, edits, strict=True):
            pixels = yield from self._decode(edit.latents, progress)
            layers, alpha = self._lay(pixels, photo, inversion, options)
            drawn_again |= yield from self._add_detail(layers, alpha, inversion, eta, options)
            tracker.outputs_done["detailing"] += 1
            outputs.append(self._output(eta, edit, pixels, layers, inversion, options))
        tracker.enter("decoding")
        for output in outputs:
            if (yield from self._is_refused(output.image)):
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
        self, edited: Pixels, photo: Pixels, inversion: Inversion, options: EditOptions
    ) -> tuple[Layers, Alpha]:
        """Lay an edit over its photo, at the photo's size; add the alpha at the working size.

        Args:
            edited: [H, W, 3], decoded.
            photo: [H, W, 3], through the same VAE.
            inversion, options: of the edit.
        """
        mask, size = self._mask(inversion, options), inversion.size
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
        self, layers: Layers, alpha: Alpha, inversion: Inversion, eta: float, options: EditOptions
    ) -> Routine[bool]:
        """Draw the changed region again, if the options say so; return whether it was drawn."""
        region = self._detail.plan(alpha, inversion.size, options.detail)
        if region is None:
            return False
        size = self._detail.tiles(region).tile
        texts = yield from self._texts(inversion, eta, size, "detailing")
        steps, seed = inversion.options.num_inference_steps, inversion.options.seed
        yield from self._detail.run(layers, region, texts, _denoising(options), steps, seed)
        return True

    def _output(
        self,
        eta: float,
        edit: Denoised,
        edited: Pixels,
        layers: Layers,
        inversion: Inversion,
        options: EditOptions,
    ) -> EditedImage:
        if not options.artifacts:
            return EditedImage(eta, layers.image)
        attention = None
        if edit.attention is not None:
            prompt = inversion.prompt
            words = words_of(self.model.tokens(prompt), self.model.places(prompt))
            attention = heatmaps(edit.attention, words, inversion.photo, _size(edit.latents))
        whole = images.to_image(edited, inversion.size)
        shown = None if options.change_thresholds is None else layers.matte
        return EditedImage(eta, layers.image, whole, attention or (), shown)

    def _embed(
        self, prompt: str, stage: str, size: tuple[int, int]
    ) -> Routine[tuple[Conditioning, Conditioning]]:
        """Return c and ∅ for latents of a size (h, w); both are of the same length."""
        model, progress = self.model, StageProgress(stage, 0, 0.0)
        pixels = size[0] * model.multiple, size[1] * model.multiple
        return (yield from on_device(progress, lambda: model.embed_with_empty(prompt, pixels), 0))

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


def _denoising(options: EditOptions) -> DenoisingOptions:
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


def _size(latents: Tensor) -> tuple[int, int]:
    """Return the (h, w) of latents [4, h, w]."""
    return latents.shape[-2], latents.shape[-1]
