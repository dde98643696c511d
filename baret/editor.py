"""The method composed: invert a photo to the target text, then edit it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from baret import images
from baret.branches import Balance, Branches, Texts, denoise
from baret.diffusion import StableDiffusion
from baret.engine import Edit, Engine, R, Where
from baret.errors import InversionMismatch
from baret.heatmaps import heatmaps
from baret.inversion import invert, tune
from baret.mask import change_mask, predicted_change
from baret.options import EditOptions, InversionOptions
from baret.result import EditResult, Inversion, Output
from baret.transition import transition


@dataclass(frozen=True)
class Progress:
    """How far an edit is, told before every UNet call and before decoding."""

    stage: str  # "inverting", "tuning", "editing" or "decoding"
    step: int  # timesteps of the stage done
    fraction: float  # 0–1 of the whole, never falling


OnProgress = Callable[[Progress], None]


class Editor:
    """A resident model that edits photos. Safe to call from several threads.

    `on_progress` is called before every UNet call; raising from it cancels the edit, leaves the
    model as it was and reaches the caller unchanged.
    """

    def __init__(self, model: StableDiffusion):
        self.model = model
        self._engine = Engine(model)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        device: str = "auto",
        dtype: str | torch.dtype = "auto",
        prediction_type: str | None = None,
    ) -> Self:
        """Load a model and keep it: see `StableDiffusion.from_pretrained`.

        Raises:
            ModelError: one of its kinds; the message says what to set.
        """
        return cls(
            StableDiffusion.from_pretrained(
                name_or_path, device=device, dtype=dtype, prediction_type=prediction_type
            )
        )

    def invert(
        self,
        image: Image.Image,
        prompt: str,
        options: InversionOptions | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> Inversion:
        """Invert a photo and tune the target text to it (TTIS).

        Args:
            image: any mode, at least 32 pixels a side, 1:4 to 4:1.
            prompt: what the edited photo should show.
            options: None takes the defaults.
            on_progress: see the class.

        Raises:
            ImageError: the picture cannot be worked on.
            OutOfMemory: the device has no room.
        """
        options = options or InversionOptions()
        return self._invert(image, prompt, options, _Course(options, 0, on_progress))

    def edit(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: EditOptions | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> EditResult:
        """Edit a photo, or one that was inverted before with the same prompt and options.

        Args:
            source: a picture as for `invert`, or an inversion.
            prompt: what the edited photo should show.
            options: None takes the defaults.
            on_progress: see the class.

        Raises:
            ImageError: the picture cannot be worked on.
            InversionMismatch: the inversion belongs to another model, prompt or other options.
            OutOfMemory: the device has no room.
        """
        options = options or EditOptions()
        reused = isinstance(source, Inversion)
        course = _Course(options.inversion, len(options.interpolations), on_progress, reused=reused)
        if isinstance(source, Inversion):
            self._check(source, prompt, options.inversion)
            inversion = source
        else:
            inversion = self._invert(source, prompt, options.inversion, course)
        branches = [
            self._denoise(inversion, eta, options, course) for eta in options.interpolations
        ]
        return self._decode(inversion, branches, options, course, reused=reused)

    def _invert(
        self, image: Image.Image, prompt: str, options: InversionOptions, course: "_Course"
    ) -> Inversion:
        model = self.model
        rgb = images.to_rgb(image)
        size = images.working_size(*rgb.size, area=model.native_size**2, multiple=model.multiple)
        pixels = images.to_pixels(rgb, size)
        schedule = model.schedule(options.num_inference_steps)
        target, uncond = model.embed(prompt), model.embed("")
        clean = model.encode(pixels)
        pivots = self._run("inverting", invert(clean, uncond, schedule), course)
        tuning = self._run("tuning", tune(pivots, target, uncond, schedule, options), course)
        change = self._run(
            "tuning", predicted_change(pivots, target, tuning.embeddings, schedule), course
        )
        return Inversion(
            photo=np.array(rgb),
            pivots=pivots,
            tuned=tuning.embeddings,
            losses=tuning.losses,
            inner_steps=tuning.inner_steps,
            reconstruction=tuning.reconstruction,
            change=change,
            prompt=prompt,
            options=options,
            model=model.identity,
            dtype=str(model.dtype).removeprefix("torch."),
        )

    def _check(self, inversion: Inversion, prompt: str, options: InversionOptions) -> None:
        mine = (self.model.identity, prompt, options)
        if (inversion.model, inversion.prompt, inversion.options) != mine:
            raise InversionMismatch(
                "The inversion was made by another model, for another prompt or with other "
                "inversion options; invert the photo again."
            )

    def _denoise(
        self, inversion: Inversion, eta: float, options: EditOptions, course: "_Course"
    ) -> Branches:
        model, (tau_s, tau_c) = self.model, options.windows
        tuned = inversion.tuned.to(model.device)
        target = model.embed(inversion.prompt)
        texts = Texts(
            uncond=model.embed(""),
            target=target,
            tuned=tuned,
            transition=transition(tuned, target, eta, options.interpolation_end),
        )
        mask = _mask(inversion, options)
        balance = Balance(
            self_attention_until=tau_s,
            cross_attention_until=tau_c,
            guidance_scale=options.inversion.guidance_scale,
            keep_transition=options.artifacts,
            record_attention=options.artifacts,
            mask=None if mask is None else mask.to(model.device),
        )
        schedule = model.schedule(options.inversion.num_inference_steps)
        pivots = inversion.pivots.to(model.device)
        branches = self._run("editing", denoise(pivots, texts, schedule, balance), course)
        course.parts_done += 1
        return branches

    def _decode(
        self,
        inversion: Inversion,
        branches: list[Branches],
        options: EditOptions,
        course: "_Course",
        *,
        reused: bool,
    ) -> EditResult:
        course.tell("decoding", 0, 0.0)
        started = time.perf_counter()
        outputs = tuple(
            self._output(inversion, eta, branch, options)
            for eta, branch in zip(options.interpolations, branches, strict=True)
        )
        rebuilt = self.model.decode(inversion.reconstruction.to(self.model.device))
        photo = Image.fromarray(inversion.photo)
        course.seconds["decoding"] = time.perf_counter() - started
        return EditResult(
            outputs=outputs,
            reconstruction=images.to_picture(rebuilt, inversion.size),
            reconstruction_psnr=images.psnr(
                rebuilt, images.to_pixels(photo, (rebuilt.shape[1], rebuilt.shape[0]))
            ),
            inversion=inversion,
            inversion_reused=reused,
            seconds=course.seconds,
        )

    def _output(
        self, inversion: Inversion, eta: float, branches: Branches, options: EditOptions
    ) -> Output:
        model, size = self.model, inversion.size
        moved, attention = None, None
        if branches.transition is not None:
            moved = images.to_picture(model.decode(branches.transition), size)
        if branches.attention is not None:
            grid = (branches.edit.shape[-2], branches.edit.shape[-1])
            tokens = model.tokens(inversion.prompt)
            attention = heatmaps(branches.attention, tokens, inversion.photo, grid)
        picture = images.to_picture(model.decode(branches.edit), size)
        mask = _mask(inversion, options)
        if mask is not None:
            picture = images.keep_outside(picture, inversion.photo, mask.cpu().numpy())
        return Output(eta, picture, moved, attention or ())

    def _run(self, stage: str, edit: Edit[R], course: "_Course") -> R:
        started = time.perf_counter()
        result = self._engine.run(edit, course.before_call)
        course.seconds[stage] = course.seconds.get(stage, 0.0) + time.perf_counter() - started
        return result


def _mask(inversion: Inversion, options: EditOptions) -> Tensor | None:
    """0 where the photo is kept, [h, w]; None where nothing is."""
    if options.change_thresholds is None:
        return None
    return change_mask(inversion.change, *options.change_thresholds)


@dataclass
class _Course:
    """One edit's progress and timings. Stages weigh what they cost in UNet rows, roughly."""

    options: InversionOptions
    outputs: int
    on_progress: OnProgress | None
    reused: bool = False
    parts_done: int = 0  # outputs denoised
    seconds: dict[str, float] = field(default_factory=dict)

    def before_call(self, where: Where) -> None:
        """For the engine, before every UNet call."""
        self.tell(where.stage, where.step, where.done)

    def tell(self, stage: str, step: int, done: float) -> None:
        """Tell the caller, the share of the stage put in its place in the whole."""
        if self.on_progress is None:
            return
        weights = {
            "inverting": 0.0 if self.reused else 1.0,
            "tuning": 0.0 if self.reused else 2.0 + 3.0 * self.options.inner_steps,
            "editing": 5.0 * self.outputs,
            "decoding": 0.2,
        }
        if stage == "editing":
            done = (self.parts_done + done) / self.outputs
        order = list(weights)
        before = sum(weights[name] for name in order[: order.index(stage)])
        fraction = (before + weights[stage] * done) / sum(weights.values())
        self.on_progress(Progress(stage, step, fraction))
