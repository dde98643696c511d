"""The form of an API key: `baret_sk_`, 32 random characters, 6 of a checksum.

The random ones are of base 62 (190 bits), the others a CRC-32 of all before them. So scanners
recognise a leaked key, and a mistyped one is refused without a look-up.
"""

import hashlib
import re
import secrets
import string
import zlib

PREFIX = "baret_sk_"
RANDOM, CHECKSUM = 32, 6  # characters; 62 ** 6 > 2 ** 32

_DIGITS = string.digits + string.ascii_letters
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{RANDOM + CHECKSUM}}}", re.ASCII)


def new_key() -> str:
    """A key that nobody has seen yet."""
    start = PREFIX + "".join(secrets.choice(_DIGITS) for _ in range(RANDOM))
    return start + _checksum(start)


def is_key(text: str) -> bool:
    """Whether the text has a key's form and its checksum is right."""
    return bool(_FORM.fullmatch(text)) and _checksum(text[:-CHECKSUM]) == text[-CHECKSUM:]


def _checksum(start: str) -> str:
    number = zlib.crc32(start.encode())
    digits = ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def hash_of(text: str) -> str:
    """What is kept of a key: its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()


def id_of(text: str) -> str:
    """The id of a key, from the key itself."""
    return f"key_{hash_of(text)[:16]}"
