"""The names of stored images: a contract between API, worker and housekeeper.

    _photos/<edit id>/input                     the photo that came with this edit, as it was sent
    _uploads/<upload id>/input                  a photo that was sent ahead of its edit
    _batches/<batch id>/lines-<page>            a batch's lines, as JSONL
    <edit id>/input                             the same, of edits accepted by an earlier version
    <edit id>/<attempt>-output-<i>.<format>     outputs, in the order of the request
    <edit id>/<attempt>-<kind>.png              artifacts, by the fields of `Artifacts`
    _inversions/<caller>/<photo>/<inversion>    cached inversions; every part is a digest
    _ready/probe                                written to see whether the storage takes writes

An attempt writes under its own names, so that a stale one overwrites nothing. Every part of a key
is a plain word, so no text from a caller leads elsewhere, whatever the layers above let through.
"""

import hashlib
import re

from core.ids import is_batch_id, is_edit_id, is_upload_id
from core.schema import Submission

INPUT = "input"
PROBE = ("_ready", "probe")  # prefix and name

_PHOTOS = "_photos"
_UPLOADS = "_uploads"
_BATCHES = "_batches"
_INVERSIONS = "_inversions"
_INVERSIONS_OF_IMAGE = re.compile(_INVERSIONS + r"/[0-9a-f]{32}/[0-9a-f]{64}")

# Ids and digests, with an extension if the part names an image. No part begins with a dot.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_MAX_PARTS = 6


def output_stem(attempt: int, index: int) -> str:
    """Return the name of an attempt's output, without its extension."""
    return f"{attempt}-output-{index}"


def artifact_stem(attempt: int, kind: str) -> str:
    """Return the name of an attempt's artifact, without its extension."""
    return f"{attempt}-{kind}"


def new_photo_prefix(edit_id: str) -> str:
    """Return the prefix for a photo that comes with an edit.

    It is not the edit's own: later edits that name this one as their `source` share the photo.
    """
    return f"{_PHOTOS}/{edit_id}"


def upload_prefix(upload_id: str) -> str:
    """Return the prefix of a photo that is sent ahead of its edit."""
    return f"{_UPLOADS}/{upload_id}"


def batch_prefix(batch_id: str) -> str:
    """Return the prefix of a batch's lines."""
    return f"{_BATCHES}/{batch_id}"


def batch_page(number: int) -> str:
    """Return the name of a page of a batch's lines."""
    return f"lines-{number}"


def photo_prefix(submission: Submission) -> str:
    """Return the prefix under which the submission's photo is stored."""
    return submission.photo or submission.id


def caller_inversions_prefix(submission: Submission) -> str:
    """Return the prefix of all inversions cached for the submission's caller."""
    caller = hashlib.sha256(submission.caller.encode()).hexdigest()[:32]
    return f"{_INVERSIONS}/{caller}"


def image_inversions_prefix(submission: Submission) -> str:
    """Return the prefix of the inversions cached for the submission's owner and photo."""
    photo = submission.input.sha256
    if (
        submission.user is not None
    ):  # another user's edit must not be sped up, and so tell of this one
        photo = hashlib.sha256(f"{photo} {submission.user}".encode()).hexdigest()
    return f"{caller_inversions_prefix(submission)}/{photo}"


def is_deletable_prefix(prefix: str) -> bool:
    """Return whether a prefix covers one edit, photo, upload, batch or set of inversions."""
    folder, _, name = prefix.rpartition("/")
    is_image = (folder == _PHOTOS and is_edit_id(name)) or (
        folder == _UPLOADS and is_upload_id(name)
    )
    is_batch = folder == _BATCHES and is_batch_id(name)
    return (
        is_edit_id(prefix) or is_image or is_batch or bool(_INVERSIONS_OF_IMAGE.fullmatch(prefix))
    )


def object_key(*texts: str) -> str:
    """Join texts to a key, or to a prefix of whole parts.

    Raises:
        ValueError: they do not make a valid key. An empty prefix, for example, would cover
            everything in the storage.
    """
    key = "/".join(texts)
    parts = key.split("/")
    if len(parts) > _MAX_PARTS or not all(_PART.fullmatch(part) for part in parts):
        raise ValueError(f"Not a key of the image storage: {key[:200]!r}")
    return key
