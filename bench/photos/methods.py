"""The methods that edit photographs: BARET as shipped, and DDIM inversion with the target text.

No method receives the photo's caption, which BARET does not need. One that does (null-text
inversion with prompt-to-prompt) should say so in its `about`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from PIL import Image
from torch import Tensor

from baret import EditOptions, Editor, InversionOptions, images
from baret.method.ddim import Schedule, guide
from baret.method.inversion import invert
from baret.unet.requests import Conditioning, Prediction, Request, Routine, StageProgress
from bench.photos.datasets import Task


class Method(Protocol):
    """The interface of a method."""

    @property
    def name(self) -> str:
        """The name in tables and file names."""

    @property
    def about(self) -> str:
        """A line about the method for the page."""

    def settings(self, task: Task) -> str:
        """Return everything that the image depends on, except the model, the photo and the text."""

    def edit(self, editor: Editor, photo: Image.Image, task: Task) -> Image.Image:
        """Edit the photo; the image has the photo's size."""


# Only for PIE-Bench, whose kinds are known; all other kinds use `auto`.
PRESET_OF_KIND = {
    "1 change object": "object",
    "5 change pose": "non_rigid",
    "8 change background": "background",
    "9 change style": "style",
}


@dataclass(frozen=True)
class Baret:
    """BARET with its shipped defaults, or with the preset of the kind of edit."""

    steps: int
    by_kind: bool = False

    @property
    def name(self) -> str:
        """The name in tables and file names."""
        return "baret-presets" if self.by_kind else "baret"

    @property
    def about(self) -> str:
        """A line about the method for the page."""
        if self.by_kind:
            return "BARET with the preset of the dataset's kind of edit, which is an advantage"
        return "BARET with the shipped defaults, preset `auto`"

    def options(self, task: Task) -> EditOptions:
        """Return the shipped options with the number of steps."""
        preset = PRESET_OF_KIND.get(task.kind, "auto") if self.by_kind else "auto"
        inversion = InversionOptions(num_inference_steps=self.steps)
        return EditOptions(preset=preset, inversion=inversion)

    def settings(self, task: Task) -> str:
        """Return all options as text."""
        return repr(self.options(task))

    def edit(self, editor: Editor, photo: Image.Image, task: Task) -> Image.Image:
        """Edit as users of the library do."""
        return editor.edit(photo, task.prompt, self.options(task)).image


@dataclass(frozen=True)
class Ddim:
    """DDIM inversion with the empty text, then denoising with the target text, guided."""

    steps: int
    guidance_scale: float = 7.5  # w, the usual one for Stable Diffusion
    name: str = "ddim"
    about: str = "DDIM inversion with the empty text, then the target text at guidance 7.5"

    def settings(self, task: Task) -> str:
        """Return steps and guidance as text."""
        return repr(self)

    def edit(self, editor: Editor, photo: Image.Image, task: Task) -> Image.Image:
        """Edit with the same weights, schedule and numerics as BARET."""
        model, engine = editor.model, editor.engine
        rgb = images.to_rgb(photo)
        size = images.working_size(*rgb.size, area=model.native_size**2, multiple=model.multiple)
        schedule = model.schedule(self.steps)
        target, uncond = model.embed_with_empty(task.prompt, (size[1], size[0]))
        clean = model.encode(images.to_pixels(rgb, size))
        pivots = engine.run(invert(clean, uncond, schedule), _ignore_progress)
        routine = _denoise(pivots[-1], (target, uncond), schedule, self.guidance_scale)
        edited = engine.run(routine, _ignore_progress)
        return images.to_image(model.decode(edited), rgb.size)


def _denoise(
    noise: Tensor, texts: tuple[Conditioning, Conditioning], schedule: Schedule, scale: float
) -> Routine[Tensor]:
    """Run guided DDIM from z_T [4, h, w] to z_0; texts are c and ∅."""
    latents = noise[None]
    for level in range(len(schedule), 0, -1):
        done = len(schedule) - level
        where = StageProgress("editing", done, done / len(schedule))
        rows = latents.expand(2, -1, -1, -1)  # [2, 4, h, w]
        timesteps = (schedule.timestep(level),) * 2
        prediction: Prediction = yield Request.of(where, rows, timesteps, texts)
        with_text, without = prediction.noise.chunk(2)
        latents = schedule.step(latents, guide(without, with_text, scale), level=level)
    return latents[0]


def _ignore_progress(where: StageProgress) -> None:
    """Ignore progress, which is reported per edit, not per call."""


# Name → constructor, called with the number of steps.
METHODS: dict[str, Callable[[int], Method]] = {
    "baret": Baret,
    "baret-presets": lambda steps: Baret(steps, by_kind=True),
    "ddim": Ddim,
}
