"""Cursors of pages: signed, so that only the caller who was given one can use it."""

import base64
import binascii
import hashlib
import hmac

from api.problems.errors import InvalidRequest
from core.ids import is_edit_id

_ID_BYTES = 16
_SIGNATURE_BYTES = 17  # 136 bits; with the id a whole number of base64's groups, so no padding


class Cursors:
    """Makes and reads cursors: the id of a page's last edit, signed for its caller."""

    def __init__(self, secret: bytes):
        self._secret = secret

    def make(self, caller: str, edit_id: str) -> str:
        """Return the cursor of the page that follows an edit."""
        last = bytes.fromhex(edit_id.removeprefix("edit_"))
        message = last + caller.encode()  # unambiguous: an id has a fixed length
        signature = hmac.new(self._secret, message, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
        return base64.urlsafe_b64encode(last + signature).decode()

    def read(self, caller: str, cursor: str) -> str:
        """Return the id of the edit that the page follows.

        Raises:
            InvalidRequest: the cursor was not issued to this caller.
        """
        try:
            edit_id = f"edit_{base64.urlsafe_b64decode(cursor)[:_ID_BYTES].hex()}"
        except (binascii.Error, ValueError):
            edit_id = ""
        # Compared in its encoded form: base64 has several spellings of the same bytes.
        is_valid = is_edit_id(edit_id) and hmac.compare_digest(
            self.make(caller, edit_id).encode(), cursor.encode(errors="replace")
        )
        if not is_valid:
            raise InvalidRequest("This cursor is not valid. Start again without one.")
        return edit_id
