"""Validation and opening of images by content: the header first, then the pixels."""

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
# Major brands of ISO 14496-12 files that hold still images; others are videos.
_STILL_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_UNSUPPORTED = "This is not a supported image format. Send JPEG, PNG, WebP, HEIC/HEIF or AVIF."
_UNREADABLE = "The image's header cannot be read. Check that the file is complete."

# EXIF's orientations except 1. ImageOps.exif_transpose would also rewrite the rest of the EXIF, and
# raise if some of it cannot be written. `baret` has its own table: it knows nothing of the service,
# and the service reads images without torch.
_TRANSPOSES = {
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
    if not _has_accepted_signature(data):
        raise UnsupportedImage(_UNSUPPORTED)


def open_image(data: bytes) -> Image.Image:
    """Open an image without decoding its pixels.

    Raises:
        ImageTooLarge: more than 20 MB or 50 megapixels.
        UnsupportedImage: not one of the accepted formats, by content.
        InvalidImage: its header cannot be read, or it is animated.
    """
    check_format(data)
    try:
        with warnings.catch_warnings():
            # Pillow warns about many pixels and broken EXIF; the limits below decide.
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=tuple(CONTENT_TYPES))
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"The image has more than {MAX_PIXELS} pixels.") from error
    except UnidentifiedImageError as error:
        if _may_be_still_image(data):
            raise InvalidImage(_UNREADABLE) from error
        raise UnsupportedImage(_UNSUPPORTED) from error
    except Exception as error:  # codecs may raise anything on a broken header
        raise InvalidImage(_UNREADABLE) from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageTooLarge(
            f"The image has {image.width}×{image.height} pixels; "
            f"the maximum is {MAX_PIXELS} in total."
        )
    if image.format == "MPO":
        # A JPEG with further images behind it (depth, gain map, preview), as phones write them.
        # The first one is the photo.
        image.format = "JPEG"
    elif getattr(image, "n_frames", 1) > 1:
        raise InvalidImage("The image is animated. Send a single frame.")
    return image


def inspect(data: bytes) -> InputImage:
    """Validate an image: the header first, then all of its data, so that none is missing.

    Raises:
        InputImageError: as `open_image`; also ImageOutOfRange if a side is under 32 pixels, or
            the image is more elongated than 4:1.
    """
    image = open_image(data)
    sides = image.size
    if min(sides) < MIN_SIDE:
        raise ImageOutOfRange(f"Each side must have at least {MIN_SIDE} pixels.")
    if max(sides) > MAX_ASPECT * min(sides):
        raise ImageOutOfRange("The aspect ratio must lie between 1:4 and 4:1.")
    # All data of a JPEG is read at an eighth of its size too: half the time, a 64th of the memory.
    # Other formats are decoded at full size.
    image.draft(None, (1, 1))
    _load(image)
    _try_color_profile(image)
    # Last: reading a PNG's EXIF reads its pixels too, and would swallow their errors.
    width, height = reversed(sides) if _orientation(image) in (5, 6, 7, 8) else sides
    return InputImage(
        width=width,
        height=height,
        content_type=CONTENT_TYPES[image.format or ""],
        sha256=hashlib.sha256(data).hexdigest(),
    )


def load_upright(data: bytes) -> Image.Image:
    """Decode the whole image, rotate it as EXIF says and apply its palette.

    Raises:
        InputImageError: as `open_image`; also if the image is truncated or broken.
    """
    image = open_image(data)
    _load(image)
    transpose = _TRANSPOSES.get(_orientation(image))
    if transpose is not None:
        image = image.transpose(transpose)
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image


def _load(image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # codecs may raise anything on broken data
        raise InvalidImage("The image cannot be decoded; it is truncated or broken.") from error
    if image.mode in ("P", "PA") and image.palette is None:
        raise InvalidImage("The image cannot be decoded; its palette is missing.")


def _try_color_profile(image: Image.Image) -> None:
    """Apply the color profile to a corner, as a worker will to the whole image.

    Workers ignore a profile that cannot be applied. One that crashes its reader must do so here,
    in the sandbox.
    """
    profile = image.info.get("icc_profile")
    if not profile:
        return
    corner = image.crop((0, 0, 8, 8))
    if corner.mode == "P":
        corner = corner.convert("RGB")
    with suppress(Exception):
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        ImageCms.profileToProfile(corner, source, srgb, outputMode="RGB")


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, from 1 (upright) to 8."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF is no reason to refuse the image
        return 1


def _has_accepted_signature(data: bytes) -> bool:
    return (
        data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"))
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
        or data[4:8] == b"ftyp"
    )


def _may_be_still_image(data: bytes) -> bool:
    """Return whether a file that cannot be opened is a broken image, not a video."""
    return data[4:8] != b"ftyp" or data[8:12] in _STILL_BRANDS
