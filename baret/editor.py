"""The method composed: invert a photo to the target text, then edit it."""

from collections.abc import Callable
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from baret import images
from baret.engine.budget import Budget, measure
from baret.engine.engine import Call, Engine
from baret.errors import ContentRejected, InversionMismatch
from baret.heatmaps import heatmaps
from baret.method.denoising import Branches, DenoisingOptions, Texts, denoise
from baret.method.inversion import LEVELS_PER_CALL, invert, tune
from baret.method.matte import alpha_matte
from baret.method.transition import transition
from baret.model.stable_diffusion import StableDiffusion
from baret.options import EditOptions, InversionOptions
from baret.progress import OnProgress, ProgressTracker
from baret.result import EditResult, Inversion, Output, Preview
from baret.unet.requests import Routine, StageProgress, on_device

# What the VAE costs beside a row of the UNet, at Stable Diffusion 1.5's size: the floor in
# docs/method.md.
ENCODING, DECODING = 1.4, 3.1
# A safety checker (CLIP ViT-L/14 on 224 pixels) is a tenth of a row of 64×64, by its operations.
SAFETY_CHECK_COST = 400
MAX_AT_ONCE = 16  # edits: more would only make each of them slower
_AT_THE_END = StageProgress("decoding", 0, 0.0)


class Editor:
    """A resident model that edits photos, many at once when called from several threads.

    `on_progress` is called before every call of a model; raising from it cancels the edit, leaves
    the model as it was and reaches the caller unchanged.
    """

    def __init__(
        self,
        model: StableDiffusion,
        *,
        budget: Budget = Budget(),  # noqa: B008
        on_call: Callable[[Call], None] = lambda call: None,
    ):
        """Take a model.

        Args:
            model: stays as it is.
            budget: what goes into a call of the UNet; `from_pretrained` measures it.
            on_call: told of every call, on a thread of its own.

        Raises:
            AttentionLayoutError: the UNet's attention is not what BAM knows.
        """
        self.model = model
        self.engine = Engine(model, budget, on_call)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        device: str = "auto",
        dtype: str | torch.dtype = "auto",
        prediction_type: str | None = None,
        content_check: bool = True,
        on_call: Callable[[Call], None] = lambda call: None,
    ) -> Self:
        """Load a model, keep it, and measure what fits beside it.

        Args:
            name_or_path, device, dtype, prediction_type, content_check: see
                `StableDiffusion.from_pretrained`.
            on_call: told of every call of the UNet, on a thread of its own.

        Raises:
            ModelError: one of its kinds; the message says what to set.
            AttentionLayoutError: the UNet's attention is not what BAM knows.
        """
        model = StableDiffusion.from_pretrained(
            name_or_path,
            device=device,
            dtype=dtype,
            prediction_type=prediction_type,
            content_check=content_check,
        )
        return cls(model, budget=measure(model), on_call=on_call)

    def warm_up(self) -> None:
        """Do what a first edit would wait for: on CUDA its calls are recorded."""
        if self.model.device.type == "cuda":
            grey = Image.new("RGB", (self.model.native_size,) * 2, "grey")
            options = EditOptions(
                inversion=InversionOptions(num_inference_steps=2 * LEVELS_PER_CALL)
            )
            for _ in range(2):
                self.edit(grey, "", options)

    @property
    def edits_at_once(self) -> int:
        """How many fill the device's calls while they tune: 1 on a CPU, which a lone one fills."""
        model = self.model
        if model.device.type == "cpu":
            return 1
        rows = (
            self.engine.budget.gradient_latent_pixels // (model.native_size // model.multiple) ** 2
        )
        return max(1, min(MAX_AT_ONCE, rows // LEVELS_PER_CALL))

    def invert(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: InversionOptions | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> Inversion:
        """Invert a photo and tune the target text to it (TTIS).

        Args:
            source: a picture of any mode, at least 32 pixels a side, 1:4 to 4:1; or an inversion
                of it, whose pivots serve every text.
            prompt: what the edited photo should show.
            options: None takes the defaults.
            on_progress: see the class.

        Raises:
            ImageError: the picture cannot be worked on.
            InversionMismatch: the inversion belongs to another model, or has other steps.
            OutOfMemory: the device has no room.
        """
        options = options or InversionOptions()
        tracker = ProgressTracker(options, 0, on_progress, self._skipped(source, prompt, options))
        return self.engine.run(self._inversion(source, prompt, options), tracker.before_call)

    def edit(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: EditOptions | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> EditResult:
        """Edit a photo, or one that was inverted before.

        Args:
            source: a picture as for `invert`, or an inversion of it. Where that was made for the
                same prompt and inversion options, the edit alone is left to do; otherwise its
                pivots are used again and the text is tuned anew.
            prompt: what the edited photo should show.
            options: None takes the defaults.
            on_progress: see the class.

        Raises:
            ImageError: the picture cannot be worked on.
            InversionMismatch: the inversion belongs to another model, or has other steps.
            ContentRejected: the model's own safety checker refuses an output.
            OutOfMemory: the device has no room.
        """
        options = options or EditOptions()
        tracker = self._course(source, prompt, options, on_progress)
        return self.engine.run(self._edit(source, prompt, options, tracker), tracker.before_call)

    def editing(
        self, source: Image.Image | Inversion, prompt: str, options: EditOptions | None = None
    ) -> Routine[EditResult]:
        """The whole of `edit` as a generator, for who runs several at once.

        Its `seconds` are of decoding alone: what passes between requests is the runner's.
        """
        options = options or EditOptions()
        return self._edit(source, prompt, options, self._course(source, prompt, options, None))

    def _course(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: EditOptions,
        on_progress: OnProgress | None,
    ) -> ProgressTracker:
        skipped = self._skipped(source, prompt, options.inversion)
        return ProgressTracker(options.inversion, len(options.interpolations), on_progress, skipped)

    def _skipped(
        self, source: Image.Image | Inversion, prompt: str, options: InversionOptions
    ) -> frozenset[str]:
        """The stages that an inversion has done already."""
        if isinstance(source, Image.Image):
            return frozenset()
        steps = source.options.num_inference_steps
        if (source.model, source.dtype) != (self.model.identity, self._dtype):
            raise InversionMismatch("Another model made the inversion; invert the photo again.")
        if steps != options.num_inference_steps:
            raise InversionMismatch(
                f"The inversion has {steps} steps and the edit is to have "
                f"{options.num_inference_steps}; invert the photo again."
            )
        if (source.prompt, source.options) == (prompt, options):
            return frozenset(("inverting", "tuning"))
        return frozenset(("inverting",))

    @property
    def _dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    def _edit(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: EditOptions,
        tracker: ProgressTracker,
    ) -> Routine[EditResult]:
        inversion = yield from self._inversion(source, prompt, options.inversion)
        branches = []
        for eta in options.interpolations:
            branches.append((yield from self._denoise(inversion, eta, options, tracker)))
            tracker.parts_done += 1
        return (yield from self._decode(inversion, branches, options, tracker))

    def _inversion(
        self, source: Image.Image | Inversion, prompt: str, options: InversionOptions
    ) -> Routine[Inversion]:
        """The inversion for a prompt, as far as it is not there."""
        if isinstance(source, Image.Image):
            photo = images.to_rgb(source)
            pivots = yield from self._pivots(photo, options.num_inference_steps)
            return (yield from self._tune(np.array(photo), pivots, prompt, options))
        if (source.prompt, source.options) == (prompt, options):
            return source
        pivots = source.pivots.to(self.model.device)
        return (yield from self._tune(source.photo, pivots, prompt, options))

    def _pivots(self, photo: Image.Image, steps: int) -> Routine[Tensor]:
        """z*_0…z*_T of a photo, [T + 1, 4, h, w]."""
        model, reading = self.model, StageProgress("inverting", 0, 0.0)
        size = images.working_size(*photo.size, area=model.native_size**2, multiple=model.multiple)
        pixels = images.to_pixels(photo, size)
        latent_pixels = size[0] * size[1] / model.multiple**2
        clean = yield from on_device(
            reading, lambda: model.encode(pixels), ENCODING * latent_pixels
        )
        uncond = yield from on_device(reading, lambda: model.embed(""), 0)
        return (yield from invert(clean, uncond, model.schedule(steps)))

    def _tune(
        self, photo: images.Pixels, pivots: Tensor, prompt: str, options: InversionOptions
    ) -> Routine[Inversion]:
        """The text tuned to a photo [H, W, 3] by its pivots."""
        schedule = self.model.schedule(options.num_inference_steps)
        target, uncond = yield from self._read(prompt, StageProgress("tuning", 0, 0.0))
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
            dtype=self._dtype,
        )

    def _read(self, prompt: str, where: StageProgress) -> Routine[tuple[Tensor, Tensor]]:
        """c and ∅, [n, d] each."""
        embed = self.model.embed
        return (yield from on_device(where, lambda: (embed(prompt), embed("")), 0))

    def _denoise(
        self, inversion: Inversion, eta: float, options: EditOptions, tracker: ProgressTracker
    ) -> Routine[Branches]:
        model, (tau_s, tau_c) = self.model, options.windows
        tuned = inversion.tuned.to(model.device)
        target, uncond = yield from self._read(inversion.prompt, StageProgress("editing", 0, 0.0))
        texts = Texts(
            uncond=uncond,
            target=target,
            tuned=tuned,
            transition=transition(tuned, target, eta, options.interpolation_end),
        )
        balance = DenoisingOptions(
            self_attention_until=tau_s,
            cross_attention_until=tau_c,
            guidance_scale=options.inversion.guidance_scale,
            guidance_end=options.guidance_end,
            guidance_base=options.guidance_base,
            keep_transition=options.artifacts,
            record_attention=options.artifacts,
            keep=options.change_thresholds,
        )
        schedule = model.schedule(options.inversion.num_inference_steps)
        pivots = inversion.pivots.to(model.device)

        def show(where: StageProgress, clean: Tensor) -> Routine[None]:
            pixels = yield from self._pixels(clean, where)
            image = Image.fromarray(pixels)
            if not (yield from self._refused(image, where)):
                tracker.preview = Preview(eta, image)

        asked = show if options.previews else None
        return (yield from denoise(pivots, texts, schedule, balance, asked))

    def _decode(
        self,
        inversion: Inversion,
        branches: list[Branches],
        options: EditOptions,
        tracker: ProgressTracker,
    ) -> Routine[EditResult]:
        rebuilt = yield from self._pixels(inversion.reconstruction)
        coded = rebuilt  # the photo through the VAE: what that loses does not count as a change
        if not torch.equal(inversion.reconstruction, inversion.pivots[0]):
            coded = yield from self._pixels(inversion.pivots[0])
        outputs = []
        for eta, branch in zip(options.interpolations, branches, strict=True):
            outputs.append((yield from self._output(inversion, eta, branch, coded)))
        photo = Image.fromarray(inversion.photo)
        tracker.record_time()
        return EditResult(
            outputs=tuple(outputs),
            reconstruction=images.to_image(rebuilt, inversion.size),
            reconstruction_psnr=images.psnr(
                rebuilt, images.to_pixels(photo, (rebuilt.shape[1], rebuilt.shape[0]))
            ),
            inversion=inversion,
            inversion_reused=tracker.reused,
            seconds=tracker.seconds,
            hints=self.model.hints(inversion.prompt),
        )

    def _output(
        self, inversion: Inversion, eta: float, branches: Branches, coded: images.Pixels
    ) -> Routine[Output]:
        size = inversion.size
        moved, attention = None, None
        if branches.transition is not None:
            moved = images.to_image((yield from self._pixels(branches.transition)), size)
        if branches.attention is not None:
            grid = (branches.edit.shape[-2], branches.edit.shape[-1])
            tokens = self.model.tokens(inversion.prompt)
            attention = heatmaps(branches.attention, tokens, inversion.photo, grid)
        pixels = yield from self._pixels(branches.edit)
        image = images.to_image(pixels, size)
        if branches.mask is not None:
            share = alpha_matte(
                pixels, coded, latent_pixel_size=pixels.shape[0] // branches.edit.shape[-2]
            )
            image = images.keep_outside(image, inversion.photo, share)
        if (yield from self._refused(image)):
            raise ContentRejected("The model's safety checker refuses what this edit shows.")
        return Output(eta, image, moved, attention or ())

    def _refused(self, image: Image.Image, where: StageProgress = _AT_THE_END) -> Routine[bool]:
        """Whether the model's own safety checker, where it has one, refuses a picture."""
        checker = self.model.safety_checker
        if checker is None:
            return False
        return (yield from on_device(where, lambda: checker.refuses(image), SAFETY_CHECK_COST))

    def _pixels(
        self, latents: Tensor, where: StageProgress = _AT_THE_END
    ) -> Routine[images.Pixels]:
        """The picture of a latent."""
        model, latent_pixels = self.model, latents.shape[-2] * latents.shape[-1]
        return (
            yield from on_device(
                where,
                lambda: model.decode(latents.to(model.device)),
                DECODING * latent_pixels,
            )
        )
