import io

import numpy as np
import pytest
from PIL import Image

from baret.errors import ImageError
from baret.images import psnr, to_image, to_pixels, to_rgb, working_size
from tests.support.color_profiles import BLUE, GREEN, RED, colour_profile, gray_profile
from tests.support.crafted_images import unwritable_exif


def gradient(width=48, height=40) -> Image.Image:
    across = np.linspace(0, 255, width, dtype=np.uint8)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = across
    pixels[: height // 2, :, 1] = 200
    return Image.fromarray(pixels)


def through(image: Image.Image, form: str, **options: object) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return Image.open(io.BytesIO(buffer.getvalue()))


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate 90° clockwise to show
    turned = to_rgb(through(gradient(), "PNG", exif=exif))
    assert turned.size == (40, 48)
    assert turned.tobytes() == gradient().rotate(-90, expand=True).tobytes()


def test_exif_rotation_is_applied_where_the_rest_of_it_cannot_be_written():
    # A text field has the type of a fraction: Pillow reads it, but raises when writing it.
    photo = through(gradient(), "PNG", exif=unwritable_exif())
    assert to_rgb(photo).tobytes() == gradient().rotate(-90, expand=True).tobytes()


def test_a_broken_exif_is_no_reason_to_refuse_a_picture():
    broken = through(gradient(), "PNG", exif=b"Exif")
    assert to_rgb(broken).tobytes() == gradient().tobytes()


def test_transparency_lies_on_white():
    clear = gradient().convert("RGBA")
    clear.putalpha(0)
    assert to_rgb(clear).getextrema() == ((255, 255),) * 3


def test_a_transparent_palette_lies_on_white_too():
    palette = gradient().convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    assert to_rgb(palette).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["CMYK", "P", "L", "LA", "1", "YCbCr", "HSV"])
def test_every_common_mode_becomes_rgb_of_the_same_size(mode):
    rgb = to_rgb(gradient().convert("RGBA" if mode == "LA" else "RGB").convert(mode))
    assert (rgb.mode, rgb.size) == ("RGB", (48, 40))


def test_cmyk_keeps_the_colours():
    assert psnr(np.asarray(to_rgb(gradient().convert("CMYK"))), np.asarray(gradient())) > 40


def test_sixteen_bit_gray_keeps_its_range():
    deep = Image.fromarray(np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16))
    rgb = np.asarray(to_rgb(through(deep, "PNG")))
    assert (rgb.min(), rgb.max()) == (0, 255)
    assert abs(float(rgb.mean()) - 127.5) < 1


def test_float_pictures_are_refused():
    with pytest.raises(ImageError, match="8 or 16 bit"):
        to_rgb(Image.new("F", (64, 64)))


@pytest.mark.parametrize("size", [(31, 100), (100, 31), (401, 100), (100, 401)])
def test_too_small_or_elongated_pictures_are_refused(size):
    with pytest.raises(ImageError):
        working_size(*size, area=64**2, multiple=4)


@pytest.mark.parametrize(
    "size", [(32, 32), (32, 128), (128, 32), (64, 64), (640, 480), (4032, 3024), (333, 500)]
)
@pytest.mark.parametrize(("native", "multiple"), [(64, 4), (512, 8), (768, 8)])
def test_the_working_size_is_near_the_native_area_and_the_pictures_shape(size, native, multiple):
    width, height = working_size(*size, area=native**2, multiple=multiple)
    assert width % multiple == height % multiple == 0
    assert 0.8 < width * height / native**2 < 1.25
    assert 0.93 < (width / height) / (size[0] / size[1]) < 1.07


def test_the_native_size_is_worked_at_as_it_is():
    assert working_size(512, 512, area=512**2, multiple=8) == (512, 512)


def test_pixels_at_the_pictures_own_size_are_not_resampled():
    pixels = to_pixels(gradient(), (48, 40))
    assert to_image(pixels, (48, 40)).tobytes() == gradient().tobytes()


def test_a_colour_profile_is_applied_and_nothing_beside_the_pixels_stays():
    # This profile swaps red and green.
    profile = colour_profile(GREEN, RED, BLUE)
    red = through(Image.new("RGB", (40, 40), (200, 0, 0)), "PNG", icc_profile=profile)
    rgb = to_rgb(red)
    r, g, b = rgb.getpixel((0, 0))
    assert 195 <= g <= 205 and max(r, b) <= 5  # a gamma of 2.2 is not quite sRGB's curve
    assert rgb.info == {}


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_a_profile_is_applied_under_transparency_too(mode):
    clear = Image.new("RGBA", (40, 40), (200, 0, 0, 0))
    clear.paste((200, 0, 0, 255), (0, 0, 20, 40))
    image = clear.quantize(4) if mode == "P" else clear
    rgb = to_rgb(through(image, "PNG", icc_profile=colour_profile(GREEN, RED, BLUE)))
    assert rgb.getpixel((30, 10)) == (255, 255, 255)
    r, g, b = rgb.getpixel((10, 10))
    assert g > 190 and max(r, b) <= 8


@pytest.mark.parametrize("profile", [b"no profile", colour_profile(RED, GREEN, BLUE)[:200]])
def test_a_broken_profile_is_passed_over(profile):
    image = through(gradient(), "PNG", icc_profile=profile)
    assert to_rgb(image).tobytes() == gradient().tobytes()


def test_a_profile_of_another_kind_than_the_picture_is_passed_over():
    gray = gradient().convert("L")
    tagged = through(gray, "PNG", icc_profile=colour_profile(RED, GREEN, BLUE))
    assert to_rgb(tagged).tobytes() == gray.convert("RGB").tobytes()


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_a_profile_gives_gray_the_same_tones_in_every_mode(mode):
    gray = gradient().convert("L")
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    image = deep if mode == "I;16" else gray.convert(mode)
    shown = to_rgb(through(image, "PNG", icc_profile=gray_profile(1.0)))
    wanted = to_rgb(through(gray, "PNG", icc_profile=gray_profile(1.0)))
    bright = np.asarray(gray) > 40  # Little CMS is coarse in the shadows of 16 bits
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(wanted))[bright].max() <= 2
    assert np.asarray(shown)[20, 24, 0] > np.asarray(gray)[20, 24] + 30


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
def test_a_transparent_colour_is_white_under_a_profile_too(mode):
    image = gradient().convert("L") if mode == "L" else gradient()
    profile = gray_profile(1.0) if mode != "RGB" else colour_profile(GREEN, RED, BLUE)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(gradient().convert("L")).astype(np.uint16) * 257)
    key = image.getpixel((0, 0))
    rgb = to_rgb(through(image, "PNG", transparency=key, icc_profile=profile))
    assert rgb.getpixel((0, 0)) == (255, 255, 255)
    assert rgb.getpixel((30, 30)) != (255, 255, 255)


def test_an_orientation_in_xmp_does_not_rotate():
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    photo = through(gradient(), "WEBP", lossless=True, xmp=xmp)
    assert to_rgb(photo).size == gradient().size
