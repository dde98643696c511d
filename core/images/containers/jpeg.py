"""JPEG (ITU-T T.81): the segments that make the image, without metadata and trailers."""

import re
from dataclasses import dataclass

from core.errors import InvalidImage
from core.images.containers.still import BROKEN, UNREADABLE, StillImage, orientation_of

SOI, EOI = b"\xff\xd8", b"\xff\xd9"

_SOS = 0xDA
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_TABLES = {0xC4, 0xCC, 0xDB, 0xDC, 0xDD}
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_WITH_LENGTH = _FRAMES | _TABLES | {_SOS, 0xDE, 0xDF, 0xFE, *range(0xE0, 0xF0)}

# In a scan, FF is followed by 00 (an FF of data), a restart marker, or another FF (filling).
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
_MARKER = re.compile(rb"\xff[\x01-\xfe]", re.DOTALL)
# What phones append to an image that does not state its end: Samsung's entries (type, length of the
# name, name) and videos.
_TRAILER = re.compile(rb"\0\0..[\x05-\x40]\0\0\0[A-Z][A-Za-z]+_|\0\0\0[\x08-\xff]ftyp", re.DOTALL)

# Zeros at the end of a scan that stand for what was not written. Flat images end in some, too.
_MIN_FILLING = 512

_EXIF, _ICC = b"Exif\0\0", b"ICC_PROFILE\0"


@dataclass(frozen=True)
class _Segment:
    marker: int
    body: bytes  # without marker and length
    scan: bytes = b""  # the entropy-coded data behind a start of scan

    def encode(self) -> bytes:
        header = bytes([0xFF, self.marker]) + (len(self.body) + 2).to_bytes(2, "big")
        return header + self.body + self.scan


def read_jpeg(data: bytes) -> StillImage:
    """Read a JPEG up to the end of its first image.

    Phones put more images, videos and notes behind it. If they are there but the end is not, the
    image may still be whole; only a decoder can tell: see `with_more_data`.

    Raises:
        InvalidImage: no image begins, a scan is missing, or its samples do not have 8 bits.
    """
    segments, ended = _segments(data)
    frame = next((segment for segment in segments if segment.marker in _FRAMES), None)
    if frame is None or not frame.body or not any(one.marker == _SOS for one in segments):
        raise InvalidImage(UNREADABLE)
    if frame.body[0] != 8:
        raise InvalidImage(f"This JPEG has {frame.body[0]} bits per sample; only 8 can be read.")
    if not ended and not _has_every_scan(frame, segments):
        raise InvalidImage(BROKEN)
    profile = _profile(segments)
    exif = [one.body for one in segments if one.marker == _APP1 and one.body.startswith(_EXIF)]
    return StillImage(
        "JPEG",
        b"".join([SOI, *(one.encode() for one in segments if _is_pixels(one)), EOI]),
        profiles=(profile,) if profile else (),
        orientation=orientation_of(exif),
        ended=ended,
    )


def with_more_data(jpeg: bytes) -> bytes:
    """Return a JPEG of `read_jpeg` with meaningless data behind its last scan.

    A decoder passes over it if the scan is complete. If not, it takes it for pixels; restart
    markers, which continue the scan's own, let it go on after each interval.
    """
    noise = bytes(i * i * 31 % 251 for i in range(256))
    last = max(range(8), key=lambda number: jpeg.rfind(bytes([0xFF, 0xD0 + number])))
    markers = (bytes([0xFF, 0xD0 + (last + number) % 8]) for number in range(1, 17))
    return jpeg.removesuffix(EOI) + noise + b"".join(one + noise for one in markers) + EOI


def _is_pixels(segment: _Segment) -> bool:
    """Return whether a decoder needs a segment: JFIF and Adobe's tell it the colours' meaning."""
    if segment.marker == _APP0:
        return segment.body.startswith(b"JFIF\0")
    if segment.marker == _APP14:
        return segment.body.startswith(b"Adobe")
    return segment.marker in _FRAMES | _TABLES | {_SOS}


def _segments(data: bytes) -> tuple[list[_Segment], bool]:
    """Return the first image's segments, and whether its end is stated."""
    segments: list[_Segment] = []
    at, scanned = len(SOI), False
    while (found := _MARKER.search(data, at)) is not None:
        marker, start = data[found.start() + 1], found.end()
        if scanned and data[at : found.start()].strip(b"\xff"):
            break  # between scans, one segment follows another: this is something else
        if marker == EOI[1]:
            return segments, True
        length = int.from_bytes(data[start : start + 2], "big")
        if marker not in _WITH_LENGTH or length < 2:
            if scanned:
                break
            at = start
            continue
        at = start + length
        body = data[start + 2 : at]
        if marker != _SOS:
            segments.append(_Segment(marker, body))
            continue
        stop, scanned = _SCAN_END.search(data, at), True
        end = stop.start() if stop else len(data)
        segments.append(_Segment(marker, body, data[at:end].rstrip(b"\xff")))
        at = end
    return _without_trailer(segments), False


def _without_trailer(segments: list[_Segment]) -> list[_Segment]:
    """Return the segments up to the last scan, which ends before zeros and known trailers."""
    scans = [index for index, segment in enumerate(segments) if segment.marker == _SOS]
    if not scans:
        return segments
    last = segments[scans[-1]]
    trailer = _TRAILER.search(last.scan)
    scan = last.scan[: trailer.start()] if trailer else last.scan
    written = len(scan.rstrip(b"\0"))
    if len(scan) - written >= _MIN_FILLING:
        scan = scan[: written + 4]  # a few may be its own
    return [*segments[: scans[-1]], _Segment(last.marker, last.body, scan)]


def _has_every_scan(frame: _Segment, segments: list[_Segment]) -> bool:
    """Return whether the scans contain every coefficient to its last bit (T.81, B.2.3).

    Only progressive frames spread them over scans. In others, phones write nonsense about it.
    """
    missing = {(component, k) for component in frame.body[6::3] for k in range(64)}
    for scan in (segment.body for segment in segments if segment.marker == _SOS):
        count = scan[0] if scan else 0
        components, bounds = scan[1 : 1 + 2 * count : 2], scan[1 + 2 * count : 4 + 2 * count]
        if frame.marker not in _PROGRESSIVE:
            bounds = bytes([0, 63, 0])
        if len(bounds) == 3 and not bounds[2] & 15:
            missing -= {(one, k) for one in components for k in range(bounds[0], bounds[1] + 1)}
    return not missing


def _profile(segments: list[_Segment]) -> bytes:
    """Return the ICC profile, put together from its numbered parts (ICC.1, B.4); empty: none."""
    parts: dict[int, bytes] = {}
    count = 0
    for segment in segments:
        if segment.marker == _APP2 and segment.body.startswith(_ICC) and len(segment.body) > 14:
            number, count = segment.body[12], segment.body[13]
            parts.setdefault(number, segment.body[14:])
    whole = range(1, count + 1)
    return b"".join(parts[number] for number in whole) if set(whole) <= set(parts) else b""
