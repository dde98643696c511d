"""Signed URLs: they give access to one image or one edit's events, without an API key, for a time.

Browsers send no key for an `<img>` or an `EventSource`.
"""

import hashlib
import hmac
import json
import re
import time

LINK_SECONDS = 3600

# Exactly one spelling for each time, up to the year 5138.
_SECONDS = re.compile(r"[1-9][0-9]{0,10}")


class LinkSigner:
    """Creates and verifies `/v1/files/<edit>/<name>?expires=…&signature=…`, and tickets."""

    def __init__(self, secret: bytes):
        self._secret = secret

    def path(
        self, edit_id: str, name: str, *, seconds: int = LINK_SECONDS, now: float | None = None
    ) -> str:
        """Return an image's path and query, valid for `seconds` from `now` (Unix time)."""
        expires = int(time.time() if now is None else now) + seconds
        signature = self._signature(edit_id, name, expires)
        return f"/v1/files/{edit_id}/{name}?expires={expires}&signature={signature}"

    def verify(self, edit_id: str, name: str, *, expires: str, signature: str) -> int | None:
        """Return the URL's expiry in Unix time, or None if it is forged or has expired.

        `expires` must be spelled exactly as `path` spells it: `+1`, ` 1`, `01` and `١` are not 1.
        """
        if not _SECONDS.fullmatch(expires):
            return None
        expiry = int(expires)
        expected = self._signature(edit_id, name, expiry)
        # Compared as bytes: compare_digest raises for text that is not ASCII.
        valid = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
        return expiry if valid and time.time() < expiry else None

    def ticket(self, edit_id: str, *, seconds: int = LINK_SECONDS, now: float | None = None) -> str:
        """Return a ticket for an edit's events, valid for `seconds` from `now` (Unix time)."""
        expires = int(time.time() if now is None else now) + seconds
        return f"{expires}.{self._signature('events', edit_id, expires)}"

    def accepts(self, ticket: str, edit_id: str) -> bool:
        """Return whether a ticket is one for this edit's events and has not expired."""
        expires, _, signature = ticket.partition(".")
        return self.verify("events", edit_id, expires=expires, signature=signature) is not None

    def _signature(self, edit_id: str, name: str, expires: int) -> str:
        # JSON keeps the three parts apart, whatever an id or a name contains. A ticket has the word
        # "events" in the place of an edit's id, which no image's edit has.
        message = json.dumps([edit_id, name, expires]).encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
