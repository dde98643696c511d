"""The still image in a file, known by its content alone."""

from collections.abc import Callable

from core.errors import ImageTooLarge, InvalidImage, UnsupportedImage
from core.images.containers.heif import read_heif
from core.images.containers.jpeg import read_jpeg
from core.images.containers.png import SIGNATURE, read_png
from core.images.containers.still import StillImage
from core.images.containers.webp import read_webp

MAX_BYTES = 20 * 1024 * 1024

_UNSUPPORTED = "This is not a supported image format. Send JPEG, PNG, WebP, HEIC/HEIF or AVIF."


def check_format(data: bytes) -> None:
    """Check the number of bytes and the first of them.

    Raises:
        InvalidImage: the data is empty.
        ImageTooLarge: more than 20 MB.
        UnsupportedImage: not one of the accepted formats.
    """
    if not data:
        raise InvalidImage("The image is empty.")
    if len(data) > MAX_BYTES:
        raise ImageTooLarge(f"The image has {len(data)} bytes; the maximum is {MAX_BYTES}.")
    if _reader(data) is None:
        raise UnsupportedImage(_UNSUPPORTED)


def read_still(data: bytes) -> StillImage:
    """Find the still image in a file, without decoding it.

    Raises:
        InputImageError: as `check_format`; InvalidImage also if the file is broken or animated,
            UnsupportedImage if its codec is not one of those accepted.
    """
    check_format(data)
    read = _reader(data)
    if read is None:
        raise UnsupportedImage(_UNSUPPORTED)
    return read(data)


def _reader(data: bytes) -> Callable[[bytes], StillImage] | None:
    if data.startswith(b"\xff\xd8\xff"):
        return read_jpeg
    if data.startswith(SIGNATURE):
        return read_png
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return read_webp
    return read_heif if data[4:8] == b"ftyp" else None
