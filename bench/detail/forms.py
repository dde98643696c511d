"""The forms that are compared; all edit from the same inversion, and differ in the last stage."""

from PIL import Image

from baret import EditOptions, Editor, Inversion
from baret.detailing import DetailPass
from baret.images import Alpha
from baret.method.detail import Region
from baret.model.stable_diffusion import StableDiffusion
from baret.options import DetailSetting
from baret.pipeline import Pipeline
from baret.progress import ProgressTracker

FORMS: dict[str, DetailSetting] = {"off": "off", "matte": "auto", "auto": "auto", "full": "full"}
MATTE = "matte"  # the refined matte alone


def edit(editor: Editor, inversion: Inversion, prompt: str, form: str) -> Image.Image:
    """Edit an inverted photo in one of the forms."""
    options = EditOptions(detail=FORMS[form], inversion=inversion.options)
    if form != MATTE:
        return editor.edit(inversion, prompt, options).image
    pipeline = _MattePipeline(editor.model)
    tracker = ProgressTracker(options.inversion, 1)
    routine = pipeline.edit(inversion, prompt, options, tracker)
    return editor.engine.run(routine, tracker.before_call).image


class _MattePipeline(Pipeline):
    """The shipped pipeline, which refines the matte and draws nothing again."""

    def __init__(self, model: StableDiffusion):
        super().__init__(model)
        self._detail = _NoRedrawing(model)


class _NoRedrawing(DetailPass):
    def plan(self, alpha: Alpha, photo: tuple[int, int], detail: DetailSetting) -> Region | None:
        return None
