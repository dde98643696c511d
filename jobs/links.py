"""Signed picture addresses: they work without a key, for one picture, until they expire."""

import hashlib
import hmac
import time

LINK_SECONDS = 3600


class LinkSigner:
    """Makes and checks `/v1/files/<edit>/<name>?expires=…&signature=…`."""

    def __init__(self, secret: bytes):
        self._secret = secret

    def path(self, edit_id: str, name: str, *, seconds: int = LINK_SECONDS) -> str:
        """The path and query of a picture, valid for `seconds` from now."""
        expires = int(time.time()) + seconds
        signature = self._signature(edit_id, name, expires)
        return f"/v1/files/{edit_id}/{name}?expires={expires}&signature={signature}"

    def valid(self, edit_id: str, name: str, expires: int, signature: str) -> bool:
        """Whether the signature is ours and the time has not come."""
        expected = self._signature(edit_id, name, expires)
        # Compared as bytes: text that is not ASCII would raise.
        return hmac.compare_digest(expected.encode(), signature.encode()) and time.time() < expires

    def _signature(self, edit_id: str, name: str, expires: int) -> str:
        message = f"{edit_id}\n{name}\n{expires}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
