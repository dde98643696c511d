"""One still image inside a file: what a decoder must see of it, and how its pixels are meant."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import ExifTags, Image

UNREADABLE = "The image's header cannot be read. Check that the file is complete."
BROKEN = "The image cannot be decoded; it is truncated or broken."
ANIMATED = "The image is animated. Send a single frame."

Box = tuple[int, int, int, int]  # left, top, right, bottom


@dataclass(frozen=True)
class StillImage:
    """A file reduced to its pixels, so that no other part of it decides whether it can be read."""

    format: str  # Pillow's name of the decoder
    data: bytes  # the file for that decoder, without metadata and whatever follows the image
    profiles: tuple[bytes, ...] = ()  # ICC; the first that can be used applies; none: sRGB
    orientation: int = 1  # EXIF's, 1 to 8; still to be applied
    crop: Box | None = None  # to apply before the orientation
    # Samples (gray, or red, green and blue) that mean transparent, at the file's depth.
    transparent: tuple[int, ...] | None = None
    ended: bool = True  # whether the file states the end of its pixels
    depth: int = 8  # bits of a sample
    gray: bool = False  # the file has no colours, although the decoder may return RGB
    pairs: bool = False  # the decoder is shown gray of 16 bits as two samples of 8, high and low


def orientation_of(blocks: Iterable[bytes]) -> int:
    """Return the orientation of the first EXIF block that states one; 1, upright, if none does.

    XMP may state one too. It is not read: cameras write EXIF, and browsers follow it alone.
    """
    for block in blocks:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of whatever else is wrong with it
                exif = Image.Exif()
                exif.load(block)
                orientation = int(exif.get(ExifTags.Base.Orientation, 0))
        except Exception:  # noqa: S112 - EXIF breaks in many ways; a broken one does not rotate
            continue
        if 1 <= orientation <= 8:
            return orientation
    return 1
