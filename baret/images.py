"""Images in and out: any mode to RGB, any size to the model's and back, nothing cropped."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from baret.errors import ImageError

Pixels = NDArray[np.uint8]  # [h, w, 3], RGB, 0–255
Alpha = NDArray[np.float32]  # [h, w], 0–1

MIN_SIDE = 32  # pixels
MAX_ASPECT = 4.0

# EXIF's orientations, without the upright one (1).
_ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SPACES = {"GRAY": ("L", "I;16"), "RGB": ("RGB",), "CMYK": ("CMYK",)}  # modes of a profile's space


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an image to what people see: 8-bit sRGB, rotated as EXIF says, alpha on white.

    Every mode takes the same path: what is transparent is split off before the colours are
    converted. The file's metadata are dropped.

    Raises:
        ImageError: a mode that has no agreed meaning as a photo (32-bit float).
    """
    if image.mode == "F":
        raise ImageError("32-bit float images have no agreed range; send 8 or 16 bit.")
    image.load()  # a PNG's EXIF may follow its pixels
    profile = image.info.get("icc_profile")
    color, alpha = _split(_upright(image))
    rgb = _to_srgb(color, profile) if profile else _to_eight_bits(color).convert("RGB")
    if alpha is not None:
        white = Image.new("RGB", rgb.size, "white")
        white.paste(rgb, mask=alpha)
        rgb = white
    rgb.info = {}
    return rgb


def _upright(image: Image.Image) -> Image.Image:
    """Rotate or flip an image as its EXIF says; XMP, which Pillow reads too, does not count.

    `ImageOps.exif_transpose` would write the rest of the EXIF again, and raise if it cannot.
    """
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        orientation = _ORIENTATIONS.get(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF breaks in many ways; a broken one does not rotate
        orientation = None
    return image if orientation is None else image.transpose(orientation)


def _split(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Return the colours (L, I;16, RGB or CMYK) and, if anything is transparent, the alpha."""
    if image.mode.startswith("I"):  # 16 bit gray, also inside a 32-bit container
        gray = np.asarray(image).astype(np.int64).clip(0, 65535).astype(np.uint16)
        key = image.info.get("transparency")
        mask = None if key is None else Image.fromarray((gray != key).astype(np.uint8) * 255)
        return Image.fromarray(gray), mask
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return rgba.convert(mode), rgba.getchannel("A")
    return image if image.mode == "CMYK" else image.convert(mode), None


def _to_eight_bits(color: Image.Image) -> Image.Image:
    if color.mode != "I;16":
        return color
    return Image.fromarray((np.asarray(color) // 257).astype(np.uint8))


def _to_srgb(color: Image.Image, profile: bytes) -> Image.Image:
    """Convert colours by their profile. One that is broken or unsuitable is passed over."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if color.mode in _SPACES.get(source.profile.xcolor_space.strip(), ()):
            srgb = ImageCms.createProfile("sRGB")
            transform = ImageCms.buildTransform(source, srgb, color.mode, "RGB")
            return ImageCms.applyTransform(color, transform) or color
    except (ImageCms.PyCMSError, OSError):
        pass  # as image viewers do
    return _to_eight_bits(color).convert("RGB")


def working_size(width: int, height: int, *, area: int, multiple: int) -> tuple[int, int]:
    """Choose the size to work at: about the model's native area, in multiples that it allows.

    Among all of them, take the one whose shape is nearest to the image's. A deviation from the
    native area counts a quarter as much.

    Args:
        width, height: of the image, in pixels.
        area: the model's native area, in pixels.
        multiple: what both sides must be divisible by.

    Raises:
        ImageError: a side under 32 pixels, or an aspect ratio beyond 4:1.
    """
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"Each side must have at least {MIN_SIDE} pixels, not {width}×{height}.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"The aspect ratio must lie between 1:4 and 4:1, not {width}:{height}.")

    def cost(size: tuple[int, int]) -> float:
        shape = abs(math.log(size[0] / size[1]) - math.log(width / height))
        return shape + 0.25 * abs(math.log(size[0] * size[1] / area))

    longest = int(2 * math.sqrt(area * MAX_ASPECT)) // multiple
    sides = [multiple * i for i in range(1, longest + 1)]
    ideal = math.sqrt(area * width / height)
    widths = [side for side in sides if abs(math.log(side / ideal)) < math.log(2)]
    sizes = [(side, multiple * max(1, round(side * height / width / multiple))) for side in widths]
    return min(sizes, key=cost)


def to_pixels(image: Image.Image, size: tuple[int, int]) -> Pixels:
    """Return an image's pixels at the working size (width, height)."""
    return np.array(to_rgb(image).resize(size, Image.Resampling.LANCZOS))


def to_image(pixels: Pixels, size: tuple[int, int]) -> Image.Image:
    """Return pixels as an image of the photo's size (width, height)."""
    return Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)


def composite(edited: Image.Image, photo: Pixels, alpha: Alpha) -> Image.Image:
    """Lay an edit over its photo, whose own pixels stay where alpha is 0 and no VAE blurs them.

    Args:
        edited: at the photo's size.
        photo: [H, W, 3].
        alpha: [h, w], 0 takes the photo, 1 the edit.
    """
    return Image.composite(edited, Image.fromarray(photo), to_mask(alpha, edited.size))


def to_mask(alpha: Alpha, size: tuple[int, int]) -> Image.Image:
    """Return alpha [h, w] as a gray image of the photo's size (width, height), white where 1."""
    gray = Image.fromarray((alpha * 255).round().astype(np.uint8))
    return gray.resize(size, Image.Resampling.BILINEAR)


def psnr(a: Pixels, b: Pixels) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite for equal images."""
    error = float(np.square(a.astype(np.float64) - b).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
