"""From a still image to what people see: 8-bit sRGB, upright, transparency on white.

Every kind of pixels takes this one path: decode, split off transparency, convert the colours,
lay them on white, crop, turn.
"""

import io
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce

import pillow_heif
from PIL import Image, ImageChops, ImageCms, ImageFile

from core.errors import ImageTooLarge, InvalidImage
from core.images.color.icc import color_space_of
from core.images.color.profiles import SRGB
from core.images.containers.still import BROKEN, UNREADABLE, StillImage, orientation_of
from core.images.sixteen_bits import decode_heic, is_steep, reduce_to_eight_bits

# A little above the largest images of what phones call 50 megapixels, 8192 × 6144.
MAX_PIXELS = 50_500_000

# EXIF's orientations except 1.
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}

# Without the images beside the photo: a broken thumbnail says nothing about the photo.
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def open_pixels(still: StillImage) -> ImageFile.ImageFile:
    """Read the header of the pixels.

    Raises:
        ImageTooLarge: more than `MAX_PIXELS`.
        InvalidImage: the header cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of many pixels; the limit below decides
            image = Image.open(io.BytesIO(still.data), formats=(still.format,))
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(f"The image has more than {MAX_PIXELS} pixels.") from error
    except Exception as error:  # codecs may raise anything on a broken header
        raise InvalidImage(UNREADABLE) from error
    if image.width * image.height > MAX_PIXELS:
        raise ImageTooLarge(
            f"The image has {image.width}×{image.height} pixels; "
            f"the maximum is {MAX_PIXELS} in total."
        )
    return image


def load(image: Image.Image) -> None:
    """Decode the pixels.

    Raises:
        InvalidImage: they are truncated or broken.
    """
    try:
        image.load()
    except Exception as error:  # codecs may raise anything on broken data
        raise InvalidImage(BROKEN) from error
    if image.mode in ("P", "PA") and image.palette is None:
        raise InvalidImage("The image cannot be decoded; its palette is missing.")


def shown_size(still: StillImage, image: Image.Image) -> tuple[int, int]:
    """Return the width and height of the rendered image."""
    width, height = image.size
    if still.crop is not None:
        width, height = still.crop[2] - still.crop[0], still.crop[3] - still.crop[1]
    return (height, width) if _orientation(still, image) in (5, 6, 7, 8) else (width, height)


def render(still: StillImage) -> Image.Image:
    """Decode an image and return it as RGB, without any metadata.

    Raises:
        InputImageError: as `open_pixels` and `load`.
    """
    image = open_pixels(still)
    orientation = _orientation(still, image)
    samples = _samples(still, *_decode(still, image))
    del image  # large
    rgb = _on_white(samples, still)
    if still.crop is not None:
        rgb = rgb.crop(still.crop)
    transpose = _TRANSPOSES.get(orientation)
    return rgb if transpose is None else rgb.transpose(transpose)


def render_corner(still: StillImage, image: Image.Image) -> None:
    """Convert a corner of decoded pixels: a profile that crashes its reader is to do so here."""
    corner = image.crop((0, 0, 8, 8))
    if corner.mode == "I;16":
        corner = corner.convert("L")
    _on_white(_samples(still, corner, corner if still.depth == 16 else None), still)


def _orientation(still: StillImage, image: Image.Image) -> int:
    if still.format == "AVIF":  # Pillow reports `irot` and `imir` like this; EXIF is not there
        return orientation_of([image.info.get("exif", b"")])
    return still.orientation


@dataclass(frozen=True)
class _Samples:
    color: Image.Image  # L, RGB or CMYK; the upper bytes of samples of 16 bits
    low: Image.Image | None  # their lower bytes
    alpha: Image.Image | None


def _decode(still: StillImage, image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Decode opened pixels, and the lower bytes of those of more than 8 bits if they are needed."""
    if still.format == "HEIF" and image.info["bit_depth"] > 8:
        try:
            decoded = decode_heic(still.data)
        except Exception as error:  # codecs may raise anything on broken data
            raise InvalidImage(BROKEN) from error
        if decoded is not None:
            high, low = decoded
            return high, low if any(map(is_steep, still.profiles)) else None
    load(image)
    return image, _low_bytes(still)


def _samples(still: StillImage, image: Image.Image, low: Image.Image | None) -> _Samples:
    """Split decoded pixels into colours and alpha."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    if still.pairs:
        high, low, *alpha = image.split()
        return _Samples(high, low, alpha[0] if alpha else None)
    bands = image.getbands()
    mode = {"1": "L", "LA": "L", "RGBA": "RGB", "RGBX": "RGB"}.get(image.mode, image.mode)
    color = image if image.mode == mode else image.convert(mode)
    if low is not None:
        low = low.convert(mode)
    if still.gray and mode == "RGB":  # gray with alpha
        color, low = color.getchannel("G"), low.getchannel("G") if low is not None else None
    return _Samples(
        color,
        low,
        image.getchannel("A") if "A" in bands else None,
    )


def _low_bytes(still: StillImage) -> Image.Image | None:
    """Decode the lower bytes of colours of 16 bits, if they can be seen or tell a colour apart."""
    needed = still.transparent is not None or any(map(is_steep, still.profiles))
    if still.depth != 16 or still.pairs or not needed:
        return None
    image = open_pixels(still)
    image.tile = [tile._replace(args=image.mode + ";16L") for tile in image.tile]
    load(image)
    return image


def _on_white(samples: _Samples, still: StillImage) -> Image.Image:
    alpha = samples.alpha
    if still.transparent is not None:
        alpha = _opacity(samples, still.transparent, still.depth)
    rgb = _to_srgb(samples, still.profiles)
    if alpha is None:
        return rgb
    white = Image.new("RGB", rgb.size, "white")
    white.paste(rgb, mask=alpha)
    return white


def _opacity(samples: _Samples, key: tuple[int, ...], depth: int) -> Image.Image:
    """Return 0 for pixels whose samples are the key, else 255."""
    scale = 255 // (2 ** min(depth, 8) - 1)  # Pillow stretches less than 8 bits
    pairs = [(samples.color, [(value >> 8 if depth == 16 else value * scale) for value in key])]
    if samples.low is not None:
        pairs.append((samples.low, [value & 255 for value in key]))
    different = [
        band.point([0 if sample == value else 255 for sample in range(256)])
        for image, values in pairs
        for band, value in zip(image.split(), values, strict=True)
    ]
    return reduce(ImageChops.lighter, different)


def _to_srgb(samples: _Samples, profiles: tuple[bytes, ...]) -> Image.Image:
    """Apply the first profile that can be applied; without one, the samples are sRGB."""
    for profile in profiles:
        if profile == SRGB:
            break
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            converted = _apply(samples, profile)
            if converted is not None:
                return converted
    return samples.color.convert("RGB")


def _apply(samples: _Samples, profile: bytes) -> Image.Image | None:
    """Convert colours by an ICC profile; None if it describes another kind of colours."""
    color, low = samples.color, samples.low
    space = color_space_of(profile)
    if color.mode == "L" and space == b"RGB ":  # gray photos with a display's profile
        color, low = color.convert("RGB"), low.convert("RGB") if low is not None else None
    if _SPACES.get(color.mode) != space:
        return None
    if low is not None:
        color, profile = reduce_to_eight_bits(color, low, profile)
    return _transform(color, profile)


def _transform(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert colours from a profile to sRGB."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
    converted = ImageCms.applyTransform(image, transform, inPlace=image.mode == "RGB")
    return image if converted is None else converted
