"""HEIC and AVIF: which codec, which colours, what is cropped away, and whether anything moves."""

import struct
from fractions import Fraction
from math import floor

from core.errors import InvalidImage, UnsupportedImage
from core.images.color.profiles import Cicp, cicp_profile
from core.images.containers import av1, bmff, hevc
from core.images.containers.still import ANIMATED, BROKEN, Box, StillImage

# Kinds of coded images: Pillow's name of the decoder, and the major brand by which Pillow knows it.
_CODECS = {b"hvc1": ("HEIF", b"heic"), b"av01": ("AVIF", b"avif")}
_NAMES = {
    b"avc1": "H.264",
    b"hvt1": "HEVC tiles",
    b"j2k1": "JPEG 2000",
    b"jpeg": "JPEG",
    b"unci": "uncompressed pixels",
    b"vvc1": "VVC",
}
# Brands of files that hold still images, in any place of the list.
STILL_BRANDS = frozenset(
    b"avif avis heic heim heis heix hevc hevx hevm hevs mif1 mif2 msf1 miaf "
    b"MA1A MA1B MiHA MiHB MiHE MiPr".split()
)
# Major brands of files that are to be played.
_SEQUENCE_BRANDS = {b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"}
# Brands by which libheif knows a file.
_LIBHEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"mif1"}
_METADATA = (b"Exif", b"mime", b"uri ")
_IGNORED = b"skip"


def brands(data: bytes) -> set[bytes]:
    """Return all brands that a file states, the major one included."""
    return {data[8:12], *_compatible_brands(data)}


def _compatible_brands(data: bytes) -> set[bytes]:
    end = min(int.from_bytes(data[:4], "big"), len(data), 4096)
    return {data[at : at + 4] for at in range(16, end - 3, 4)}


def read_heif(data: bytes) -> StillImage:
    """Read a HEIC or AVIF: its primary image.

    The kind of that item decides on the codec, whatever the brands say. Other stills (bursts,
    thumbnails, depth, gain maps) are passed over. So is a track beside it, unless the major brand
    says that the file is to be played, as browsers and libavif decide it.

    Raises:
        InvalidImage: it is cut off, broken or animated.
        UnsupportedImage: it holds no still image, or one of a codec that cannot be read.
    """
    top = list(bmff.boxes(data, 0, len(data)))
    metas = [box for box in top if box.kind == b"meta"]
    if (data[8:12] in _SEQUENCE_BRANDS or not metas) and _has_moving_track(data, top):
        raise InvalidImage(ANIMATED)
    if not metas:
        if any(box.kind == b"moov" for box in top) or not STILL_BRANDS & brands(data):
            raise UnsupportedImage("This file is a video. Send a still image.")
        raise InvalidImage(BROKEN)
    meta = bmff.read_meta(data, metas[0])
    coded = meta.coded()
    if coded.kind not in _CODECS:
        name = _NAMES.get(coded.kind, repr(coded.kind.decode("ascii", "replace")))
        raise UnsupportedImage(f"This HEIF file holds {name}; only HEVC and AV1 can be read.")
    if meta.data_end() > len(data):
        raise InvalidImage(BROKEN)
    form, brand = _CODECS[coded.kind]
    colors = meta.properties(b"colr")
    profiles = (*_icc(colors), *_nclx(colors))
    if not profiles:
        stated = (
            av1.code_points(data[coded.start : coded.end])
            if form == "AVIF"
            else hevc.code_points(b"".join(meta.properties(b"hvcC")[:1]))
        )
        profiles = _from_code_points([stated] if stated else [])
    return StillImage(
        form,
        _for_decoder(data, top, meta, brand),
        profiles=profiles,
        # libheif crops and turns; libavif reports its turns as an orientation.
        crop=_crop(meta) if form == "AVIF" else None,
        gray=_is_monochrome(meta, form),
    )


def _has_moving_track(data: bytes, top: list[bmff.Box]) -> bool:
    """Return whether a track of images has several. A video beside a photo is another kind."""
    for moov in (box for box in top if box.kind == b"moov"):
        for track in bmff.find(data, moov, b"trak"):
            handlers = bmff.find(data, track, b"mdia", b"hdlr")
            if not any(data[one.body + 8 : one.body + 12] == b"pict" for one in handlers):
                continue
            for sizes in bmff.find(data, track, b"mdia", b"minf", b"stbl", b"stsz"):
                if int.from_bytes(data[sizes.body + 8 : sizes.body + 12], "big") > 1:
                    return True
    return False


def _icc(colors: list[bytes]) -> tuple[bytes, ...]:
    return tuple(body[4:] for body in colors if body[:4] in (b"prof", b"rICC"))


def _nclx(colors: list[bytes]) -> tuple[bytes, ...]:
    points = [
        (int.from_bytes(body[4:6], "big"), int.from_bytes(body[6:8], "big"))
        for body in colors
        if body[:4] == b"nclx" and len(body) >= 10
    ]
    return _from_code_points(points)


def _from_code_points(points: list[tuple[int, int]]) -> tuple[bytes, ...]:
    # The decoder applies matrix and range.
    return tuple(
        profile for pair in points for profile in cicp_profile(Cicp(*pair, full_range=True))
    )


def _is_monochrome(meta: bmff.Meta, form: str) -> bool:
    """Return whether the file is gray, by the configuration of its codec."""
    if form == "AVIF":  # AV1-ISOBMFF, 2.3.3
        return any(len(body) > 2 and body[2] & 0x10 for body in meta.properties(b"av1C")[:1])
    configured = meta.properties(b"hvcC")[:1]  # ISO/IEC 14496-15, 8.3.3.1.2
    return any(len(body) > 16 and body[16] & 3 == 0 for body in configured)


def _crop(meta: bmff.Meta) -> Box | None:
    """Return the clean aperture (ISO/IEC 14496-12, 12.1.4) as a box, if it is one."""
    apertures, sizes = meta.properties(b"clap"), meta.properties(b"ispe")
    if not apertures or not sizes or len(apertures[0]) < 32 or len(sizes[0]) < 12:
        return None
    numbers = struct.unpack(">IIIIiIiI", apertures[0][:32])
    if 0 in numbers[1::2]:
        return None
    width, height, right, down = map(Fraction, numbers[::2], numbers[1::2])
    full_width, full_height = struct.unpack(">II", sizes[0][4:12])
    left = floor(Fraction(full_width, 2) + right - width / 2)
    top = floor(Fraction(full_height, 2) + down - height / 2)
    box = left, top, left + floor(width), top + floor(height)
    inside = 0 <= box[0] < box[2] <= full_width and 0 <= box[1] < box[3] <= full_height
    return box if inside else None


def _for_decoder(data: bytes, top: list[bmff.Box], meta: bmff.Meta, brand: bytes) -> bytes:
    """Return the file as its decoder knows it, each byte of the pixels in its place."""
    changed = bytearray(data)
    changed[8:12] = brand
    listed = _compatible_brands(data)
    if brand == b"heic" and listed and not _LIBHEIF_BRANDS & listed:
        changed[16:20] = brand
    for box in top:
        if box.kind == b"moov":  # a video beside the photo
            changed[box.start + 4 : box.start + 8] = b"free"
    for item in meta.items.values():
        if item.kind in _METADATA:
            changed[item.kind_at : item.kind_at + 4] = _IGNORED
    if top[-1].end != len(data):  # what follows the last whole box is not a box
        tail = top[-1].end if top[-1].end < len(data) else top[-1].start
        if top[-1].end > len(data) and top[-1].kind in (b"mdat", b"meta"):
            changed[tail : tail + 4] = (len(data) - tail).to_bytes(4, "big")
        else:
            del changed[tail:]
    return bytes(changed)
