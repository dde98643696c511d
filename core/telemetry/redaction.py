"""Redaction of secrets in text that people will see: log lines and responses.

No code logs a secret on purpose. This catches the ones that slip in: a key in a URL, or a password
in the URL that a library's exception quotes.
"""

import re
from typing import Any

# Percent-encoded or not: URLs are logged as they were sent.
_UNDERSCORE = "(?:_|%5[Ff])"
_SECRETS = (
    (re.compile(rf"(baret{_UNDERSCORE}[st]k{_UNDERSCORE})[\w%]+", re.IGNORECASE), r"\1…"),
    (re.compile(rf"(whsec{_UNDERSCORE})[\w+/=%-]+", re.IGNORECASE), r"\1…"),
    # The authority's user information, with or without a user (RFC 3986, 3.2.1).
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/?#\"'<>]*@", re.IGNORECASE), r"\1…@"),
    (
        re.compile(r"(\b(?:signature|ticket|sentinel_password)=)[^\s&#\"'<>]+", re.IGNORECASE),
        r"\1…",
    ),
    (re.compile(r"(\bBearer\s+)[\w.~+/=-]{20,}", re.IGNORECASE), r"\1…"),
)


def redact(text: str) -> str:
    """Return the text with every secret in it, whole or cut off, replaced."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def redacted(value: Any) -> Any:
    """Return a JSON value with every secret in its texts replaced."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redacted(part) for part in value]
    if isinstance(value, dict):
        return {name: redacted(part) for name, part in value.items()}
    return value
