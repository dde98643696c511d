"""Boxes and items of HEIF files (ISO/IEC 14496-12, 23008-12): what HEIC and AVIF share."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from core.errors import InvalidImage
from core.images.containers.still import BROKEN

_MAX_BOXES = 20_000


@dataclass(frozen=True)
class Box:
    """A box, by its places in the file."""

    kind: bytes
    start: int  # of its header
    body: int
    end: int  # as stated, even beyond the file


@dataclass
class Item:
    """An item of the `meta` box, such as a coded image, a grid of them, or EXIF."""

    kind: bytes
    kind_at: int  # place of the four bytes that state it
    sources: list[int] = field(default_factory=list)  # ids of the items that it is derived from
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)  # kind and body
    start: int = 0  # of its data in the file
    end: int = 0  # 0: not in the file


@dataclass
class Meta:
    """The `meta` box."""

    primary: int = 0
    items: dict[int, Item] = field(default_factory=dict)

    def coded(self) -> Item:
        """Return the coded image that the primary item is, or is first derived from.

        Raises:
            InvalidImage: there is none.
        """
        item, seen = self.primary, set[int]()
        while item in self.items and item not in seen:
            seen.add(item)
            if not self.items[item].sources:
                return self.items[item]
            item = self.items[item].sources[0]
        raise InvalidImage(BROKEN)

    def data_end(self) -> int:
        """Return where in the file the data of the primary item and its sources end."""
        primary = self.items[self.primary]
        parts = [self.items[item] for item in primary.sources if item in self.items]
        return max(item.end for item in (primary, self.coded(), *parts))

    def properties(self, kind: bytes) -> list[bytes]:
        """Return the primary item's properties of a kind, or else those of its first source."""
        for item in (self.items[self.primary], self.coded()):
            if found := [body for name, body in item.properties if name == kind]:
                return found
        return []


def boxes(data: bytes, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places."""
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        elif size == 0:
            size = end - start
        if size < body - start:
            return
        yield Box(kind, start, body, start + size)
        start += size


def find(data: bytes, box: Box, *path: bytes, skip: int = 0) -> list[Box]:
    """Return the boxes inside a box under a path of kinds.

    Args:
        skip: bytes before the first of them, such as a version and flags.
    """
    end = min(box.end, len(data))
    inner = [one for one in boxes(data, box.body + skip, end) if one.kind == path[0]]
    if len(path) == 1:
        return inner
    return [found for one in inner for found in find(data, one, *path[1:])]


def read_meta(data: bytes, box: Box) -> Meta:
    """Read the `meta` box.

    Raises:
        InvalidImage: it is cut off or contradicts itself.
    """
    meta = Meta()
    readers = {b"pitm": _read_primary, b"iinf": _read_items, b"iprp": _read_properties}
    late = {b"iloc": _read_places, b"iref": _read_references}
    try:
        inner = list(boxes(data, box.body + 4, min(box.end, len(data))))
        for step in (readers, late):
            for one in inner:
                if one.kind in step:
                    step[one.kind](data, one, meta)
    except (struct.error, IndexError, OverflowError) as error:
        raise InvalidImage(BROKEN) from error
    if meta.primary not in meta.items:
        raise InvalidImage(BROKEN)
    return meta


class _Reader:
    """Reads big-endian numbers one after another."""

    def __init__(self, data: bytes, box: Box):
        self.at = box.body
        self._data, self._end = data, min(box.end, len(data))

    def take(self, size: int) -> bytes:
        found = self._data[self.at : min(self.at + size, self._end)]
        if len(found) < size:
            raise IndexError("a box is cut off")
        self.at += size
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")


def _read_primary(data: bytes, box: Box, meta: Meta) -> None:
    reader = _Reader(data, box)
    meta.primary = reader.number(2 if reader.number(4) >> 24 == 0 else 4)


def _read_items(data: bytes, box: Box, meta: Meta) -> None:
    skip = 6 if data[box.body] == 0 else 8
    for entry in boxes(data, box.body + skip, min(box.end, len(data))):
        reader = _Reader(data, entry)
        version = reader.number(4) >> 24
        if entry.kind == b"infe" and version >= 2:
            number = reader.number(2 if version == 2 else 4)
            reader.take(2)  # protection
            at = reader.at
            meta.items.setdefault(number, Item(reader.take(4), at))


def _read_properties(data: bytes, box: Box, meta: Meta) -> None:
    inner = list(boxes(data, box.body, min(box.end, len(data))))
    properties = [
        (one.kind, data[one.body : one.end])
        for container in inner
        if container.kind == b"ipco"
        for one in boxes(data, container.body, min(container.end, len(data)))
    ]
    for one in inner:
        if one.kind == b"ipma":
            _read_associations(_Reader(data, one), properties, meta)


def _read_associations(reader: _Reader, properties: list[tuple[bytes, bytes]], meta: Meta) -> None:
    full = reader.number(4)
    wide = full & 1
    for _ in range(reader.number(4)):
        item = meta.items.get(reader.number(2 if full >> 24 < 1 else 4))
        for _ in range(reader.number(1)):
            index = reader.number(2 if wide else 1) & (0x7FFF if wide else 0x7F)
            if item is not None and 0 < index <= len(properties):
                item.properties.append(properties[index - 1])


def _read_places(data: bytes, box: Box, meta: Meta) -> None:
    reader = _Reader(data, box)
    version = reader.number(4) >> 24
    sizes = reader.number(2)
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    for _ in range(reader.number(2 if version < 2 else 4)):
        item = meta.items.get(reader.number(2 if version < 2 else 4))
        method = reader.number(2) & 15 if version else 0
        reader.take(2)  # another file
        base = reader.number(base_size)
        for _ in range(reader.number(2)):
            reader.take(index_size)
            offset, length = reader.number(offset_size), reader.number(length_size)
            if item is not None and method == 0:
                item.start = item.start or base + offset
                item.end = max(item.end, base + offset + length)


def _read_references(data: bytes, box: Box, meta: Meta) -> None:
    size = 2 if data[box.body] == 0 else 4
    for one in boxes(data, box.body + 4, min(box.end, len(data))):
        reader = _Reader(data, one)
        item = meta.items.get(reader.number(size))
        sources = [reader.number(size) for _ in range(reader.number(2))]
        if item is not None and one.kind == b"dimg":
            item.sources = sources
