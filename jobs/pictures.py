"""A picture's bytes judged and opened: by content, the header before anything is decoded."""

import hashlib
import io
import warnings
from dataclasses import dataclass

import pillow_heif
from PIL import ExifTags, Image, UnidentifiedImageError

from jobs.errors import (
    PictureInvalid,
    PictureOutOfRange,
    PictureTooLarge,
    PictureUnsupported,
)
from jobs.schema import InputPicture

MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 50_000_000
MIN_SIDE = 32  # pixels
MAX_ASPECT = 4.0

CONTENT_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "HEIF": "image/heic",
    "AVIF": "image/avif",
}
# Of ISO 14496-12 files (videos too) those that hold still pictures, by their major brand.
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_ACCEPTED = "JPEG, PNG, WebP, HEIC/HEIF and AVIF are accepted."

pillow_heif.register_heif_opener()


@dataclass(frozen=True)
class Header:
    """What a picture says of itself before decoding; sides as shown, EXIF rotation applied."""

    width: int
    height: int
    content_type: str


def open_picture(data: bytes) -> Image.Image:
    """Open a picture without decoding its pixels.

    Raises:
        PictureTooLarge: more than 20 MB or 50 megapixels.
        PictureUnsupported: not one of the accepted formats, by content.
        PictureInvalid: its header cannot be read, or it is animated.
    """
    if not data:
        raise PictureInvalid("The picture is empty.")
    if len(data) > MAX_BYTES:
        raise PictureTooLarge(f"The picture has {len(data)} bytes; at most {MAX_BYTES} are taken.")
    try:
        with warnings.catch_warnings():
            # Pillow warns of many pixels; our own bound below decides.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=tuple(CONTENT_TYPES))
    except Image.DecompressionBombError as error:
        raise PictureTooLarge(f"At most {MAX_PIXELS} pixels are taken.") from error
    except UnidentifiedImageError as error:
        if _looks_accepted(data):
            raise PictureInvalid("The picture's header cannot be read; send it whole.") from error
        raise PictureUnsupported(f"This is no picture of a known kind. {_ACCEPTED}") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise PictureInvalid("The picture's header cannot be read; send it whole.") from error
    if picture.width * picture.height > MAX_PIXELS:
        raise PictureTooLarge(
            f"The picture has {picture.width}×{picture.height} pixels; "
            f"at most {MAX_PIXELS} in all are taken."
        )
    if picture.format == "MPO":
        # A JPEG with more pictures behind it (depth, gain map, preview), as phones write them:
        # the first one, at which it stands, is the photo.
        picture.format = "JPEG"
    elif getattr(picture, "n_frames", 1) > 1:
        raise PictureInvalid("The picture is animated; send a single frame.")
    return picture


def inspect(data: bytes) -> InputPicture:
    """Judge a picture: header first, then all of its data, to see that nothing is missing.

    Raises:
        PictureError: one of its kinds, as `open_picture`; also PictureOutOfRange where the
            picture is under 32 pixels on a side or more elongated than 4:1.
    """
    picture = open_picture(data)
    header = _header(picture)
    short, long = sorted((header.width, header.height))
    if short < MIN_SIDE:
        raise PictureOutOfRange(f"Each side must have at least {MIN_SIDE} pixels.")
    if long > MAX_ASPECT * short:
        raise PictureOutOfRange("The aspect ratio must lie between 1:4 and 4:1.")
    try:
        # A JPEG's data is all read at an eighth of its size too, where nothing but the pixels is
        # left out: half the time, a 64th of the memory. Other formats are decoded as they are.
        picture.draft(None, (1, 1))
        picture.load()
    except Exception as error:  # whatever a codec raises on broken bytes
        raise PictureInvalid("The picture cannot be decoded; it is truncated or broken.") from error
    return InputPicture(
        width=header.width,
        height=header.height,
        content_type=header.content_type,
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _header(picture: Image.Image) -> Header:
    width, height = picture.size
    try:
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    except Exception:  # broken EXIF is no reason to refuse the picture
        turned = False
    if turned:
        width, height = height, width
    return Header(width, height, CONTENT_TYPES[picture.format or ""])


def _looks_accepted(data: bytes) -> bool:
    return (
        data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        or (data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS)
    )
