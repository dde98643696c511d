"""Requests as the HTTP libraries of phones write them, byte by byte.

OkHttp's were recorded from version 3.13. Later versions write the same bytes, but for the lengths
of parts, which version 5 leaves out. Those of URLSession, React Native and dio are put together as
their sources do it (RCTNetworking.mm, FormData.js, NetworkingModule.java, form_data.dart,
http_impl.dart), with the headers that apps are seen to send.
"""

from dataclasses import dataclass

PROMPT = "ein Hund, der über einen Zaun springt"
NAME = "IMG_2041.png"
HOST, TOKEN, TARGET, PHOTO, UPLOAD = "<host>", "<token>", "<target>", b"<photo>", b"<upload>"
CHUNK = 8192  # of okio and of URLSession's streams

_URL_SESSION = """Accept: */*
User-Agent: Photos/1 CFNetwork/1568.300.101 Darwin/24.2.0
Accept-Language: de-DE,de;q=0.9
Accept-Encoding: gzip, deflate
Connection: keep-alive
"""
# An upload task offers to resume (draft-ietf-httpbis-resumable-upload); most servers pass it over.
_RESUMABLE = "Upload-Complete: ?1\nUpload-Draft-Interop-Version: 6\n"
_OK_HTTP = """Host: <host>
Connection: Keep-Alive
Accept-Encoding: gzip
User-Agent: okhttp/{version}
"""
_RN_IOS = "k7.Zq_T-bQw9xW0u2LrM4cYV8.sPaJd1EoNfHg3IiKlUtRe5yXvBzCnA6mSjDpFhGqOeWr7T"


@dataclass(frozen=True)
class MobileRequest:
    """A request with placeholders; a body without a stated length is sent in chunks."""

    head: str
    body: bytes = PHOTO

    def raw(self, *, host: str, token: str, target: str, photo: bytes, upload: str) -> bytes:
        """Return the bytes as they are sent."""
        body = self.body.replace(b"<photo length>", str(len(photo)).encode())
        body = body.replace(PHOTO, photo).replace(UPLOAD, upload.encode())
        head = self.head.replace(HOST, host).replace(TOKEN, token).replace(TARGET, target)
        if "<length>" in head:
            head = head.replace("<length>", str(len(body)))
        else:
            body = _chunked(body)
        return head.replace("\n", "\r\n").encode() + b"\r\n" + body


def _chunked(body: bytes) -> bytes:
    pieces = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in [*pieces, b""])


def _form(boundary: str, *parts: tuple[str, bytes], end: str = "\r\n") -> bytes:
    """Return the body of a form from the headers and the data of its parts."""
    text = b"".join(
        f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts
    )
    return text + f"--{boundary}--{end}".encode()


def _ok_http_form(version: str, *, has_lengths: bool) -> MobileRequest:
    boundary = "6b1f9a52-0c1e-4f0e-9b4e-2f6c1f7d8a90"

    def part(name: str, data: bytes, more: str = "") -> tuple[str, bytes]:
        size = "<photo length>" if data == PHOTO else len(data)
        length = f"\r\nContent-Length: {size}" if has_lengths else ""
        return f'Content-Disposition: form-data; name="{name}"{more}{length}', data

    file = f'; filename="{NAME}"\r\nContent-Type: image/png'
    body = _form(
        boundary,
        part("prompt", PROMPT.encode()),
        part("strength", b"0.7"),
        part("image", PHOTO, file),
    )
    head = (
        "POST /v1/edits HTTP/1.1\nAuthorization: Bearer <token>\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\nContent-Length: <length>\n"
    )
    return MobileRequest(head + _OK_HTTP.format(version=version), body)


def _react_native(kind: str) -> MobileRequest:
    """Return a form of React Native: 'ios', 'android', or 'filename*' of 0.73 to 0.75."""
    name = 'content-disposition: form-data; name="{}"'
    file = f'{name.format("image")}; filename="{NAME}"'
    if kind == "filename*":
        file += f"; filename*=utf-8''{NAME}"
    is_ios = kind != "android"
    boundary = _RN_IOS if is_ios else "f3c1a6f0-5f1b-4a52-8d39-6f0b0a6f4a11"
    if is_ios:  # a dictionary's order: that of the type may be first
        file = f"content-type: image/png\r\n{file}"
    else:
        file = f"{file}\r\nContent-Type: image/png\r\nContent-Length: <photo length>"
    body = _form(
        boundary,
        (name.format("prompt"), PROMPT.encode()),
        (name.format("strength"), b"0.7"),
        (file, PHOTO),
    )
    head = (
        "POST /v1/edits HTTP/1.1\nauthorization: Bearer <token>\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\nContent-Length: <length>\n"
    )
    more = f"Host: <host>\n{_URL_SESSION}" if is_ios else _OK_HTTP.format(version="4.9.2")
    return MobileRequest(head + more, body)


def _dio_form() -> MobileRequest:
    boundary = "--dio-boundary-2210433284"
    not_ascii = "\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-transfer-encoding: binary"
    file = f'content-disposition: form-data; name="image"; filename="{NAME}"'
    body = _form(
        boundary,
        (f'content-disposition: form-data; name="prompt"{not_ascii}', PROMPT.encode()),
        ('content-disposition: form-data; name="strength"', b"0.7"),
        (f"{file}\r\ncontent-type: application/octet-stream", PHOTO),
    )
    head = (
        "POST /v1/edits HTTP/1.1\nuser-agent: Dart/3.5 (dart:io)\n"
        f"content-type: multipart/form-data; boundary={boundary}\naccept-encoding: gzip\n"
        "content-length: <length>\nauthorization: Bearer <token>\nhost: <host>\n"
    )
    return MobileRequest(head, body)


def _swift_form() -> MobileRequest:
    boundary = "Boundary-4C7A1E0B-7F0E-4B61-9D61-0A3F5B6C9E55"
    name = 'Content-Disposition: form-data; name="{}"'
    body = _form(
        boundary,
        (name.format("prompt"), PROMPT.encode()),
        (name.format("strength"), b"0.7"),
        (f'{name.format("image")}; filename="{NAME}"\r\nContent-Type: image/png', PHOTO),
    )
    head = (
        "POST /v1/edits HTTP/1.1\nHost: <host>\n"
        f'Content-Type: multipart/form-data; boundary="{boundary}"\n'
        f"Authorization: Bearer <token>\n{_RESUMABLE}{_URL_SESSION}Content-Length: <length>\n"
    )
    return MobileRequest(head, body)


# A form with the photo: each makes an edit with PROMPT and a strength of 0.7.
FORMS = {
    "URLSession, upload task from a file": _swift_form(),
    "OkHttp 3 and 4": _ok_http_form("4.12.0", has_lengths=True),
    "OkHttp 5": _ok_http_form("5.3.2", has_lengths=False),
    "React Native, iOS": _react_native("ios"),
    "React Native, Android": _react_native("android"),
    "React Native 0.73 to 0.75": _react_native("filename*"),
    "dio": _dio_form(),
}

_PUT = "PUT <target> HTTP/1.1\n"
_DART_PUT = (
    f"{_PUT}user-agent: Dart/3.5 (dart:io)\ncontent-type: image/png\naccept-encoding: gzip\n"
)
_LENGTH = "Content-Length: <length>\n"

# The photo as the whole body, to an upload's URL.
PUTS = {
    "URLSession, background upload task": MobileRequest(
        f"{_PUT}Host: <host>\nContent-Type: image/png\n{_RESUMABLE}{_URL_SESSION}{_LENGTH}"
    ),
    "URLSession, streamed": MobileRequest(
        f"{_PUT}Host: <host>\nTransfer-Encoding: Chunked\nContent-Type: image/png\n{_URL_SESSION}"
    ),
    "OkHttp": MobileRequest(
        f"{_PUT}Content-Type: image/png\n{_LENGTH}{_OK_HTTP.format(version='4.12.0')}"
    ),
    "OkHttp, of unknown length": MobileRequest(
        f"{_PUT}Content-Type: image/png\nTransfer-Encoding: chunked\n"
        f"{_OK_HTTP.format(version='4.12.0')}"
    ),
    "React Native, a Blob on iOS": MobileRequest(
        f"{_PUT}Host: <host>\ncontent-type: image/png\n{_URL_SESSION}{_LENGTH}"
    ),
    "dio, a stream with its length": MobileRequest(
        f"{_DART_PUT}content-length: <length>\nhost: <host>\n"
    ),
    "dio, a stream": MobileRequest(f"{_DART_PUT}transfer-encoding: chunked\nhost: <host>\n"),
}
# OkHttp asks before it sends; so does curl.
ASKS_FIRST = MobileRequest(
    f"{_PUT}Expect: 100-continue\nContent-Type: image/png\n{_LENGTH}"
    f"{_OK_HTTP.format(version='4.12.0')}"
)
# What URLSession adds if the app has not set a type.
WITHOUT_TYPE = MobileRequest(
    f"{_PUT}Host: <host>\nContent-Type: application/x-www-form-urlencoded\n{_URL_SESSION}{_LENGTH}"
)

_JSON = '{"prompt": "%s", "image": {"upload": "<upload>"}, "strength": 0.7}'
# The edit of a photo that was sent ahead.
JSONS = {
    "URLSession": MobileRequest(
        "POST /v1/edits HTTP/1.1\nHost: <host>\nContent-Type: application/json\n"
        f"Authorization: Bearer <token>\nIdempotency-Key: 1\n{_URL_SESSION}{_LENGTH}",
        (_JSON % PROMPT).encode(),
    ),
    "OkHttp": MobileRequest(
        "POST /v1/edits HTTP/1.1\nAuthorization: Bearer <token>\nIdempotency-Key: 1\n"
        f"Content-Type: application/json; charset=utf-8\n{_LENGTH}"
        f"{_OK_HTTP.format(version='4.12.0')}",
        (_JSON % PROMPT).encode(),
    ),
    "dio": MobileRequest(
        "POST /v1/edits HTTP/1.1\nuser-agent: Dart/3.5 (dart:io)\nidempotency-key: 1\n"
        "content-type: application/json\naccept-encoding: gzip\ncontent-length: <length>\n"
        "authorization: Bearer <token>\nhost: <host>\n",
        (_JSON % PROMPT).replace(" ", "").replace(PROMPT.replace(" ", ""), PROMPT).encode(),
    ),
}
