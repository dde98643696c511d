"""Ids of edits: opaque, prefixed and time-ordered (UUIDv7, RFC 9562)."""

import re

import uuid_utils

_EDIT_ID = re.compile(r"edit_[0-9a-f]{32}")


def new_edit_id() -> str:
    """Return a new `edit_…`, greater than every earlier one of this process."""
    return f"edit_{uuid_utils.uuid7().hex}"


def is_edit_id(text: str) -> bool:
    """Return whether the text has the form of an edit's id."""
    return _EDIT_ID.fullmatch(text) is not None
