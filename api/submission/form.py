"""Reading a multipart/form-data body (RFC 7578) into its parts, and their text into characters."""

import binascii
import codecs
import quopri
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from api.problems.errors import InvalidRequest

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 65  # 64 fields and the image
CHARSET_FIELD = "_charset_"  # names the charset of the fields that state none (RFC 7578, 4.6)

# The character sets that forms are sent in. Python has others that take quadratic time, decompress,
# or fail with errors of their own.
_CHARSETS = frozenset(
    codecs.lookup(name).name
    for name in (
        *("ascii", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "koi8-r", "koi8-u"),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "euc_kr", "cp949", "mac-roman", "tis-620"),
        *("gb2312", "gbk", "gb18030", "big5", "big5hkscs", "cp866", "cp437", "cp850"),
        *(f"iso-8859-{number}" for number in range(1, 17) if number != 12),  # there is no 12
        *(f"cp{number}" for number in range(1250, 1259)),
    )
)
# What is called the first is in practice the second, which contains it (WHATWG Encoding).
_SUPERSETS = {"utf-8": "utf-8-sig", "shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030"}
_SUPERSETS |= {"euc_kr": "cp949"}

# RFC 7578 forbids the extended form, but some clients send no other. The name itself is not used.
_HAS_EXTENDED_FILE_NAME = re.compile(rb";\s*filename\*[\d*]*\s*=", re.IGNORECASE)
_PLAIN_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")


@dataclass(frozen=True)
class FormPart:
    """One part of a form; `data` is as it was sent."""

    headers: dict[bytes, bytes]  # names in lower case
    data: bytearray = field(default_factory=bytearray)
    renamed: str | None = None  # the field's name, if it is not the one in the headers

    @cached_property
    def name(self) -> str:
        """The field's name.

        Raises:
            InvalidRequest: the part has none.
        """
        if self.renamed is not None:
            return self.renamed
        try:
            return self._disposition[b"name"].decode()
        except (KeyError, UnicodeDecodeError) as error:
            raise InvalidRequest("Each part of a form needs a name, in UTF-8.") from error

    @property
    def is_file(self) -> bool:
        """Whether the part is a file: it has a file name, or a type that is not text."""
        kind, _ = self._content_type
        return self._has_file_name or bool(kind and not kind.startswith(b"text/"))

    @property
    def is_empty_file_input(self) -> bool:
        """Whether the part is what a browser sends for an `<input type=file>` without a file."""
        return self._disposition.get(b"filename") == b"" and not self.data

    def content(self) -> bytes:
        """Return the part's bytes, decoded if it states a transfer encoding.

        Raises:
            InvalidRequest: the encoding is not one of MIME's, or the bytes are not in it.
        """
        encoding = self.headers.get(b"content-transfer-encoding", b"").strip().lower()
        if encoding in _PLAIN_ENCODINGS:
            return bytes(self.data)
        try:
            if encoding == b"base64":
                return binascii.a2b_base64(self.data)
            if encoding == b"quoted-printable":
                return quopri.decodestring(bytes(self.data))
        except binascii.Error as error:
            raise InvalidRequest(f"The field {self.name} is not in base64.") from error
        raise InvalidRequest(f"The field {self.name} has an unknown Content-Transfer-Encoding.")

    def text(self, default_charset: str) -> str:
        """Return the part as text, without a byte order mark.

        Args:
            default_charset: for a part that states none.

        Raises:
            InvalidRequest: it is not text in its charset.
        """
        _, options = self._content_type
        charset = options.get(b"charset", default_charset.encode()).decode("latin-1")
        try:
            text = self.content().decode(_codec(charset))
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"The field {self.name} is not text in {charset}. Send forms in UTF-8, or state a "
                "part's charset in its Content-Type."
            ) from error
        if "\0" in text:  # UTF-16 read as UTF-8
            raise InvalidRequest(f"The field {self.name} is not text in {charset}: it has NULs.")
        return text.removeprefix("\ufeff")

    @cached_property
    def _disposition(self) -> dict[bytes, bytes]:
        _, options = parse_options_header(self.headers.get(b"content-disposition"))
        return {name.lower(): value for name, value in options.items()}

    @property
    def _has_file_name(self) -> bool:
        line = self.headers.get(b"content-disposition", b"")
        return b"filename" in self._disposition or bool(_HAS_EXTENDED_FILE_NAME.search(line))

    @property
    def _content_type(self) -> tuple[bytes, dict[bytes, bytes]]:
        return parse_options_header(self.headers.get(b"content-type"))


@dataclass(frozen=True)
class Form:
    """A whole form; `charset` is that of the parts that state none."""

    parts: list[FormPart]
    charset: str


async def read_form(request: Request) -> Form:
    """Read the parts of a multipart body.

    Raises:
        InvalidRequest: the body is not what its header says, or it is not complete.
    """
    _, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if not boundary:
        raise InvalidRequest(
            "The Content-Type has no boundary. Let your HTTP library set the header: it knows the "
            "boundary."
        )
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks)
        after_preamble = _preamble_dropped(boundary)
        async for chunk in request.stream():
            parser.write(after_preamble(chunk))
    except FormParserError as error:
        raise InvalidRequest("The form is malformed; let your HTTP library write it.") from error
    if not parts.complete:
        raise InvalidRequest("The form is incomplete: its closing boundary is missing.")
    return Form(*_charset_of(parts.found, options))


def _charset_of(parts: list[FormPart], options: dict[bytes, bytes]) -> tuple[list[FormPart], str]:
    """Return the parts that are fields, and the charset of those that state none."""
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    fields = [part for part in parts if part.name != CHARSET_FIELD]
    for part in parts:
        if part.name == CHARSET_FIELD:
            charset = bytes(part.data).decode("latin-1").strip()
    if "a".encode(_codec(charset)).removeprefix(codecs.BOM_UTF8) != b"a":
        # The names and boundaries of a form are always ASCII.
        raise InvalidRequest("Send the form in UTF-8.")
    return fields, charset


def _codec(charset: str) -> str:
    """Return Python's codec of a charset.

    Raises:
        InvalidRequest: it is not one of the accepted ones.
    """
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError) as error:
        raise InvalidRequest("Send the form in UTF-8: its charset is unknown.") from error
    if name not in _CHARSETS:
        raise InvalidRequest("Send the form in UTF-8: its charset is not accepted.")
    return _SUPERSETS.get(name, name)


def _preamble_dropped(boundary: bytes) -> Callable[[bytes], bytes]:
    """Return a function that drops what comes before the first boundary (RFC 2046, 5.1.1)."""
    delimiter = b"\r\n--" + boundary
    tail: bytes | None = b"\r\n"  # the first boundary needs no line before it

    def drop(chunk: bytes) -> bytes:
        nonlocal tail
        if tail is None:
            return chunk
        data = tail + chunk
        start = data.find(delimiter)
        if start < 0:
            tail = data[1 - len(delimiter) :]
            return b""
        tail = None
        return data[start + 2 :]

    return drop


class _Parts:
    """The parts that a parser has found; its callbacks."""

    def __init__(self) -> None:
        self.found: list[FormPart] = []
        self.complete = False
        self._name = self._value = b""

    @property
    def callbacks(self) -> "MultipartCallbacks":
        """The functions that the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_to_name,
            "on_header_value": self._add_to_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.found) == MAX_PARTS:
            raise InvalidRequest(f"A form may have at most {MAX_PARTS} parts.")
        self.found.append(FormPart({}))

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self.found[-1].headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self.found[-1].data.extend(data[start:end])

    def _end(self) -> None:
        self.complete = True
