"""Colours in HEVC parameter sets, written here by the syntax tables of ITU-T H.265."""

from dataclasses import dataclass

import pytest

from core.images.containers.hevc import code_points

POINTS = (9, 16)


class Writer:
    """Writes numbers bit by bit."""

    def __init__(self) -> None:
        self._bits = ""

    def put(self, value: int, count: int = 1) -> None:
        self._bits += f"{value:0{count}b}"

    def golomb(self, *values: int) -> None:
        for value in values:
            text = f"{value + 1:b}"
            self._bits += "0" * (len(text) - 1) + text

    def unit(self) -> bytes:
        """Return a NAL unit: the header, and the bytes with emulation prevention (7.3.1.1)."""
        bits = self._bits + "1"
        bits += "0" * (-len(bits) % 8)
        out, zeros = bytearray(b"\x42\x01"), 0
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if zeros == 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return bytes(out)


@dataclass(frozen=True)
class Set:
    """What a parameter set holds before its colours."""

    layers: int = 0
    chroma: int = 1
    window: bool = False
    ordering: bool = True
    lists: str = ""  # "default", "copied", "written"
    pcm: bool = False
    sets: tuple[tuple[int, int], ...] = ()  # pictures before and after, of each
    predicted: bool = False
    long_term: int = 0
    usability: bool = True
    aspect: int = 0
    overscan: bool = False
    signal: bool = True
    colors: bool = True

    def unit(self) -> bytes:
        w = Writer()
        w.put(0, 4)
        w.put(self.layers, 3)
        w.put(1)
        w.put(0x2200000003FF, 88)
        w.put(93, 8)
        for number in range(self.layers):
            w.put(3 if number else 1, 2)  # the first has a level alone
        if self.layers:
            w.put(0, 2 * (8 - self.layers))
        for number in range(self.layers):
            w.put(0, 96 if number else 8)
        w.golomb(0, self.chroma)
        if self.chroma == 3:
            w.put(0)
        w.golomb(4096, 3072)
        w.put(self.window)
        if self.window:
            w.golomb(0, 3, 0, 5)
        w.golomb(2, 2, 4)
        w.put(self.ordering)
        w.golomb(*(4, 0, 0) * (self.layers + 1 if self.ordering else 1))
        w.golomb(0, 3, 0, 3, 0, 0)
        self._lists(w)
        w.put(0b10, 2)
        w.put(self.pcm)
        if self.pcm:
            w.put(0x77, 8)
            w.golomb(0, 2)
            w.put(0)
        self._references(w)
        w.put(0b11, 2)
        w.put(self.usability)
        if self.usability:
            self._usability(w)
        return w.unit()

    def _lists(self, w: Writer) -> None:
        w.put(bool(self.lists))
        if not self.lists:
            return
        w.put(self.lists != "default")
        if self.lists == "default":
            return
        for size in range(4):
            for matrix in range(0, 6, 3 if size == 3 else 1):
                w.put(self.lists == "written")
                if self.lists == "copied":
                    w.golomb(min(matrix, 1))
                    continue
                w.golomb(*([7] if size > 1 else []), *range(min(64, 1 << 4 + 2 * size)))

    def _references(self, w: Writer) -> None:
        w.golomb(len(self.sets) + self.predicted)
        for number, (before, after) in enumerate(self.sets):
            if number:
                w.put(0)
            w.golomb(before, after)
            for _ in range(before + after):
                w.golomb(0)
                w.put(1)
        if self.predicted:
            w.put(1)
        w.put(bool(self.long_term))
        if self.long_term:
            w.golomb(self.long_term)
            for number in range(self.long_term):
                w.put(number, 8)
                w.put(1)

    def _usability(self, w: Writer) -> None:
        w.put(bool(self.aspect))
        if self.aspect:
            w.put(self.aspect, 8)
            if self.aspect == 255:
                w.put(0x00010001, 32)
        w.put(self.overscan)
        if self.overscan:
            w.put(1)
        w.put(self.signal)
        if self.signal:
            w.put(5, 3)
            w.put(1)
            w.put(self.colors)
            if self.colors:
                w.put(POINTS[0], 8)
                w.put(POINTS[1], 8)
                w.put(9, 8)


def config(*units: tuple[int, bytes]) -> bytes:
    """Return the body of `hvcC`, with one array for each unit."""
    body = bytes(22) + bytes([len(units)])
    for kind, unit in units:
        body += bytes([0x80 | kind, 0, 1]) + len(unit).to_bytes(2, "big") + unit
    return body


@pytest.mark.parametrize(
    "written",
    [
        Set(),
        Set(layers=1),
        Set(layers=6, ordering=False),
        Set(layers=3),
        Set(chroma=3),
        Set(chroma=0, window=True),
        Set(lists="default"),
        Set(lists="copied"),
        Set(lists="written"),
        Set(pcm=True),
        Set(sets=((1, 0), (2, 2), (0, 1))),
        Set(long_term=3),
        Set(aspect=1, overscan=True),
        Set(aspect=255),
        Set(6, 3, True, False, "written", True, ((4, 1), (1, 1)), False, 2, True, 255, True),
    ],
)
def test_the_colours_of_a_parameter_set_are_found(written: Set) -> None:
    others = [(32, b"\x40\x01\x0c"), (34, b"\x44\x01\xc1")]
    assert code_points(config(others[0], (33, written.unit()), others[1])) == POINTS


@pytest.mark.parametrize(
    "written",
    [
        Set(usability=False),
        Set(signal=False),
        Set(colors=False),
        Set(sets=((1, 0),), predicted=True),
    ],
)
def test_a_set_that_states_nothing_says_so(written: Set) -> None:
    assert code_points(config((33, written.unit()))) is None


def test_what_is_cut_off_or_no_set_states_nothing() -> None:
    whole = config((32, b"\x40\x01"), (33, Set(sets=((1, 1),)).unit()))
    found = {code_points(whole[:size]) for size in range(len(whole))}
    assert found <= {None, POINTS}
    assert code_points(b"") is None
    assert code_points(config((32, b"\x40\x01"))) is None
    for filling in (b"\0", b"\xff", b"\x01", b"\xaa"):
        code_points(config((33, filling * 65_000)))  # ends, and soon
