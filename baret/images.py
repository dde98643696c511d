"""Pictures in and out: any mode to RGB, any size to the model's and back, nothing cropped."""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from baret.errors import ImageError

Pixels = NDArray[np.uint8]  # [h, w, 3], RGB, 0–255
Share = NDArray[np.float32]  # [h, w], 0–1

MIN_SIDE = 32  # pixels
MAX_ASPECT = 4.0

# EXIF's orientations but 1.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PROFILED = ("L", "RGB", "RGBA", "CMYK")  # modes that a colour profile can speak of


def to_rgb(image: Image.Image) -> Image.Image:
    """The picture as people see it, in 8-bit sRGB: EXIF rotation applied, alpha laid on white.

    Nothing of what the file says beside its pixels goes along.

    Raises:
        ImageError: a mode that has no agreed meaning as a photo (32-bit float).
    """
    image = _to_srgb(_upright(image))
    if image.mode == "F":
        raise ImageError("32-bit float pictures have no agreed range; send 8 or 16 bit.")
    if image.mode.startswith("I"):  # 16 bit gray, also inside a 32-bit container
        gray = np.asarray(image).astype(np.uint32)
        image = Image.fromarray((gray.clip(0, 65535) // 257).astype(np.uint8), "L")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        paper = Image.new("RGBA", rgba.size, "white")
        image = Image.alpha_composite(paper, rgba)
    rgb = image.convert("RGB")
    rgb.info = {}
    return rgb


def _upright(image: Image.Image) -> Image.Image:
    """The picture turned as EXIF says.

    Not by `ImageOps.exif_transpose`, which writes the rest of the EXIF anew, and raises whatever it
    finds there that cannot be written.
    """
    try:
        turn = _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF, in whichever of many ways, says nothing of a rotation
        turn = None
    return image if turn is None else image.transpose(turn)


def _to_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB where it carries another colour profile that can be read."""
    profile = image.info.get("icc_profile")
    if profile and image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if not profile or image.mode not in _PROFILED:
        return image
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, given, srgb, outputMode=mode)
    except (ImageCms.PyCMSError, OSError):
        return image  # broken, or of another kind than the picture: as people's viewers do
    return converted or image


def working_size(width: int, height: int, *, area: int, multiple: int) -> tuple[int, int]:
    """The size to work at: about the model's native area, in multiples that it allows.

    Among all multiples it is the one whose shape is nearest to the picture's, an area further
    from the native one weighing a quarter as much.

    Args:
        width, height: of the picture, in pixels.
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
    wide = math.sqrt(area * width / height)
    near = [side for side in sides if abs(math.log(side / wide)) < math.log(2)]
    heights = [(side, multiple * max(1, round(side * height / width / multiple))) for side in near]
    return min(heights, key=cost)


def to_pixels(image: Image.Image, size: tuple[int, int]) -> Pixels:
    """The picture at the working size (width, height)."""
    return np.array(to_rgb(image).resize(size, Image.Resampling.LANCZOS))


def to_image(pixels: Pixels, size: tuple[int, int]) -> Image.Image:
    """Pixels at the size (width, height) that the caller sent."""
    return Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)


def keep_outside(edited: Image.Image, photo: Pixels, share: Share) -> Image.Image:
    """The photo's own pixels where the edit is not to be seen, so that no codec blurs them.

    Args:
        edited: at the photo's size.
        photo: [H, W, 3].
        share: [h, w], 0 takes the photo, 1 the edit.
    """
    gray = Image.fromarray((share * 255).round().astype(np.uint8))
    scaled = gray.resize(edited.size, Image.Resampling.BILINEAR)
    return Image.composite(edited, Image.fromarray(photo), scaled)


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures."""
    error = float(np.square(a.astype(np.float64) - b).mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)
