import io
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import ExifTags, Image

from core.errors import (
    ImageOutOfRange,
    ImageTooLarge,
    InvalidImage,
    UnsupportedImage,
)
from core.images.inspection import MAX_BYTES, inspect, load_upright
from tests.support import crafted_images as crafted

Make = Callable[..., bytes]


def png_header(width: int, height: int) -> bytes:
    """Return a PNG with this size in its header and no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("form", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("HEIF", "image/heic"),
        ("AVIF", "image/avif"),
    ],
)
def test_each_accepted_format_is_known_by_content(
    make_image: Make, form: str, content_type: str
) -> None:
    image = inspect(make_image(form, size=(96, 64)))
    assert (image.width, image.height, image.content_type) == (96, 64, content_type)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1", "I;16"])
def test_every_kind_of_pixel_is_accepted(make_image: Make, mode: str) -> None:
    assert inspect(make_image("PNG", mode=mode)).width == 64


def test_cmyk_is_accepted(make_image: Make) -> None:
    assert inspect(make_image("JPEG", mode="CMYK")).content_type == "image/jpeg"


def test_a_photo_with_more_pictures_behind_it_is_one_photo(make_image: Make) -> None:
    # Phones write such files: depth map, gain map, a small preview.
    file = io.BytesIO()
    first = Image.new("RGB", (80, 60), "red")
    first.save(file, "MPO", save_all=True, append_images=[Image.new("RGB", (40, 30))])
    image = inspect(file.getvalue())
    assert (image.width, image.height, image.content_type) == (80, 60, "image/jpeg")


@pytest.mark.parametrize(
    ("orientation", "size"), [(1, (96, 64)), (3, (96, 64)), (6, (64, 96)), (8, (64, 96))]
)
def test_the_size_is_the_one_shown(
    make_image: Make, orientation: int, size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    image = inspect(make_image("JPEG", size=(96, 64), exif=exif))
    assert (image.width, image.height) == size


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [40, 4000])
def test_a_large_jpeg_is_read_to_its_end(make_image: Make, progressive: bool, missing: int) -> None:
    # JPEGs are read at an eighth of their size.
    data = make_image("JPEG", size=(2000, 1500), quality=95, progressive=progressive)
    assert inspect(data).width == 2000
    with pytest.raises(InvalidImage):
        inspect(data[:-missing])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
@pytest.mark.parametrize("share", [0.1, 0.6, 0.95])
def test_a_truncated_picture_is_invalid(make_image: Make, form: str, share: float) -> None:
    data = make_image(form, size=(200, 200))
    with pytest.raises(InvalidImage):
        inspect(data[: int(len(data) * share)])


@pytest.mark.parametrize("data", list(crafted.broken_pngs()))
def test_a_png_that_is_broken_inside_its_chunks_is_invalid(data: bytes) -> None:
    for read in (inspect, load_upright):
        with pytest.raises(InvalidImage):
            read(data)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_an_animated_picture_is_invalid(form: str) -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    frames[0].save(file, form, save_all=True, append_images=frames[1:])
    with pytest.raises(InvalidImage, match="animated"):
        inspect(file.getvalue())


def test_too_many_pixels_are_refused_by_the_header() -> None:
    # Decoding would fail with another error, because there are no pixels.
    with pytest.raises(ImageTooLarge):
        inspect(png_header(10_000, 5_051))
    with pytest.raises(ImageTooLarge):
        inspect(png_header(60_000, 60_000))


def test_too_many_bytes_are_refused(make_image: Make) -> None:
    with pytest.raises(ImageTooLarge):
        inspect(make_image() + bytes(MAX_BYTES))


@pytest.mark.parametrize(
    "data",
    [
        b"hello, I am a text",
        b"%PDF-1.7 ...",
        b"GIF89a" + bytes(40),
        b"BM" + bytes(60),
        b"\0\0\0\x18ftypisom" + bytes(40),  # a video
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_what_is_no_accepted_picture_is_unsupported(data: bytes) -> None:
    with pytest.raises(UnsupportedImage):
        inspect(data)


def test_an_empty_file_is_invalid() -> None:
    with pytest.raises(InvalidImage):
        inspect(b"")


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (1, 1), (32, 129), (161, 40), (400, 90)])
def test_tiny_and_elongated_pictures_are_out_of_range(
    make_image: Make, size: tuple[int, int]
) -> None:
    with pytest.raises(ImageOutOfRange):
        inspect(make_image(size=size))


@pytest.mark.parametrize("size", [(32, 32), (32, 128), (160, 40)])
def test_the_bounds_themselves_are_accepted(make_image: Make, size: tuple[int, int]) -> None:
    image = inspect(make_image(size=size))
    assert (image.width, image.height) == size
