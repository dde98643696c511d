"""Entity tags of edits: the same as long as an edit would be shown in the same way."""

import re

from core.images.signed_urls import LINK_SECONDS
from core.schema import Record

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def etag_of(record: Record, position: int | None, *, now: float) -> str:
    """The tag of an edit in its place in the queue, at a Unix time.

    It is weak: `eta_seconds` passes without a change. Half-way through the life of the picture
    addresses it changes, so who is told that nothing has changed holds good ones.
    """
    age = int(now // (LINK_SECONDS / 2)) if record.result else 0
    place = "" if position is None else position
    return f'W/"{record.version}.{place}.{age}"'


def matches(if_none_match: str, etag: str) -> bool:
    """Whether the header names the tag (RFC 9110, 13.1.2: compared weakly)."""
    named = _TAG.findall(if_none_match)
    return if_none_match.strip() == "*" or etag.removeprefix("W/") in named
