"""Secrets made unreadable in text that people will see: log lines and answers.

Nothing logs a secret knowingly. This is for those that come along: a key in an address, a password
in the URL that a library's exception quotes.
"""

import re
from typing import Any

# Percent-encoded or not: addresses are logged as they were sent.
_UNDERSCORE = "(?:_|%5[Ff])"
_SECRETS = (
    (re.compile(rf"(baret{_UNDERSCORE}sk{_UNDERSCORE})[\w%]+", re.IGNORECASE), r"\1…"),
    (re.compile(rf"(whsec{_UNDERSCORE})[\w+/=%-]+", re.IGNORECASE), r"\1…"),
    # The authority's user information, with or without a user (RFC 3986, 3.2.1).
    (re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://)[^\s/?#\"'<>]*@", re.IGNORECASE), r"\1…@"),
    (re.compile(r"(\bsignature=)[\w%]+", re.IGNORECASE), r"\1…"),
    (re.compile(r"(\bBearer\s+)[\w.~+/=-]{20,}", re.IGNORECASE), r"\1…"),
)


def redact(text: str) -> str:
    """The text with every secret in it, whole or not, made unreadable."""
    for secret, shown in _SECRETS:
        text = secret.sub(shown, text)
    return text


def redacted(value: Any) -> Any:
    """A value as JSON has them, with every secret in its texts made unreadable."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redacted(part) for part in value]
    if isinstance(value, dict):
        return {name: redacted(part) for name, part in value.items()}
    return value
