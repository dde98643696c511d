"""Unusual and malformed forms."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from tests.security.tally import Tally

MakeImage = Callable[..., bytes]


def form(*parts: bytes, boundary: bytes = b"XX") -> bytes:
    """Return a multipart body of these parts, each given with its headers."""
    start = b"--" + boundary
    return b"".join(start + b"\r\n" + part + b"\r\n" for part in parts) + start + b"--\r\n"


def part(options: bytes, data: bytes = b"a cat that sits") -> bytes:
    return b"Content-Disposition: form-data" + options + b"\r\n\r\n" + data


PROMPT = part(b'; name="prompt"')
ODD_PARTS: dict[str, tuple[bytes, ...]] = {
    "no name": (part(b""),),
    "no disposition": (b"X: y\r\n\r\na cat",),
    "no headers": (b"\r\na cat",),
    "the same name twice": (PROMPT, PROMPT),
    "a star for the name": (part(b"; name*=UTF-8''prompt"),),
    "a header of 15 MB": (b"X: " + b"a" * 15_000_000 + b"\r\n" + PROMPT,),
    "a million headers": (b"X: a\r\n" * 1_000_000 + PROMPT,),
    "1000 fields": (PROMPT,) * 1000,
    "65 fields": tuple(part(b'; name="x%d"' % number) for number in range(65)),
    "100,000 files": (part(b'; name="image"; filename=""', b""),) * 100_000,
    "two files": (PROMPT, *(part(b'; name="image"; filename="a"'),) * 2),
    "a file that is no image": (PROMPT, part(b'; name="prompt2"; filename="a"')),
    "a field of 2 MB": (part(b'; name="prompt"', b"a" * 2_000_000),),
    "bytes for a name": (PROMPT, part(b'; name="pr\xff\0"')),
    "a star for the file name": (PROMPT, part(b"; name=\"image\"; filename*=x''..%2f%ff")),
    "a form in a form": (
        PROMPT,
        b'Content-Disposition: form-data; name="image"; filename="a"\r\n'
        b"Content-Type: multipart/mixed; boundary=YY\r\n\r\n" + form(PROMPT, boundary=b"YY"),
    ),
}


def sent(client: TestClient, body: bytes, content_type: str) -> Response:
    return client.post("/v1/edits", content=body, headers={"content-type": content_type})


@pytest.mark.parametrize("name", ODD_PARTS)
def test_an_odd_part_is_refused(client: TestClient, tally: Tally, name: str) -> None:
    answer = sent(client, form(*ODD_PARTS[name]), "multipart/form-data; boundary=XX")
    tally.count("odd forms", answer.status_code)
    assert answer.status_code in (400, 415, 422)
    assert answer.headers["content-type"] == "application/problem+json"


CODECS = ["punycode", "undefined", "idna", "utf-16", "utf-7", "zlib", "base64", "unicode_escape"]


@pytest.mark.parametrize(
    "options",
    [
        *(f"boundary=XX; charset={codec}" for codec in [*CODECS, "nope", "utf-8\0", "x" * 5000]),
        "",
        "boundary=",
        "boundary=" + "X" * 60_000,
        "boundary=YY",
        "boundary=\xff\xfe",
        "boundary*0=X; boundary*1=X",
    ],
)
def test_an_odd_content_type_is_refused(
    client: TestClient, make_image: MakeImage, tally: Tally, options: str
) -> None:
    image = part(b'; name="image"; filename="a"', make_image())
    headers = {"content-type": f"multipart/form-data; {options}".encode("latin-1")}
    answer = client.post("/v1/edits", content=form(PROMPT, image), headers=headers)
    tally.count("odd forms", answer.status_code)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "filename", ["../../../etc/passwd", "C:\\x", "a\0b", "\xff", "x" * 3000, "a\"; name='prompt"]
)
def test_a_files_name_is_nobodys_business(
    client: TestClient, make_image: MakeImage, tally: Tally, filename: str
) -> None:
    name = filename.replace('"', '\\"').encode("latin-1")
    image = part(b'; name="image"; filename="' + name + b'"', make_image())
    body = b"\r\n" * 1000 + form(PROMPT, image) + b"epilogue" * 1000
    answer = sent(client, body, 'Multipart/Form-Data; x="y"; boundary="XX"; charset=UTF-8')
    tally.count("odd forms", answer.status_code)
    assert answer.status_code == 202, answer.text
    assert "etc" not in answer.text
