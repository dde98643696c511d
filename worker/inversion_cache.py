"""Inversions kept in the picture store, so that editing a photo again costs the edit alone.

A caller's, a picture's, a model's: `_inversions/<caller>/<picture>/<model and steps>/<text and
options>`, all digests. An exact one is used whole; any other of the same folder for its pivots.
They go with the last edit of the picture (`erase` in core/store/lua/prelude.lua).
"""

import hashlib
from dataclasses import asdict, replace

import numpy as np
from PIL import Image

from baret import BaretError, Inversion, InversionOptions
from baret.images import to_rgb
from baret.model.stable_diffusion import StableDiffusion
from core.errors import StoreUnavailable
from core.images.keys import caller_inversions_prefix, image_inversions_prefix
from core.images.storage import ImageStorage
from core.schema import Submission
from core.telemetry.logs import get_logger

log = get_logger(__name__)

NO_PHOTO = np.zeros((1, 1, 3), np.uint8)  # the picture itself is kept once, with its edit


class InversionCache:
    """What one model has inverted. It never fails an edit: what cannot be kept or read is not."""

    def __init__(self, files: ImageStorage, model: StableDiffusion, *, most_bytes: int):
        """Keep in a store.

        Args:
            files: the store.
            model: whose inversions are found and kept.
            most_bytes: of a caller's inversions; the oldest go first. 0 keeps none.
        """
        self._files, self._model, self._most_bytes = files, model, most_bytes

    def find(
        self, submission: Submission, image: Image.Image, options: InversionOptions
    ) -> Inversion | None:
        """An inversion of the submission's picture that its edit can use, whole or in part."""
        if not self._most_bytes:
            return None
        folder, name = self._folder(submission, options), _name(submission, options)
        try:
            data = self._files.get(folder, name) or self._any_of(folder)
            found = None if data is None else Inversion.from_bytes(data)
        except (StoreUnavailable, BaretError) as error:
            log.warning("no kept inversion can be read", reason=str(error))
            return None
        return None if found is None else replace(found, photo=np.array(to_rgb(image)))

    def keep(self, submission: Submission, inversion: Inversion) -> None:
        """Keep an inversion of the submission's picture."""
        if not self._most_bytes:
            return
        folder = self._folder(submission, inversion.options)
        name = _name(submission, inversion.options)
        try:
            self._files.put(folder, name, replace(inversion, photo=NO_PHOTO).to_bytes())
            self._trim(submission)
        except StoreUnavailable as error:
            log.warning("an inversion was not kept", reason=str(error))

    def _folder(self, submission: Submission, options: InversionOptions) -> str:
        model = (self._model.identity, str(self._model.dtype), options.num_inference_steps)
        return f"{image_inversions_prefix(submission)}/{_digest(model)}"

    def _any_of(self, folder: str) -> bytes | None:
        kept = self._files.list(folder)
        return self._files.get(folder, kept[-1].name) if kept else None

    def _trim(self, submission: Submission) -> None:
        kept = self._files.list(caller_inversions_prefix(submission))
        over = sum(one.size for one in kept) - self._most_bytes
        for one in kept:
            if over <= 0:
                return
            self._files.delete_one(caller_inversions_prefix(submission), one.name)
            over -= one.size


def _name(submission: Submission, options: InversionOptions) -> str:
    return _digest((submission.prompt, asdict(options)))


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:32]
