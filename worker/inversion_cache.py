"""Inversions stored for later edits of the same image, so that those cost the edit alone.

An inversion belongs to a caller and an image, which are its folder, and to a model, a text and
options, of which its name is a digest (see `core.images.keys`). It serves edits that match all of
them: another text would have to be tuned to the photo again, and the photo inverted with it.
Inversions are deleted with the last edit of the image (`erase` in core/store/lua/prelude.lua).
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

NO_PHOTO = np.zeros((1, 1, 3), np.uint8)  # the image itself is already stored with its edit


class InversionCache:
    """The inversions of one model. A failure to read or write one never fails an edit."""

    def __init__(self, files: ImageStorage, model: StableDiffusion, *, max_bytes: int):
        """Use a store.

        Args:
            files: the store.
            model: whose inversions these are.
            max_bytes: of one caller's inversions; the oldest are deleted first. 0 disables the
                cache.
        """
        self._files, self._model, self._max_bytes = files, model, max_bytes

    def find(
        self, submission: Submission, image: Image.Image, options: InversionOptions
    ) -> Inversion | None:
        """Return the inversion of the image with this text and these options, if it is stored."""
        if not self._max_bytes:
            return None
        folder, name = image_inversions_prefix(submission), self._name(submission, options)
        try:
            data = self._files.get(folder, name)
            inversion = None if data is None else Inversion.from_bytes(data)
        except (StoreUnavailable, BaretError) as error:
            log.warning("stored inversion not read", reason=str(error))
            return None
        return None if inversion is None else replace(inversion, photo=np.array(to_rgb(image)))

    def save(self, submission: Submission, inversion: Inversion) -> None:
        """Store an inversion of the submission's image."""
        if not self._max_bytes:
            return
        folder = image_inversions_prefix(submission)
        name = self._name(submission, inversion.options)
        try:
            self._files.put(folder, name, replace(inversion, photo=NO_PHOTO).to_bytes())
            self._trim(submission)
        except StoreUnavailable as error:
            log.warning("inversion not stored", reason=str(error))

    def _name(self, submission: Submission, options: InversionOptions) -> str:
        model = (self._model.identity, self._model.dtype_name)
        described = repr((*model, submission.prompt, asdict(options)))
        return hashlib.sha256(described.encode()).hexdigest()[:32]

    def _trim(self, submission: Submission) -> None:
        stored = self._files.list(caller_inversions_prefix(submission))
        excess = sum(one.size for one in stored) - self._max_bytes
        for one in stored:
            if excess <= 0:
                return
            self._files.delete_one(caller_inversions_prefix(submission), one.name)
            excess -= one.size
