"""Images that are to be turned or cropped."""

import struct
import zlib

from tests.support import crafted_images as crafted
from tests.support import heif_files
from tests.support.reported.row import (
    QUADRANTS,
    SIZE,
    TURNED,
    XMP,
    Reported,
    avif_with_exif,
    exif,
    jpeg,
    picture,
    png,
    save,
)

_TALL = (SIZE[1], SIZE[0])


def _exif_as_text() -> bytes:
    """Return a PNG with EXIF as ImageMagick wrote it."""
    block = exif(6)
    text = b"\nexif\n%8d\n%s\n" % (len(block), block.hex().encode())
    return png((b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text)))


def _long_orientation() -> bytes:
    """Return EXIF whose orientation is a 32-bit number."""
    return crafted.ifd((0x112, 4, 1, 6))


def _heic_with_exif() -> bytes:
    """Return a HEIC whose EXIF says turned, and which does not turn its image."""
    plain = heif_files.heic(picture(), exif=exif(1))
    turned = plain.replace(exif(1)[6:], exif(6)[6:])
    assert turned != plain
    return turned


TURNS = [
    *(
        Reported(
            "orientation",
            f"{form} with EXIF",
            lambda form=form, more=more: save(form, exif=exif(6), **more),
            TURNED,
            _TALL,
        )
        for form, more in (("JPEG", {"quality": 95}), ("PNG", {}), ("WEBP", {"lossless": True}))
    ),
    Reported(
        "orientation",
        "PNG with EXIF as text",
        _exif_as_text,
        TURNED,
        _TALL,
        source="python-pillow/Pillow/pull/4560",
    ),
    Reported(
        "orientation",
        "JPEG with EXIF in a wide number",
        lambda: jpeg(exif=_long_orientation()),
        TURNED,
        _TALL,
    ),
    *(
        Reported(
            "orientation",
            f"{form} with XMP alone",
            lambda form=form, more=more: save(form, **more),
            source="python-pillow/Pillow/issues/4529",
        )
        for form, more in (
            ("JPEG", {"quality": 95, "xmp": XMP}),
            ("WEBP", {"lossless": True, "xmp": XMP}),
        )
    ),
    Reported(
        "orientation",
        "PNG with XMP alone",
        lambda: png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)),
    ),
    Reported(
        "orientation",
        "HEIC with EXIF and no irot",
        _heic_with_exif,
        source="strukturag/libheif/issues/227",
    ),
    Reported(
        "orientation",
        "AVIF with EXIF and no irot",
        avif_with_exif,
        source="AOMediaCodec/libavif/issues/996",
    ),
    Reported(
        "orientation",
        "HEIC with EXIF and irot",
        lambda: heif_files.with_properties(_heic_with_exif(), (b"irot", b"\3")),
        TURNED,
        _TALL,
        source="libvips/libvips/issues/2551",
    ),
    *(
        Reported(
            "crop",
            f"{form} with a clean aperture",
            lambda write=write: heif_files.with_properties(
                write(picture()), (b"clap", heif_files.clap(SIZE, (64, 0, 128, 48)))
            ),
            (QUADRANTS[1],) * 4,
            (64, 48),
            source="AOMediaCodec/libavif/issues/2427",
        )
        for form, write in (("AVIF", heif_files.avif), ("HEIC", heif_files.heic))
    ),
    Reported(
        "crop",
        "AVIF cropped and turned",
        lambda: heif_files.with_properties(
            heif_files.avif(picture()),
            (b"clap", heif_files.clap(SIZE, (0, 0, 128, 48))),
            (b"irot", b"\3"),
        ),
        (QUADRANTS[0], QUADRANTS[0], QUADRANTS[1], QUADRANTS[1]),
        (48, 128),
    ),
    Reported(
        "crop",
        "AVIF with an aperture between pixels",
        lambda: heif_files.with_properties(
            heif_files.avif(picture()),
            (b"clap", struct.pack(">IIIIiIiI", 128, 1, 49, 1, 0, 1, 0, 1)),
        ),
        QUADRANTS,
        (128, 49),
        source="AOMediaCodec/av1-avif/issues/150",
    ),
    Reported(
        "crop",
        "AVIF with an aperture beyond its edge",
        lambda: heif_files.with_properties(
            heif_files.avif(picture()), (b"clap", heif_files.clap(SIZE, (64, 0, 192, 48)))
        ),
    ),
]
