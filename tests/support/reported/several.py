"""Files with more than one image."""

import io
import struct

from tests.support import crafted_images as crafted
from tests.support import heif_files
from tests.support.reported.row import (
    SIZE,
    TURNED,
    Reported,
    exif,
    picture,
    png,
    save,
)


def _with_gain_map() -> bytes:
    """Return a JPEG with a gain map behind it, as phones with HDR write them."""
    return save("MPO", save_all=True, append_images=[picture("L", (64, 48))], quality=95)


def _one_frame(form: str) -> bytes:
    return save(form, save_all=True, lossless=True)


def _second_is_primary() -> bytes:
    file = io.BytesIO()
    others = [picture()]
    turned = picture().rotate(180)
    turned.save(
        file, "HEIF", quality=-1, chroma=444, save_all=True, append_images=others, primary_index=1
    )
    return file.getvalue()


def _ends_in_the_next() -> bytes:
    """Return a JPEG without its end, at once followed by another image."""
    data = save("MPO", save_all=True, append_images=[picture("L")], quality=95)
    second = data.rindex(b"\xff\xd8\xff")
    assert data[second - 2 : second] == b"\xff\xd9"
    return data[: second - 2] + data[second:]


SEVERAL = [
    Reported(
        "several images",
        "HEIC of a burst",
        lambda: heif_files.heic(picture(), *[picture().rotate(180)] * 2),
        source="ecency/imagehoster/issues/43",
    ),
    Reported("several images", "HEIC whose second image is the photo", _second_is_primary),
    Reported(
        "several images",
        "HEIC of a burst whose last image is cut off",
        lambda: heif_files.heic(picture(), picture().rotate(180))[:-60],
    ),
    Reported(
        "several images",
        "HEIC of tiles",
        lambda: save("HEIF", quality=-1, chroma=444, tile_size=64, exif=exif(6)),
        TURNED,
        (SIZE[1], SIZE[0]),
        source="strukturag/libheif/issues/227",
    ),
    Reported("several images", "JPEG whose end is the next one's start", _ends_in_the_next),
    Reported(
        "several images",
        "HEIC of the best shot, with its burst as a track",
        lambda: heif_files.with_track(heif_files.heic(picture()), handler=b"pict", samples=60),
        source="strukturag/heif-gimp-plugin/issues/6",
    ),
    Reported(
        "several images",
        "HEIC with a video beside it",
        lambda: heif_files.with_track(heif_files.heic(picture()), handler=b"vide", samples=9),
    ),
    Reported(
        "several images",
        "AVIF with a track of one image",
        lambda: heif_files.with_track(heif_files.avif(picture()), handler=b"pict", samples=1),
    ),
    Reported(
        "several images",
        "JPEG with a gain map",
        _with_gain_map,
        source="python-pillow/Pillow/issues/8052",
    ),
    Reported(
        "several images",
        "PNG animation of one frame",
        lambda: png((b"acTL", struct.pack(">II", 1, 0))),
    ),
    Reported("several images", "WebP of one frame", lambda: _one_frame("WEBP")),
    *(
        Reported("several images", f"{form} that moves", make, None, refused="animated")
        for form, make in {
            "HEIC": lambda: heif_files.with_brands(
                heif_files.with_track(heif_files.heic(picture()), handler=b"pict", samples=2),
                b"hevc",
                b"msf1",
            ),
            "AVIF": lambda: crafted.animated("AVIF"),
            "PNG": lambda: crafted.animated("PNG"),
            "WebP": lambda: crafted.animated("WEBP"),
        }.items()
    ),
]
