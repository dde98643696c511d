"""Outputs in the encoding that a caller prefers."""

import io

from PIL import Image

from core.schema import OutputFormat

BYTES = "application/octet-stream"


def content_type_of(data: bytes) -> str:
    """Return the media type of one of our own images, read from its header."""
    with Image.open(io.BytesIO(data)) as image:
        return Image.MIME[image.format or "PNG"]


def preferred_format(accept: str, stored: OutputFormat) -> OutputFormat:
    """Return the encoding that an `Accept` header prefers; the stored one wins a tie.

    A header that accepts none of ours gets the stored one, which RFC 9110 (12.5.1) permits.
    """
    weights = _weights(accept)

    def weight(form: OutputFormat) -> float:
        for name in (form.content_type, "image/*", "*/*"):
            if name in weights:
                return weights[name]
        return 0.0

    choices: tuple[OutputFormat, ...] = (stored, *OutputFormat)
    return max(choices, key=weight)


def sent_type(accept: str, content_type: str) -> str:
    """Return an image's media type as it is sent: its own, or that of bytes of no kind.

    The latter only for callers who accept it and name no image's.
    """
    weights = _weights(accept)
    is_for_bytes = BYTES in weights and not any(
        name.startswith("image/") or name == "*/*" for name in weights
    )
    return BYTES if is_for_bytes else content_type


def _weights(accept: str) -> dict[str, float]:
    weights = {}
    for part in accept.lower().split(","):
        name, _, options = part.partition(";")
        quality = options.strip().removeprefix("q=") if "q=" in options else "1"
        try:
            weights[name.strip()] = float(quality)
        except ValueError:
            continue
    return weights
