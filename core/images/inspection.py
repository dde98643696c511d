"""A picture's bytes judged and opened: by content, the header before anything is decoded."""

import hashlib
import io
import warnings
from contextlib import suppress

import pillow_heif
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from core.errors import (
    ImageOutOfRange,
    ImageTooLarge,
    InvalidImage,
    UnsupportedImage,
)
from core.schema import InputImage

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

# EXIF's orientations but 1. ImageOps.exif_transpose would write the rest of the EXIF anew, and
# raise whatever it finds there that cannot be written. `baret` has its own: it is a library that
# knows nothing of the service, and the service reads pictures where there is no torch.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

pillow_heif.register_heif_opener()


def check_format(data: bytes) -> None:
    """Refuse what needs no look inside: too many bytes, or the first ones of no accepted format.

    Raises:
        InvalidImage: there are none.
        ImageTooLarge: more than 20 MB.
        UnsupportedImage: not one of the accepted formats.
    """
    if not data:
        raise InvalidImage("The picture is empty.")
    if len(data) > MAX_BYTES:
        raise ImageTooLarge(f"The picture has {len(data)} bytes; at most {MAX_BYTES} are taken.")
    if not _starts_as_accepted(data):
        raise UnsupportedImage(f"This is no picture of a known kind. {_ACCEPTED}")


def open_image(data: bytes) -> Image.Image:
    """Open a picture without decoding its pixels.

    Raises:
        ImageTooLarge: more than 20 MB or 50 megapixels.
        UnsupportedImage: not one of the accepted formats, by content.
        InvalidImage: its header cannot be read, or it is animated.
    """
    check_format(data)
    try:
        with warnings.catch_warnings():
            # Pillow warns of many pixels and of broken EXIF; our own bounds below decide.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=tuple(CONTENT_TYPES))
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"At most {MAX_PIXELS} pixels are taken.") from error
    except UnidentifiedImageError as error:
        if _looks_accepted(data):
            raise InvalidImage("The picture's header cannot be read; send it whole.") from error
        raise UnsupportedImage(f"This is no picture of a known kind. {_ACCEPTED}") from error
    except Exception as error:  # whatever a codec raises on a broken header
        raise InvalidImage("The picture's header cannot be read; send it whole.") from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageTooLarge(
            f"The picture has {image.width}×{image.height} pixels; "
            f"at most {MAX_PIXELS} in all are taken."
        )
    if image.format == "MPO":
        # A JPEG with more pictures behind it (depth, gain map, preview), as phones write them:
        # the first one, at which it stands, is the photo.
        image.format = "JPEG"
    elif getattr(image, "n_frames", 1) > 1:
        raise InvalidImage("The picture is animated; send a single frame.")
    return image


def inspect(data: bytes) -> InputImage:
    """Judge a picture: header first, then all of its data, to see that nothing is missing.

    Raises:
        InputImageError: one of its kinds, as `open_picture`; also ImageOutOfRange where the
            picture is under 32 pixels on a side or more elongated than 4:1.
    """
    image = open_image(data)
    sides = image.size
    if min(sides) < MIN_SIDE:
        raise ImageOutOfRange(f"Each side must have at least {MIN_SIDE} pixels.")
    if max(sides) > MAX_ASPECT * min(sides):
        raise ImageOutOfRange("The aspect ratio must lie between 1:4 and 4:1.")
    # A JPEG's data is all read at an eighth of its size too, where nothing but the pixels is
    # left out: half the time, a 64th of the memory. Other formats are decoded as they are.
    image.draft(None, (1, 1))
    _load(image)
    _try_profile(image)
    # Only now: a PNG that is asked for its EXIF reads its pixels, and what it raises is lost.
    width, height = reversed(sides) if _orientation(image) in (5, 6, 7, 8) else sides
    return InputImage(
        width=width,
        height=height,
        content_type=CONTENT_TYPES[image.format or ""],
        sha256=hashlib.sha256(data).hexdigest(),
    )


def load_upright(data: bytes) -> Image.Image:
    """The whole picture, turned as EXIF says, its palette applied.

    Raises:
        InputImageError: as `open_picture`, and where it is truncated or broken.
    """
    image = open_image(data)
    _load(image)
    turn = _TURNS.get(_orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # whatever a codec raises on broken bytes
        raise InvalidImage("The picture cannot be decoded; it is truncated or broken.") from error
    if image.mode in ("P", "PA") and image.palette is None:
        raise InvalidImage("The picture cannot be shown; its palette is missing.")


def _try_profile(image: Image.Image) -> None:
    """Apply the colour profile to a corner, as a worker will to the whole picture.

    One that cannot be applied is passed over there. One that kills its reader must do so here.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return
    corner = image.crop((0, 0, 8, 8))
    if corner.mode == "P":
        corner = corner.convert("RGB")
    with suppress(Exception):
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        ImageCms.profileToProfile(corner, given, srgb, outputMode="RGB")


def _orientation(image: Image.Image) -> int:
    """From 1 (upright) to 8."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF is no reason to refuse the picture
        return 1


def _starts_as_accepted(data: bytes) -> bool:
    return (
        data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        or data[4:8] == b"ftyp"
    )


def _looks_accepted(data: bytes) -> bool:
    """Whether a file that cannot be opened is a broken picture, not a film."""
    return data[4:8] != b"ftyp" or data[8:12] in _HEIF_BRANDS
