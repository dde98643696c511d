"""Images with something behind them, or without their end."""

from tests.support import heif_files
from tests.support.reported.row import (
    Reported,
    detailed,
    exif,
    jpeg,
    picture,
    save,
)

_MP4 = b"\0\0\0\x1cftypisom\0\0\2\0isomiso2mp41\0\0\x10\0mdat" + bytes(range(1, 256)) * 16
_SAMSUNG = (
    b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1600000000000\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data"
)
_SAMSUNG += _MP4 + b"SEFHj\0\0\0\1\0\0\0\0\0\0\0SEFT"


def _cut(data: bytes, share: float = 0.7) -> bytes:
    """Return a JPEG whose last scan ends early, before its end is stated."""
    start = data.rindex(b"\xff\xda")
    return data[: start + round((len(data) - start) * share)]


def _last_scan_missing() -> bytes:
    data = jpeg(detailed(), progressive=True)
    return data[: data.rindex(b"\xff\xda")]


def _webp_with_cut_exif() -> bytes:
    data = save("WEBP", lossless=True, exif=exif(1) + bytes(400))
    return data[:-200]


TRAILERS = [
    Reported(
        "trailer",
        "JPEG without its end",
        lambda: jpeg()[:-2],
        source="python-pillow/Pillow/issues/4414",
    ),
    Reported("trailer", "JPEG without the end's last byte", lambda: jpeg()[:-1]),
    Reported(
        "trailer",
        "JPEG without its end, in scans",
        lambda: jpeg(progressive=True)[:-2],
        source="python-pillow/Pillow/issues/2717",
    ),
    Reported(
        "trailer",
        "JPEG without its end, with a phone's entries and video",
        lambda: jpeg()[:-2] + _SAMSUNG,
        source="libjpeg-turbo/libjpeg-turbo/issues/163",
    ),
    Reported(
        "trailer",
        "JPEG without its end, in scans, with a video",
        lambda: jpeg(progressive=True)[:-2] + _SAMSUNG,
    ),
    Reported(
        "trailer",
        "JPEG with zeros in place of its end",
        lambda: jpeg()[:-2] + bytes(4096),
        source="python-pillow/Pillow/issues/123",
    ),
    Reported("trailer", "motion photo", lambda: jpeg() + _MP4),
    Reported("trailer", "JPEG with text behind it", lambda: jpeg() + b"\r\n--boundary--\r\n"),
    Reported("trailer", "PNG without its end", lambda: save("PNG")[:-12]),
    Reported("trailer", "PNG with more behind it", lambda: save("PNG") + _MP4),
    Reported(
        "trailer",
        "WebP whose EXIF is cut off",
        _webp_with_cut_exif,
        source="SixLabors/ImageSharp/issues/3010",
    ),
    Reported("trailer", "WebP with more behind it", lambda: save("WEBP", lossless=True) + _MP4),
    Reported(
        "trailer",
        "HEIC whose video is cut off",
        lambda: heif_files.heic(picture()) + b"\0\0\x10\0mpvd" + bytes(99),
    ),
    Reported(
        "trailer", "HEIC with a phone's entries", lambda: heif_files.heic(picture()) + _SAMSUNG
    ),
    Reported("trailer", "AVIF with text behind it", lambda: heif_files.avif(picture()) + b"\r\n--"),
    *(
        Reported("trailer", f"JPEG whose scan ends early, {name}", make, None, refused="truncated")
        for name, make in {
            "without more": lambda: _cut(jpeg(detailed())),
            "with an end": lambda: _cut(jpeg(detailed())) + b"\xff\xd9",
            "with zeros": lambda: _cut(jpeg(detailed())) + bytes(4096),
            "with a phone's entries": lambda: _cut(jpeg(detailed())) + _SAMSUNG,
            "with a video": lambda: _cut(jpeg(detailed()), 0.95) + _MP4,
            "in several": lambda: _cut(jpeg(detailed(), progressive=True)),
            "the last one missing": _last_scan_missing,
        }.items()
    ),
    Reported(
        "trailer",
        "PNG whose data ends early",
        lambda: save("PNG", detailed())[:-2000],
        None,
        refused="truncated",
    ),
    Reported(
        "trailer",
        "HEIC whose data ends early",
        lambda: heif_files.heic(detailed())[:-99],
        None,
        refused="truncated",
    ),
    Reported(
        "trailer",
        "AVIF whose data ends early",
        lambda: heif_files.avif(detailed())[:-99],
        None,
        refused="truncated",
    ),
]
