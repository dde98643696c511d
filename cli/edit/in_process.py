"""Edits made by a model in this process, with the same checks, options and marks as a worker's.

Importing this module loads torch.
"""

import os
import time
from collections.abc import Mapping
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

# Before torch's libraries are imported: their notes are for those who write programs with them.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch

from baret import BaretError, Editor, EditResult
from baret.errors import AttentionLayoutError, ImageError, ModelError
from baret.progress import Progress
from cli.edit.backend import EditImages, EditJob, EditProgress, Report
from cli.errors import BadPhoto, EditNotMade, ModelUnusable, Refused
from core.errors import CoreError, InputImageError, UnknownPreset
from core.images.provenance import Marking
from core.images.sandbox import DecoderSandbox
from core.schema import Params, ParamsInput, Prompt
from core.settings import Settings
from worker.announcer import describe_model
from worker.options import edit_options, model_options
from worker.outputs import EncodedImage, EncodedResult, ImageEncoder

_PROMPT: TypeAdapter[str] = TypeAdapter(Prompt)
_SERVERS_OWN = ("webhook_url", "webhook_events", "previews")  # parameters
_SHOWN = {"strength", "width", "height", "content_type", "sha256", "bytes"}  # of an output
MIN_SHARE = 0.05  # of the work, before the time left is estimated from it


class LocalBackend:
    """Edits by a model of this machine."""

    at_once = 1

    def __init__(self, settings: Settings):
        """Take the settings: model, device, dtype and marks."""
        self._settings = settings
        self.model = settings.model_name
        self.preparation = f"Loading the model {self.model}"

    def __enter__(self) -> Self:
        settings = self._settings
        _reserve_a_core()
        try:
            marking = Marking.make(
                enabled=settings.mark_outputs,
                certificate=settings.c2pa_certificate,
                key=settings.c2pa_key,
                algorithm=settings.c2pa_algorithm,
            )
            self._editor = Editor.from_pretrained(
                settings.model_path,
                device=settings.device,
                dtype=settings.dtype,
                options=model_options(settings),
                content_check=settings.content_check,
            )
        except (ModelError, AttentionLayoutError, RuntimeError) as error:
            raise ModelUnusable(str(error)) from error
        self._encoder = ImageEncoder(marking, self.model)
        self._model = describe_model(self._editor, self.model)
        self._sandbox = DecoderSandbox()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def check(self, prompt: str, params: Mapping[str, Any]) -> None:
        """Check all that does not depend on the model; see `Backend`."""
        for name in _SERVERS_OWN:
            if name in params:
                raise Refused(f"{name} needs a server: give --server.")
        try:
            _PROMPT.validate_python(prompt)
            ParamsInput(**params)
        except ValidationError as error:
            raise Refused(_sentences(error)) from error

    def edit(self, job: EditJob, report: Report) -> EditImages:
        """Make an edit; see `Backend`."""
        prompt = _PROMPT.validate_python(job.prompt)
        try:
            params = Params.resolve(
                ParamsInput(**job.params), self._model.presets, self._model.default_parameters
            )
        except UnknownPreset as error:
            raise Refused(str(error)) from error
        started = time.monotonic()

        def on_progress(progress: Progress) -> None:
            done = progress.fraction
            spent = time.monotonic() - started
            left = spent * (1 - done) / done if done > MIN_SHARE else None
            report(EditProgress(progress.stage, done, left))

        report(EditProgress("loading", 0.0))
        try:
            self._sandbox.inspect(job.data)
            image = self._sandbox.decode(job.data)
            edited = self._editor.edit(image, prompt, edit_options(params), on_progress=on_progress)
        except (InputImageError, ImageError) as error:
            raise BadPhoto(str(error)) from error
        except (BaretError, CoreError) as error:
            raise EditNotMade(str(error)) from error
        encoded = self._encoder.encode_result(edited, params, attempt=1)
        return self._images_of(prompt, params, edited, encoded)

    def cancel_all(self) -> None:
        """Do nothing: what `report` raises ends the edit at its next step."""

    def _images_of(
        self, prompt: str, params: Params, edited: EditResult, encoded: EncodedResult
    ) -> EditImages:
        outputs = [_strength_of(one) for one in encoded.outputs]
        return EditImages(
            outputs=tuple(outputs),
            artifacts={kind: image.data for kind, image in encoded.artifacts.items()},
            warnings=tuple(hint.detail for hint in edited.hints),
            details=self._details(prompt, params, edited, encoded),
        )

    def _details(
        self, prompt: str, params: Params, edited: EditResult, encoded: EncodedResult
    ) -> dict[str, Any]:
        """Describe the edit in the API's words, as far as they fit."""
        return {
            "status": "succeeded",
            "prompt": prompt,
            "model": self.model,
            "params": params.model_dump(mode="json", exclude={*_SERVERS_OWN, "interpolation"}),
            "outputs": [
                one.stored.model_dump(mode="json", include=_SHOWN) for one in encoded.outputs
            ],
            "warnings": [
                {"code": hint.code, "detail": hint.detail, "words": list(hint.words)}
                for hint in edited.hints
            ],
            "metrics": {
                "stage_seconds": {name: round(spent, 4) for name, spent in edited.seconds.items()},
                "reconstruction_psnr": round(edited.reconstruction_psnr, 2),
                "inner_steps": edited.inner_steps,
            },
        }


def _reserve_a_core() -> None:
    """Leave one core to everything else, as a worker does: beside it, all threads would stall."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() - 1))


def _strength_of(image: EncodedImage) -> tuple[float, bytes]:
    strength = image.stored.strength
    return (0.0 if strength is None else strength, image.data)


def _sentences(error: ValidationError) -> str:
    """Return what is wrong with each field: of several forms that it may have, with the first."""
    lines = dict[str, str]()
    for one in error.errors():
        name = str(one["loc"][0]) if one["loc"] else "prompt"
        lines.setdefault(name, f"{name}: {one['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines.values())
