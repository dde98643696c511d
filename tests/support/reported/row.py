"""A row of the table of reported files, and the picture that all of them show."""

import io
from collections.abc import Callable
from dataclasses import dataclass

from PIL import ExifTags, Image

from tests.support import crafted_images as crafted
from tests.support import heif_files

Colour = tuple[int, int, int]
Quadrants = tuple[Colour, Colour, Colour, Colour]  # top left, top right, bottom left, bottom right

SIZE = (128, 96)
QUADRANTS: Quadrants = ((200, 30, 30), (30, 160, 40), (40, 60, 200), (230, 210, 40))
# By EXIF's orientation 6: what was bottom left is top left.
TURNED: Quadrants = (QUADRANTS[2], QUADRANTS[0], QUADRANTS[3], QUADRANTS[1])
# As gray: ITU-R BT.601's luma, as Pillow computes it.
GRAYS: Quadrants = ((81, 81, 81), (108, 108, 108), (70, 70, 70), (197, 197, 197))
WHITE = (255, 255, 255)
# Computed with `reference_rendering` from QUADRANTS, and from GRAYS.
SWAPPED: Quadrants = ((24, 201, 24), (161, 24, 35), (57, 35, 201), (211, 231, 35))


@dataclass(frozen=True)
class Reported:
    """A file and what must come of it: quadrants, or the words by which it is refused."""

    kind: str
    name: str
    make: Callable[[], bytes]
    shown: Quadrants | None = QUADRANTS
    size: tuple[int, int] = SIZE
    refused: str = ""
    source: str = ""  # under github.com


def picture(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    image = Image.new("RGB", size)
    width, height = size
    for index, colour in enumerate(QUADRANTS):
        left, top = index % 2 * width // 2, index // 2 * height // 2
        image.paste(colour, (left, top, left + width // 2, top + height // 2))
    return image.convert(mode)


def detailed() -> Image.Image:
    """Return the picture with so much detail that every row of it needs data."""
    noise = Image.effect_noise(SIZE, 24).convert("RGB")
    return Image.blend(picture(), noise, 0.05)


def save(form: str, image: Image.Image | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    (image or picture()).save(file, form, **options)
    return file.getvalue()


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    return save("JPEG", image, **{"quality": 95, "subsampling": 0, **options})


def png(*chunks: tuple[bytes, bytes], image: Image.Image | None = None, after: int = 1) -> bytes:
    """Return a PNG with more chunks behind its first ones."""
    return insert(save("PNG", image), *(crafted.chunk(*one) for one in chunks), after=after)


def insert(data: bytes, *chunks: bytes, after: int = 1) -> bytes:
    at = 8
    for _ in range(after):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    return data[:at] + b"".join(chunks) + data[at:]


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    return block.tobytes()


def avif_with_exif() -> bytes:
    """Return an AVIF whose EXIF says turned, and which does not turn its image.

    Pillow would move an orientation from EXIF to `irot`, so it is another tag at first.
    """
    block = Image.Exif()
    block[0x0113] = 6
    data = heif_files.avif(picture(), exif=block.tobytes())
    turned = data.replace(b"\x01\x13\0\3\0\0\0\1\0\6", b"\x01\x12\0\3\0\0\0\1\0\6")
    assert turned != data
    return turned


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)
