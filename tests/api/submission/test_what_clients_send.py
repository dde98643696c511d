"""What real clients send: a table of bodies, where each was reported, and the right answer.

A row is one member of a kind. Reports are of other services and libraries, by GitHub repository and
number; RFC and standards are named where no report was found.
"""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from tests.support.problems import assert_problem

MakeImage = Callable[..., bytes]

PHOTO = b"<photo>"  # stands for a PNG in the rows
BIG = b"<big photo>"  # stands for one of 1.5 MB


class Row(NamedTuple):
    """A body, the report of it, and the right answer: a status and code, or what was understood."""

    report: str
    parts: tuple[bytes, ...]
    right: tuple[int, str, str] | dict[str, Any]  # status, code, pointer or ""; or of the edit
    content_type: str = "multipart/form-data; boundary=XX"
    before: bytes = b""
    end: bytes = b"--XX--\r\n"


def part(options: str, data: bytes, *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {options}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def field(name: str, data: bytes | str, *headers: str) -> bytes:
    return part(f'name="{name}"', data if isinstance(data, bytes) else data.encode(), *headers)


IMAGE = part('name="image"; filename="a.png"', PHOTO, "Content-Type: image/png")
PROMPT = field("prompt", "a cat")
INCOMPLETE = (400, "invalid_request", "")
NO_FILE = (422, "validation_error", "/image")
CAFE = "ein Café im Garten"
CAT = "芝生の上の猫"


def text(charset: str, words: str, *, stated: bool = True) -> bytes:
    header = [f"Content-Type: text/plain; charset={charset}"] if stated else []
    return field("prompt", words.encode(charset), *header)


FORMS: dict[str, Row] = {
    # The closing boundary
    "no closing boundary": Row("python-multipart finalize()", (IMAGE, PROMPT), INCOMPLETE, end=b""),
    "closing boundary cut off": Row("", (IMAGE, PROMPT), INCOMPLETE, end=b"--XX-"),
    "no hyphens behind the last boundary": Row(
        "node-formidable/formidable#190", (IMAGE, PROMPT), INCOMPLETE, end=b"--XX\r\n"
    ),
    "cut off inside a part's head": Row("", (IMAGE,), INCOMPLETE, end=b"--XX\r\nContent-Disp"),
    "nothing at all": Row("", (), INCOMPLETE, end=b""),
    "no line break at the end": Row(
        "requests/toolbelt#175", (IMAGE, PROMPT), {"prompt": "a cat"}, end=b"--XX--"
    ),
    "more behind the end": Row(
        "tornadoweb/tornado#489", (IMAGE, PROMPT), {}, end=b"--XX--\r\n\r\nepilogue"
    ),
    "a form without parts": Row("Kludex/python-multipart#38", (), NO_FILE),
    # What comes before the first boundary
    "a preamble": Row("RFC 2046, 5.1.1", (IMAGE, PROMPT), {}, before=b"This is MIME.\r\n"),
    "a preamble with hyphens": Row("", (IMAGE, PROMPT), {}, before=b"--YY\r\n-- \r\n"),
    "an empty line first": Row("", (IMAGE, PROMPT), {}, before=b"\r\n"),
    "a megabyte first": Row("", (IMAGE, PROMPT), {}, before=b"x" * 1_000_000 + b"\r\n"),
    # Character sets
    "UTF-8": Row("", (IMAGE, text("utf-8", CAT, stated=False)), {"prompt": CAT}),
    "UTF-8 with its mark": Row("", (IMAGE, text("utf-8-sig", CAT, stated=False)), {"prompt": CAT}),
    "cp1252, stated": Row("", (IMAGE, text("windows-1252", CAFE)), {"prompt": CAFE}),
    "ISO 8859-1, stated": Row(
        "agea/CmisJS#46", (IMAGE, text("ISO-8859-1", CAFE)), {"prompt": CAFE}
    ),
    "Shift_JIS, stated": Row("", (IMAGE, text("Shift_JIS", CAT)), {"prompt": CAT}),
    "GBK, stated": Row("", (IMAGE, text("gbk", "草地上的猫")), {"prompt": "草地上的猫"}),
    "EUC-KR, stated": Row("", (IMAGE, text("euc-kr", "고양이")), {"prompt": "고양이"}),
    "UTF-16, stated": Row("", (IMAGE, text("utf-16", CAT)), {"prompt": CAT}),
    "the form's own field for it": Row(
        "agea/CmisJS#46",
        (field("_charset_", "windows-1252"), IMAGE, text("cp1252", CAFE, stated=False)),
        {"prompt": CAFE},
    ),
    "stated for the whole form": Row(
        "aio-libs/aiohttp#4622",
        (IMAGE, text("cp1251", "кот на траве", stated=False)),
        {"prompt": "кот на траве"},
        content_type="multipart/form-data; boundary=XX; charset=windows-1251",
    ),
    "cp1252, not stated": Row("", (IMAGE, text("cp1252", CAFE, stated=False)), INCOMPLETE),
    "Shift_JIS, not stated": Row("", (IMAGE, text("shift_jis", CAT, stated=False)), INCOMPLETE),
    "GBK, not stated": Row("", (IMAGE, text("gbk", "草地上的猫", stated=False)), INCOMPLETE),
    "UTF-16, not stated": Row("", (IMAGE, text("utf-16", CAT, stated=False)), INCOMPLETE),
    "UTF-16 of ASCII, not stated": Row(
        "", (IMAGE, text("utf-16-le", "a cat", stated=False)), INCOMPLETE
    ),
    "not what it states": Row(
        "",
        (IMAGE, field("prompt", b"\xff\xfe\xfd", ("Content-Type: text/plain; charset=utf-8"))),
        INCOMPLETE,
    ),
    "an unknown charset": Row(
        "aio-libs/aiohttp#13140",
        (IMAGE, field("prompt", "a cat", "Content-Type: text/plain; charset=unknown-8bit")),
        INCOMPLETE,
    ),
    "a codec that is no charset": Row(
        "", (IMAGE, field("prompt", "a cat", "Content-Type: text/plain; charset=zlib")), INCOMPLETE
    ),
    "JSON in cp1252, stated": Row(
        "",
        (
            *(IMAGE, PROMPT),
            field(
                "metadata",
                '{"a": "é"}'.encode("cp1252"),
                "Content-Type: application/json; charset=cp1252",
            ),
        ),
        {"metadata": {"a": "é"}},
    ),
    # Files and what is none
    "an image's type, no file name": Row(
        "lysine-dev/retrofit#1130",
        (PROMPT, field("image", PHOTO, "Content-Type: image/png")),
        {"prompt": "a cat"},
    ),
    "1.5 MB without a file name": Row(
        "", (PROMPT, field("image", BIG, "Content-Type: image/png")), {"prompt": "a cat"}
    ),
    "bytes of no kind, no file name": Row(
        "", (PROMPT, field("image", PHOTO, "Content-Type: application/octet-stream")), {}
    ),
    "an image as text": Row("", (PROMPT, field("image", PHOTO)), NO_FILE),
    "1.5 MB as text": Row("", (PROMPT, field("image", BIG)), NO_FILE),
    "an object written as text": Row(
        "react/react-native#30703", (PROMPT, field("image", "[object Object]")), NO_FILE
    ),
    "only the extended file name": Row(
        "rwf2/multer#52",
        (PROMPT, part("name=\"image\"; filename*=UTF-8''f%C3%B6.png", PHOTO)),
        {"prompt": "a cat"},
    ),
    "both file names": Row(
        "keijack/python-simple-http-server#13",
        (PROMPT, part('name="image"; filename="?.png"; filename*=utf-8\'\'%E7%8C%AB', PHOTO)),
        {},
    ),
    "options in capitals": Row("", (PROMPT, part('Name="image"; FileName="a.png"', PHOTO)), {}),
    "names without quotes": Row(
        ".NET MultipartFormDataContent", (PROMPT, part("name=image; filename=a.png", PHOTO)), {}
    ),
    "the part's type is the form's": Row(
        "axios/axios#1321",
        (
            field("prompt", "a cat", "Content-Type: multipart/form-data; charset=utf-8"),
            part('name="image"; filename="x"', PHOTO, "Content-Type: multipart/form-data"),
        ),
        {"prompt": "a cat"},
    ),
    "lengths of parts": Row(
        "react/react-native#4894", (IMAGE, field("prompt", "a cat", "Content-Length: 5")), {}
    ),
    "a transfer encoding": Row(
        "",
        (PROMPT, part('name="image"; filename="a"', PHOTO, "Content-Transfer-Encoding: binary")),
        {},
    ),
    "base64 as transfer encoding": Row(
        "RFC 7578, 4.7",
        (IMAGE, field("prompt", "YSBjYXQ=", "Content-Transfer-Encoding: base64")),
        {"prompt": "a cat"},
    ),
    "two images": Row("", (PROMPT, IMAGE, IMAGE), NO_FILE),
    "an unknown file": Row(
        "",
        (PROMPT, IMAGE, part('name="file"; filename="a.png"', PHOTO)),
        (422, "validation_error", "/file"),
    ),
    "a large unknown field": Row(
        "", (PROMPT, IMAGE, field("x", b"x" * 1_500_000)), (422, "validation_error", "/x")
    ),
    "a prompt of 1.5 MB": Row(
        "", (IMAGE, field("prompt", b"x" * 1_500_000)), (422, "validation_error", "/prompt")
    ),
    "an empty file input beside a file": Row(
        "", (PROMPT, part('name="image"; filename=""', b""), IMAGE), {"prompt": "a cat"}
    ),
    "parameters as a Blob": Row(
        "mscdex/busboy#201",
        (
            *(IMAGE, PROMPT),
            part(
                'name="params"; filename="blob"', b'{"seed": 7}', "Content-Type: application/json"
            ),
        ),
        {"seed": 7},
    ),
    "metadata as a Blob without a name": Row(
        "mscdex/busboy#258",
        (
            *(IMAGE, PROMPT),
            part('name="metadata"; filename=""', b'{"a": "b"}', "Content-Type: application/json"),
        ),
        {"metadata": {"a": "b"}},
    ),
    "a prompt from a file": Row(
        "curl -F prompt=@prompt.txt",
        (IMAGE, part('name="prompt"; filename="prompt.txt"', b"a cat", "Content-Type: text/plain")),
        {"prompt": "a cat"},
    ),
    "parameters with a byte order mark": Row(
        "", (IMAGE, PROMPT, field("params", b'\xef\xbb\xbf{"seed": 7}')), {"seed": 7}
    ),
    # Lists: OpenAPI and HTML write one part for each value
    "a list of one": Row(
        "",
        (IMAGE, PROMPT, field("webhook_events", "edit.failed")),
        {"webhook_events": ["edit.failed"]},
    ),
    "a part for each value": Row(
        "OpenAPI 3.1, 4.8.15.1.1",
        (
            *(IMAGE, PROMPT, field("webhook_events", "edit.failed")),
            *(field("webhook_events", "edit.started"), field("strength", "0.1")),
            field("strength", "0.9"),
        ),
        {"webhook_events": ["edit.failed", "edit.started"], "strength": [0.1, 0.9]},
    ),
    "a wrong value among others": Row(
        "",
        (IMAGE, PROMPT, field("strength", "0.1"), field("strength", "9")),
        (422, "validation_error", "/strength/1"),
    ),
    # Null and empty
    "null as text": Row(
        "nervgh/object-to-formdata#2",
        (IMAGE, PROMPT, *(field(n, "null") for n in ("seed", "model", "metadata", "webhook_url"))),
        {"seed": 0},
    ),
    "inputs that nobody filled in": Row(
        "therealparmesh/object-to-formdata#18",
        (IMAGE, PROMPT, *(field(n, "") for n in ("seed", "source", "params", "strength"))),
        {"seed": 0},
    ),
    "an empty prompt": Row("", (IMAGE, field("prompt", "")), (422, "validation_error", "/prompt")),
    # Names twice
    "a name twice inside a field": Row(
        "",
        (IMAGE, PROMPT, field("metadata", '{"a": "b", "a": "c"}')),
        (422, "validation_error", "/metadata/a"),
    ),
    "an empty field twice": Row(
        "",
        (IMAGE, PROMPT, field("seed", ""), field("seed", "3")),
        (422, "validation_error", "/seed"),
    ),
    # The header
    "no boundary in the header": Row(
        "lysine-dev/retrofit#3017", (IMAGE, PROMPT), INCOMPLETE, content_type="multipart/form-data"
    ),
    "another boundary in the header": Row(
        "", (IMAGE, PROMPT), INCOMPLETE, content_type="multipart/form-data; boundary=YY"
    ),
    "a boundary in quotes": Row(
        "", (IMAGE, PROMPT), {}, content_type='multipart/form-data; boundary="XX"'
    ),
    "spaces behind a boundary": Row("RFC 2046, 5.1.1", (IMAGE, PROMPT), {}, end=b"--XX-- \r\n"),
}


def form(row: Row, photo: bytes, big: bytes) -> bytes:
    start = b"--XX\r\n"
    body = row.before + b"".join(start + part + b"\r\n" for part in row.parts) + row.end
    return body.replace(PHOTO, photo).replace(BIG, big)


def check(answer: Response, right: tuple[int, str, str] | dict[str, Any]) -> None:
    """Check an answer: that problem, or an edit with these values among its own or its params."""
    if isinstance(right, tuple):
        status, code, pointer = right
        problem = assert_problem(answer, status, code)
        assert not pointer or pointer in [error["pointer"] for error in problem["errors"]]
        return
    assert answer.status_code == 202, answer.text
    edit = answer.json()
    assert right.items() <= (edit["params"] | edit).items()


@pytest.fixture
def big_photo(make_image: MakeImage) -> bytes:
    """Return a PNG of 1.5 MB, most of it a text chunk's."""
    return make_image(size=(700, 720), mode="RGB", compress_level=0)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_understood_or_refused(
    client: TestClient, make_image: MakeImage, big_photo: bytes, name: str
) -> None:
    row = FORMS[name]
    assert len(big_photo) > 1_500_000
    body = form(row, make_image(), big_photo)
    answer = client.post("/v1/edits", content=body, headers={"content-type": row.content_type})
    check(answer, row.right)


@pytest.mark.parametrize("size", [1, 2, 7, 100])
@pytest.mark.parametrize("name", ["a preamble", "a preamble with hyphens", "cp1252, stated"])
def test_a_form_is_the_same_in_pieces_of_any_size(
    client: TestClient, make_image: MakeImage, name: str, size: int
) -> None:
    row = FORMS[name]
    body = form(row, make_image(), b"")
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    answer = client.post("/v1/edits", content=pieces, headers={"content-type": row.content_type})
    check(answer, row.right)


# --- JSON: the row's value for `image`, made from the picture's base64


def percent_encoded(data: bytes) -> str:
    return "".join(f"%{byte:02X}" for byte in data)


JSON_IMAGES: dict[str, tuple[str, Callable[[bytes], Any]]] = {
    "base64 as text": ("", lambda data: base64.b64encode(data).decode()),
    "a data URL as text": ("", lambda data: f"data:image/png;base64,{b64(data)}"),
    "a data URL in capitals": ("", lambda data: f"DATA:IMAGE/PNG;BASE64,{b64(data)}"),
    "a data URL as url": (
        "OpenAI's image_url",
        lambda data: {"url": f"data:image/png;base64,{b64(data)}"},
    ),
    "a data URL with parameters": (
        "",
        lambda data: f"data:image/png;name=a%20b.png;charset=utf-8;base64,{b64(data)}",
    ),
    "a data URL without a type": ("", lambda data: f"data:;base64,{b64(data)}"),
    "a data URL after a space": ("", lambda data: f" data:image/png;base64, {b64(data)}\n"),
    "a data URL that is percent-encoded": (
        "RFC 2397",
        lambda data: f"data:image/png,{percent_encoded(data)}",
    ),
    "base64 that is percent-encoded": (
        "xhtml2pdf/xhtml2pdf#409",
        lambda data: (
            "data:image/png;base64,"
            + b64(data).replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        ),
    ),
    "a data URL that lost `data:`": ("", lambda data: f"image/png;base64,{b64(data)}"),
    "the URL-safe alphabet": ("", lambda data: base64.urlsafe_b64encode(data).decode()),
    "without padding": ("frappe/frappe#15394", lambda data: b64(data).rstrip("=")),
    "URL-safe without padding": (
        "matatonic/openedai-vision#4",
        lambda data: {"base64": base64.urlsafe_b64encode(data).decode().rstrip("=")},
    ),
    "too much padding": ("", lambda data: b64(data) + "=="),
    "lines of 76": ("Android's Base64.DEFAULT", lambda data: base64.encodebytes(data).decode()),
    "lines with CRLF": ("", lambda data: base64.encodebytes(data).decode().replace("\n", "\r\n")),
    "base64 with a null url": ("", lambda data: {"base64": b64(data), "url": None}),
}


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("extra", [0, 1, 2], ids=["%3=0", "%3=1", "%3=2"])
@pytest.mark.parametrize("name", JSON_IMAGES)
def test_an_image_in_json_is_understood(
    client: TestClient, make_image: MakeImage, name: str, extra: int
) -> None:
    _, write = JSON_IMAGES[name]
    data = make_image("JPEG")
    data += b"\0" * ((extra - len(data)) % 3)  # each length of padding; allowed behind a JPEG's end
    answer = client.post("/v1/edits", json={"prompt": "a cat", "image": write(data)})
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("image", "status", "code", "pointer"),
    [
        ("https://127.0.0.2.example:bad/", 422, "url_not_allowed", "/image"),
        ("http://169.254.169.254/latest", 422, "url_not_allowed", "/image"),
        ("HTTP://10.0.0.1/x", 422, "url_not_allowed", "/image"),
        ("file:///etc/passwd", 422, "url_not_allowed", "/image"),
        ("blob:https://app.example/0b1c", 422, "url_not_allowed", "/image"),
        ("content://media/external/1", 422, "url_not_allowed", "/image"),
        ("s3://bucket/a.png", 422, "url_not_allowed", "/image"),
        ({"url": "http://10.0.0.1/ "}, 422, "url_not_allowed", "/image/url"),
        ({"base64": "http://10.0.0.1/"}, 422, "url_not_allowed", "/image"),
        ("photo.png", 400, "invalid_image", "/image"),
        ("/home/me/photo.png", 400, "invalid_image", "/image"),
        ("", 400, "invalid_image", "/image"),
        ("data:,", 400, "invalid_image", "/image"),
        ({"url": None}, 422, "validation_error", "/image"),
        ({"url": 5}, 422, "validation_error", "/image/url"),
        ({"href": "https://x.example"}, 422, "validation_error", "/image/href"),
        (5, 422, "validation_error", "/image"),
        (True, 422, "validation_error", "/image"),
        (["https://x.example"], 422, "validation_error", "/image"),
        ([137, 80, 78, 71], 422, "validation_error", "/image"),
    ],
)
def test_what_is_no_image_is_told_at_its_place(
    client: TestClient, image: Any, status: int, code: str, pointer: str
) -> None:
    answer = client.post("/v1/edits", json={"prompt": "a cat", "image": image})
    problem = assert_problem(answer, status, code)
    assert pointer in [error["pointer"] for error in problem["errors"]]
    for word in ("ImageInput", "instance", "dictionary", "CreateEditRequest", "valid list"):
        assert word not in json.dumps(problem["errors"])


# --- JSON: the whole body


def body(make_image: MakeImage, **fields: Any) -> dict[str, Any]:
    return {"prompt": "a cat", "image": {"base64": b64(make_image())}, **fields}


OPTIONAL = (
    *("preset", "strength", "self_attention_until", "cross_attention_until", "seed"),
    *("num_inference_steps", "guidance_scale", "inner_steps", "detail", "output_format", "quality"),
    *("artifacts", "previews", "webhook_url", "webhook_events", "model", "metadata", "source"),
)


@pytest.mark.parametrize(
    ("name", "inside"),
    [(name, False) for name in OPTIONAL] + [(name, True) for name in OPTIONAL[:-3]],
)
def test_null_is_as_if_nothing_was_sent(
    client: TestClient, make_image: MakeImage, name: str, inside: bool
) -> None:
    null = {"params": {name: None}} if inside else {name: None}
    sent = client.post("/v1/edits", json=body(make_image, **null)).json()
    plain = client.post("/v1/edits", json=body(make_image)).json()
    assert (sent["params"], sent["model"]) == (plain["params"], plain["model"])
    assert sent["metadata"] == {}


def test_everything_null_at_once(client: TestClient, make_image: MakeImage) -> None:
    nulls = dict.fromkeys((*OPTIONAL, "params"))
    assert client.post("/v1/edits", json=body(make_image, **nulls)).status_code == 202


def test_a_required_field_that_is_null_is_missing(
    client: TestClient, make_image: MakeImage
) -> None:
    answer = client.post("/v1/edits", json=body(make_image, prompt=None))
    problem = assert_problem(answer, 422, "validation_error")
    assert problem["errors"] == [{"pointer": "/prompt", "detail": "This field is required."}]


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        ('{"prompt": "a cat", "prompt": "a dog", "image": "%s"}', "/prompt"),
        ('{"prompt": "a cat", "image": "%s", "params": {"seed": 1, "seed": 2}}', "/params/seed"),
        ('{"prompt": "a cat", "image": "%s", "metadata": {"a": "1", "a": "1"}}', "/metadata/a"),
        ('{"prompt": "a cat", "image": "%s", "image": null}', "/image"),
        ('{"prompt": "a cat", "image": "%s", "x": [{"a~b": 1, "a~b": 2}]}', "/x/0/a~0b"),
        ('{"prompt": "a cat", "image": {"base64": "%s", "base64": "AA"}}', "/image/base64"),
        ('{"prompt": "a", "\\u0070rompt": "a cat", "image": "%s"}', "/prompt"),
    ],
)
def test_a_name_twice_is_refused(
    client: TestClient, make_image: MakeImage, text: str, pointer: str
) -> None:
    content = (text % b64(make_image())).encode()
    answer = client.post("/v1/edits", content=content, headers=JSON_TYPE)
    problem = assert_problem(answer, 422, "validation_error")
    assert problem["errors"] == [{"pointer": pointer, "detail": "Given more than once."}]


JSON_TYPE = {"content-type": "application/json"}


def test_a_byte_order_mark_before_json_is_passed_over(
    client: TestClient, make_image: MakeImage
) -> None:
    content = b"\xef\xbb\xbf" + json.dumps(body(make_image)).encode()
    assert client.post("/v1/edits", content=content, headers=JSON_TYPE).status_code == 202


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-le", "utf-32", "cp1252"])
def test_json_in_another_charset_is_refused(
    client: TestClient, make_image: MakeImage, charset: str
) -> None:
    content = json.dumps(body(make_image, prompt=CAFE), ensure_ascii=False).encode(charset)
    answer = client.post("/v1/edits", content=content, headers=JSON_TYPE)
    assert_problem(answer, 400, "invalid_request")


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "gzip, identity"])
@pytest.mark.parametrize("media_type", ["application/json", "multipart/form-data; boundary=XX"])
def test_a_compressed_body_is_unsupported(  # mendhak/docker-http-https-echo#31
    client: TestClient, make_image: MakeImage, encoding: str, media_type: str
) -> None:
    headers = {"content-type": media_type, "content-encoding": encoding}
    content = gzip.compress(json.dumps(body(make_image)).encode())
    answer = client.post("/v1/edits", content=content, headers=headers)
    problem = assert_problem(answer, 415, "unsupported_media_type")
    assert encoding in problem["detail"]
    assert answer.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
def test_a_body_that_says_it_is_not_encoded_is_taken(
    client: TestClient, make_image: MakeImage, encoding: str
) -> None:
    headers = {"content-encoding": encoding}
    answer = client.post("/v1/edits", json=body(make_image), headers=headers)
    assert answer.status_code == 202


# --- prompts


@pytest.mark.parametrize(
    "prompt",
    [
        *("...", "?!", "-", "“”", "¿?", "—", "()", "、。", "_", "*", "#", "+", "$", "^^"),
        *("\u200b", "\ufeff", "\u200d\u2060", "\u00ad", "\u180e", "\u2063", "\ufe0f", "\u0301"),
        *("\u3164", "\u115f\u1160", "\uffa0", "\u2800", "\ufffc", "\ufffd", "\0", "\x7f"),
        *("\U000e0041", "\ue000", "\u202e", " . \u200b "),
    ],
)
def test_a_prompt_without_words_is_refused(
    client: TestClient, make_image: MakeImage, prompt: str
) -> None:
    answer = client.post("/v1/edits", json=body(make_image, prompt=prompt))
    problem = assert_problem(answer, 422, "validation_error")
    assert [error["pointer"] for error in problem["errors"]] == ["/prompt"]


@pytest.mark.parametrize("prompt", ["猫", "9", "é", "a.", "🐈", "★", "\u200bcat\u200b", "ａ", "ⅷ"])
def test_a_prompt_with_one_word_or_sign_is_taken(
    client: TestClient, make_image: MakeImage, prompt: str
) -> None:
    assert client.post("/v1/edits", json=body(make_image, prompt=prompt)).status_code == 202


# --- addresses


@pytest.mark.parametrize("cling", [" ", "\n", "\t", "\u00a0", "\u200b", "\ufeff", " \u200b\r\n"])
def test_what_clings_to_an_address_is_dropped(
    client: TestClient, make_image: MakeImage, cling: str
) -> None:
    url = "https://hooks.example/baret"
    fields = {"webhook_url": cling + url + cling, "model": cling + "zoo" + cling}
    answer = client.post("/v1/edits", json=body(make_image, **fields))
    assert answer.status_code == 202, answer.text
    assert answer.json()["params"]["webhook_url"] == url


@pytest.mark.parametrize("inside", [False, True])
def test_a_webhook_url_is_blamed_where_it_was_sent(
    client: TestClient, make_image: MakeImage, inside: bool
) -> None:
    url = {"webhook_url": "http://10.0.0.1/"}
    fields: dict[str, Any] = {"params": url} if inside else url
    answer = client.post("/v1/edits", json=body(make_image, **fields))
    problem = assert_problem(answer, 422, "url_not_allowed")
    place = "/params/webhook_url" if inside else "/webhook_url"
    assert [error["pointer"] for error in problem["errors"]] == [place]
