"""HEIC and AVIF by their brands."""

from collections.abc import Callable

from tests.support import heif_files
from tests.support.reported.row import (
    Reported,
    picture,
)


def _branded(form: str, major: bytes, *compatible: bytes) -> Callable[[], bytes]:
    write = heif_files.avif if form == "AVIF" else heif_files.heic
    return lambda: heif_files.with_brands(write(picture()), major, *compatible)


BRANDS = [
    Reported(
        "brand",
        "AVIF of mif1",
        _branded("AVIF", b"mif1", b"avif", b"mif1", b"miaf"),
        source="fdintino/pillow-avif-plugin/issues/5",
    ),
    Reported(
        "brand",
        "AVIF of miaf",
        _branded("AVIF", b"miaf", b"avif", b"mif1", b"miaf"),
        source="h2non/filetype/pull/163",
    ),
    Reported(
        "brand",
        "AVIF of mif1 alone",
        _branded("AVIF", b"mif1"),
        source="gpac/ComplianceWarden/issues/19",
    ),
    Reported(
        "brand",
        "AVIF without mif1",
        _branded("AVIF", b"avif"),
        source="mozilla/mp4parse-rust/issues/236",
    ),
    *(
        Reported("brand", f"{form} of {major.decode()}", _branded(form, major, other))
        for form in ("AVIF", "HEIC")
        for major, other in (
            (b"MA1B", b"avif"),
            (b"MiHB", b"heic"),
            (b"heic", b"mif1"),
            (b"avif", b"miaf"),
            (b"msf1", b"mif1"),
            (b"mif2", b"mif1"),
        )
    ),
    Reported("brand", "HEIC of mif1 alone", _branded("HEIC", b"mif1")),
    Reported(
        "brand",
        "a coding that cannot be read",
        lambda: heif_files.heic(picture()).replace(b"\0hvc1\0", b"\0avc1\0"),
        None,
        refused="H.264",
    ),
]
