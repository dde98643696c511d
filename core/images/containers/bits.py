"""Reading a bitstream bit by bit."""


class Bits:
    """Reads numbers one after another. Beyond the end it raises IndexError."""

    def __init__(self, data: bytes):
        self._data, self._at = data, 0

    def take(self, count: int = 1) -> int:
        """Read a number of `count` bits."""
        value = 0
        for _ in range(count):
            byte = self._data[self._at >> 3]
            value = value << 1 | byte >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def skip(self, count: int) -> None:
        """Pass over so many bits, even beyond the end."""
        self._at += count

    def take_golomb(self) -> int:
        """Read an unsigned number of up to 32 bits in Exp-Golomb code (ITU-T H.265, 9.2)."""
        zeros = 0
        while not self.take():
            zeros += 1
        if zeros > 32:
            raise IndexError("a number has no end")
        return (1 << zeros | self.take(zeros)) - 1
