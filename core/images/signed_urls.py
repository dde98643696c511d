"""Signed URLs: they give access to one image, one edit's events or one upload, without an API key.

Browsers send no key for an `<img>` or an `EventSource`, and an app that uploads has none.
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
    """Creates and verifies `/v1/files/<edit>/<name>?expires=…&signature=…`, tickets and uploads."""

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

    def upload_path(self, upload_id: str, *, expires: int) -> str:
        """Return the path and query that an upload is sent to, valid until a Unix time."""
        signature = self._signature("uploads", upload_id, expires)
        return f"/v1/uploads/{upload_id}?expires={expires}&signature={signature}"

    def is_upload(self, upload_id: str, *, expires: str, signature: str) -> bool:
        """Return whether `upload_path` made this address, and it has not expired."""
        return self.verify("uploads", upload_id, expires=expires, signature=signature) is not None

    def ticket(
        self,
        edit_id: str,
        *,
        key_id: str = "",
        seconds: int = LINK_SECONDS,
        now: float | None = None,
    ) -> str:
        """Return a ticket for an edit's events, valid for `seconds` from `now` (Unix time).

        `key_id` is that of the API key whose answer carries the ticket, if there is one.
        """
        expires = int(time.time() if now is None else now) + seconds
        signature = self._signature("events", f"{edit_id} {key_id}", expires)
        return f"{expires}.{key_id}.{signature}"

    def key_of(self, ticket: str, edit_id: str) -> str | None:
        """Return the id of the API key that a ticket for this edit's events was issued to.

        It is empty if there was none. None: the ticket is not valid, or has expired.
        """
        expires, _, rest = ticket.partition(".")
        key_id, _, signature = rest.rpartition(".")
        name = f"{edit_id} {key_id}"
        until = self.verify("events", name, expires=expires, signature=signature)
        return None if until is None else key_id

    def _signature(self, edit_id: str, name: str, expires: int) -> str:
        # JSON keeps the three parts apart, whatever an id or a name contains. Tickets and
        # uploads have a word in the place of an edit's id that no edit has.
        message = json.dumps([edit_id, name, expires]).encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
