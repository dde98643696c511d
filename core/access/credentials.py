"""The form of what callers send as a bearer: API keys and user tokens.

A prefix, 32 random characters of base 62 (190 bits) and 6 of a checksum, the CRC-32 of all before
them. So scanners recognise a leaked one, and a mistyped one needs no look-up.
"""

import hashlib
import re
import secrets
import string
import zlib

RANDOM, CHECKSUM = 32, 6  # characters; 62 ** 6 > 2 ** 32

_DIGITS = string.digits + string.ascii_letters
_FORM = re.compile(rf"[0-9A-Za-z]{{{RANDOM + CHECKSUM}}}", re.ASCII)


def new_credential(prefix: str) -> str:
    """Return a new random credential."""
    start = prefix + "".join(secrets.choice(_DIGITS) for _ in range(RANDOM))
    return start + _checksum(start)


def is_credential(text: str, prefix: str) -> bool:
    """Return whether the text has this prefix, a credential's form and the right checksum."""
    is_formed = text.startswith(prefix) and _FORM.fullmatch(text, len(prefix)) is not None
    return is_formed and _checksum(text[:-CHECKSUM]) == text[-CHECKSUM:]


def _checksum(start: str) -> str:
    number = zlib.crc32(start.encode())
    digits = ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def hash_of(text: str) -> str:
    """Return the SHA-256 of a credential, all that is stored of it."""
    return hashlib.sha256(text.encode()).hexdigest()
