"""Ids of edits, batches and uploads: opaque, prefixed and time-ordered (UUIDv7, RFC 9562)."""

import re

import uuid_utils

_EDIT_ID = re.compile(r"edit_[0-9a-f]{32}")
_BATCH_ID = re.compile(r"batch_[0-9a-f]{32}")
_UPLOAD_ID = re.compile(r"upl_[0-9a-f]{32}")


def new_edit_id() -> str:
    """Return a new `edit_…`, greater than every earlier one of this process."""
    return f"edit_{uuid_utils.uuid7().hex}"


def is_edit_id(text: str) -> bool:
    """Return whether the text has the form of an edit's id."""
    return _EDIT_ID.fullmatch(text) is not None


def new_batch_id() -> str:
    """Return a new `batch_…`, greater than every earlier one of this process."""
    return f"batch_{uuid_utils.uuid7().hex}"


def is_batch_id(text: str) -> bool:
    """Return whether the text has the form of a batch's id."""
    return _BATCH_ID.fullmatch(text) is not None


def new_upload_id() -> str:
    """Return a new `upl_…`, greater than every earlier one of this process."""
    return f"upl_{uuid_utils.uuid7().hex}"


def is_upload_id(text: str) -> bool:
    """Return whether the text has the form of an upload's id."""
    return _UPLOAD_ID.fullmatch(text) is not None
