"""Signed picture addresses: they work without a key, for one picture, until they expire."""

import hashlib
import hmac
import json
import re
import time

LINK_SECONDS = 3600

# One spelling for each moment, and none for a moment in the next thousands of years.
_SECONDS = re.compile(r"[1-9][0-9]{0,10}")


class LinkSigner:
    """Makes and checks `/v1/files/<edit>/<name>?expires=…&signature=…`."""

    def __init__(self, secret: bytes):
        self._secret = secret

    def path(self, edit_id: str, name: str, *, seconds: int = LINK_SECONDS) -> str:
        """The path and query of a picture, valid for `seconds` from now."""
        expires = int(time.time()) + seconds
        signature = self._signature(edit_id, name, expires)
        return f"/v1/files/{edit_id}/{name}?expires={expires}&signature={signature}"

    def until(self, edit_id: str, name: str, *, expires: str, signature: str) -> int | None:
        """When the address expires, in Unix time; None where it is not ours, or has expired.

        It is taken exactly as it was given out: `+1`, ` 1`, `01` and `١` are not 1.
        """
        if not _SECONDS.fullmatch(expires):
            return None
        moment = int(expires)
        expected = self._signature(edit_id, name, moment)
        # Compared as bytes: text that is not ASCII would raise.
        ours = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
        return moment if ours and time.time() < moment else None

    def _signature(self, edit_id: str, name: str, expires: int) -> str:
        # As JSON, so that no two of these are the same message, whatever an id or a name holds.
        message = json.dumps([edit_id, name, expires]).encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
