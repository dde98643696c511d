"""The kinds of images that can be sent: paths, bytes, files, Pillow's images, addresses."""

import io
import os
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, runtime_checkable

from baret_client.schema import Json


@runtime_checkable
class PillowImage(Protocol):
    """What the client uses of `PIL.Image.Image`, so that it needs no Pillow."""

    mode: str

    def getexif(self) -> Any:
        """Return the EXIF, which may turn the image."""

    def save(self, fp: IO[bytes], format: str, **params: Any) -> None:
        """Encode the image."""


ImageSource = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | PillowImage
"""A path, an `http(s)://` or `data:` address, bytes, a file opened for reading, a Pillow image."""

ADDRESSES = ("http://", "https://", "data:")
# What PNG holds without loss.
_PNG_MODES = ("1", "L", "LA", "I;16", "P", "RGB", "RGBA")


class Upload(NamedTuple):
    """An image as it is sent: a file of a form, or a field of a JSON body."""

    file: tuple[str, bytes] | None  # name and bytes
    json: Json


def read_upload(image: ImageSource | None, source: str | None, upload: str | None) -> Upload:
    """Read an image whole, so that it can be sent again.

    Args:
        image: see `ImageSource`.
        source: or the id of an earlier edit, whose image is used again.
        upload: or the id of an upload that the image was sent to.

    Raises:
        TypeError: not exactly one was given, or of a kind that cannot be sent.
        OSError: the file cannot be read.
    """
    if [image, source, upload].count(None) != 2:
        raise TypeError("Give an image, an earlier edit as `source`, or an upload: one of them.")
    if image is None:
        return Upload(None, {"source": source} if source else {"image": {"upload": upload}})
    if isinstance(image, str) and image.startswith(ADDRESSES):
        return Upload(None, {"image": {"url": image} if image[0] == "h" else image})
    name = Path(image).name if isinstance(image, str | os.PathLike) else "image"
    return Upload((name, bytes_of(image)), {})


def bytes_of(image: ImageSource) -> bytes:
    """Return the bytes of an image that is not an address.

    Raises:
        TypeError: it is of a kind that cannot be sent.
        OSError: the file cannot be read.
    """
    if isinstance(image, str | os.PathLike):
        return Path(image).read_bytes()
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if isinstance(image, PillowImage):
        return _png(image)
    if not hasattr(image, "read"):
        raise TypeError(f"An image cannot be sent from {type(image).__name__}.")
    data = image.read()
    if not isinstance(data, bytes):
        raise TypeError("Open the file for reading bytes: open(path, 'rb').")
    return data


def _png(image: PillowImage) -> bytes:
    if image.mode not in _PNG_MODES:
        raise TypeError(
            f"PNG has no mode {image.mode}: convert the image to RGB, or send the file it is from."
        )
    file = io.BytesIO()
    image.save(file, "PNG", exif=image.getexif())
    return file.getvalue()
