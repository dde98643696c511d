"""The library's façade: load a model, invert photos, edit them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

import torch
from PIL import Image

from baret.engine.budget import Budget, measure
from baret.engine.engine import Call, Engine
from baret.errors import InversionMismatch, NotFinite
from baret.method.ttis import LEVELS_PER_STEP
from baret.model.stable_diffusion import StableDiffusion
from baret.options import EditOptions, InversionOptions, ModelOptions
from baret.pipeline import Pipeline
from baret.progress import OnProgress, ProgressTracker
from baret.result import EditResult, Inversion
from baret.unet.requests import Routine

R = TypeVar("R")
MAX_EDITS_AT_ONCE = 16  # more would only make each of them slower


class Editor:
    """A loaded model that edits photos, several at once if called from several threads.

    `on_progress` is called before every use of the device. Raising from it cancels the edit: the
    model is left as it was, and the exception reaches the caller unchanged.
    """

    def __init__(
        self,
        model: StableDiffusion,
        *,
        budget: Budget = Budget(),  # noqa: B008
        on_call: Callable[[Call], None] = lambda call: None,
        device_thread: ThreadPoolExecutor | None = None,
    ):
        """Take a model.

        Args:
            model: is not changed.
            budget: what fits into a call of the UNet; `from_pretrained` measures it.
            on_call: called after every call of the UNet, on the engine's thread.
            device_thread: from `start_device_thread`, for several models on one device; None: a
                thread of its own.

        Raises:
            AttentionLayoutError: the UNet's attention layers are not the ones that BAM expects.
        """
        self.model = model
        self.engine = Engine(model, budget, on_call, device_thread)
        self._pipeline = Pipeline(model)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        device: str = "auto",
        dtype: str | torch.dtype = "auto",
        options: ModelOptions | None = None,
        content_check: bool = True,
        on_call: Callable[[Call], None] = lambda call: None,
        device_thread: ThreadPoolExecutor | None = None,
    ) -> Self:
        """Load a model and measure what fits into memory beside it.

        Args:
            name_or_path, device, dtype, options, content_check: see
                `StableDiffusion.from_pretrained`.
            on_call, device_thread: see the class.

        Raises:
            ModelError: the model cannot be loaded; the message says what to set.
            AttentionLayoutError: the UNet's attention layers are not the ones that BAM expects.
        """
        model = StableDiffusion.from_pretrained(
            name_or_path,
            device=device,
            dtype=dtype,
            options=options,
            content_check=content_check,
        )
        if device_thread is None:
            budget = measure(model)
        else:  # not while another model works on the device, whose memory would be counted
            budget = device_thread.submit(measure, model).result()
        return cls(model, budget=budget, on_call=on_call, device_thread=device_thread)

    def close(self) -> None:
        """Give back what edits need of the device. No edit runs, and none may be made any more."""
        self.engine.close()

    def warm_up(self) -> None:
        """Do what a first edit would wait for: on CUDA, record its calls."""
        if self.model.device.type == "cuda":
            grey = Image.new("RGB", (self.model.native_size,) * 2, "grey")
            for _ in range(2):
                self.edit(grey, "")

    @property
    def edits_at_once(self) -> int:
        """How many edits fill the device while they tune: 1 on a CPU, which a single one fills."""
        model = self.model
        if model.device.type == "cpu":
            return 1
        row = (model.native_size // model.multiple) ** 2  # latent pixels
        rows = self.engine.budget.gradient_latent_pixels // row
        return max(1, min(MAX_EDITS_AT_ONCE, rows // LEVELS_PER_STEP))

    @property
    def default_options(self) -> EditOptions:
        """The options of an edit that is given none: a distilled model wants few steps."""
        sampling = self.model.sampling
        inversion = InversionOptions(num_inference_steps=sampling.num_inference_steps)
        return EditOptions(guidance_scale=sampling.guidance_scale, inversion=inversion)

    def invert(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: InversionOptions | None = None,
        *,
        on_progress: OnProgress | None = None,
    ) -> Inversion:
        """Tune the target text to a photo (TTIS) and invert the photo.

        Args:
            source: an image of any mode, at least 32 pixels a side, 1:4 to 4:1; or an inversion of
                it, which is returned if it was made for the same prompt and options.
            prompt: what the edited photo should show.
            options: None takes the model's defaults.
            on_progress: see the class.

        Raises:
            ImageError: the method cannot work on this image.
            InversionMismatch: the inversion is of another model, or has another number of steps.
            NotFinite: the model's numbers overflow, in bfloat16 too.
            OutOfMemory: the device has no room.
        """
        options = options or self.default_options.inversion

        def run(source: Image.Image | Inversion) -> Inversion:
            tracker = self._tracker(source, prompt, options, 0, on_progress)
            routine = self._pipeline.invert(source, prompt, options)
            inversion = self.engine.run(routine, tracker.before_call)
            if not torch.isfinite(inversion.pivots).all():
                raise NotFinite(self.model.explain_overflow())
            return inversion

        return self._run_again_in_bfloat16(run, source)

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
            source: an image as for `invert`, or an inversion of it. If the inversion was made for
                the same prompt and inversion options, only the edit is left to do. Otherwise the
                photo need only not be encoded again.
            prompt: what the edited photo should show.
            options: None takes the model's defaults.
            on_progress: see the class.

        Raises:
            ImageError: the method cannot work on this image.
            InversionMismatch: the inversion is of another model, or has another number of steps.
            ContentRejected: the model's own safety checker refuses an output.
            NotFinite: the model's numbers overflow, in bfloat16 too.
            OutOfMemory: the device has no room.
        """
        options = options or self.default_options

        def run(source: Image.Image | Inversion) -> EditResult:
            routine, tracker = self._edit(source, prompt, options, on_progress)
            return self.engine.run(routine, tracker.before_call)

        return self._run_again_in_bfloat16(run, source)

    def _run_again_in_bfloat16(
        self, run: Callable[[Image.Image | Inversion], R], source: Image.Image | Inversion
    ) -> R:
        """Run; if float16 overflowed, let the model run in bfloat16 from now on, and run again."""
        dtype = self.model.dtype
        try:
            return run(source)
        except NotFinite:
            # Another thread may have changed the model meanwhile.
            if self.model.dtype == dtype and not self.engine.change(self.model.widen):
                raise
        return run(Image.fromarray(source.photo) if isinstance(source, Inversion) else source)

    def editing(
        self, source: Image.Image | Inversion, prompt: str, options: EditOptions | None = None
    ) -> Routine[EditResult]:
        """Return `edit` as a routine, for callers that run several in lockstep.

        Its `seconds` stay empty: the time between requests is the caller's.
        """
        routine, _ = self._edit(source, prompt, options or self.default_options, None)
        return routine

    def _edit(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: EditOptions,
        on_progress: OnProgress | None,
    ) -> tuple[Routine[EditResult], ProgressTracker]:
        outputs = len(options.strengths)
        tracker = self._tracker(source, prompt, options.inversion, outputs, on_progress)
        tracker.max_tiles = self._pipeline.max_tiles(source.size, options)
        return self._pipeline.edit(source, prompt, options, tracker), tracker

    def _tracker(
        self,
        source: Image.Image | Inversion,
        prompt: str,
        options: InversionOptions,
        outputs: int,
        on_progress: OnProgress | None,
    ) -> ProgressTracker:
        """Track an edit's progress, without the stages that an inversion has done already."""
        skipped = frozenset[str]()
        if isinstance(source, Inversion):
            self._check_inversion(source, options)
            same = (source.prompt, source.options) == (prompt, options)
            skipped = frozenset(("inverting", "tuning") if same else ())
        return ProgressTracker(options, outputs, on_progress, skipped)

    def _check_inversion(self, inversion: Inversion, options: InversionOptions) -> None:
        steps, wanted = inversion.options.num_inference_steps, options.num_inference_steps
        if (inversion.model, inversion.dtype) != (self.model.identity, self.model.dtype_name):
            raise InversionMismatch("Another model made the inversion; invert the photo again.")
        if steps != wanted:
            raise InversionMismatch(
                f"The inversion has {steps} steps and the edit is to have {wanted}; "
                "invert the photo again."
            )
