"""Cursors of pages: signed, so that only the caller who was given one can use it."""

import base64
import binascii
import hashlib
import hmac

from api.problems.errors import InvalidRequest

_ID_BYTES = 16
_SIGNATURE_BYTES = 17  # 136 bits; with the id a whole number of base64's groups, so no padding


class Cursors:
    """Makes and reads cursors: the id of a page's last edit or batch, signed for its caller."""

    def __init__(self, secret: bytes):
        self._secret = secret

    def make(self, caller: str, last_id: str) -> str:
        """Return the cursor of the page that follows an edit or a batch."""
        last = bytes.fromhex(last_id.rpartition("_")[2])
        message = last + caller.encode()  # unambiguous: an id has a fixed length
        signature = hmac.new(self._secret, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(last + signature).decode()

    def read(self, caller: str, cursor: str, *, kind: str = "edit") -> str:
        """Return the id that the page follows, of an edit or of another `kind`.

        Raises:
            InvalidRequest: the cursor was not issued to this caller.
        """
        try:
            last = base64.urlsafe_b64decode(cursor)[:_ID_BYTES]
        except (binascii.Error, ValueError):
            last = b""
        last_id = f"{kind}_{last.hex()}"
        # Compared in its encoded form: base64 has several spellings of the same bytes.
        is_valid = len(last) == _ID_BYTES and hmac.compare_digest(
            self.make(caller, last_id).encode(), cursor.encode(errors="replace")
        )
        if not is_valid:
            raise InvalidRequest("This cursor is not valid. Start again without one.")
        return last_id
