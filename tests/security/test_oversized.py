"""Bodies with too much of something: refused for that reason, quickly, in little memory."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from core.images.inspection import MAX_BYTES
from core.store import keys
from tests.security.tally import Tally
from tests.support.model import MODEL
from tests.support.service import Service

MB = 1_000_000
# Limits of the process for any one of these bodies. A body has up to 29 MB and is in memory two or
# three times: as received, joined, and decoded.
MOST_SECONDS = 3.0
MOST_MEMORY = 300 * MB
MOST_TOLD = 1 * MB  # bytes of an answer

JSON = "application/json"
FORM = "multipart/form-data; boundary=XX"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def asked(**fields: object) -> bytes:
    return json.dumps({"prompt": "x", "image": {"base64": ""}, **fields}).encode()


def many(count: int, text: str = '"k{}":1') -> bytes:
    return ",".join(text.format(number) for number in range(count)).encode()


def field(name: str, data: bytes) -> bytes:
    start = b'--XX\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n'
    return start + data + b"\r\n--XX--\r\n"


# name: (content type, body, correct statuses)
BODIES: dict[str, tuple[str, Callable[[], bytes], set[int]]] = {
    "deep arrays": (JSON, lambda: b"[" * 100_000, {400}),
    "deep objects": (JSON, lambda: b'{"a":' * 100_000, {400}),
    "deep to the last byte": (JSON, lambda: b"[" * 28 * MB, {400}),
    "deep and closed": (JSON, lambda: b"[" * 5000 + b"]" * 5000, {400}),
    "deep params": (FORM, lambda: field("params", b"[" * MB), {422}),
    "an array of 9 million": (JSON, lambda: b'{"prompt":[' + b"{}," * 9 * MB + b"1]}", {400}),
    "a million fields": (JSON, lambda: b"{" + many(MB) + b"}", {400}),
    "5,000 fields": (JSON, lambda: b"{" + many(5000) + b"}", {422}),
    "12,000 fields": (JSON, lambda: b"{" + many(12_000) + b"}", {422}),
    "metadata of a million": (JSON, lambda: b'{"metadata":{' + many(MB) + b"}}", {400}),
    "metadata of 17": (JSON, lambda: asked(metadata={str(n): "" for n in range(17)}), {422}),
    "metadata of 513": (JSON, lambda: asked(metadata={"k": "x" * 513}), {422}),
    "metadata's name of 1 MB": (JSON, lambda: asked(metadata={"k" * MB: "x"}), {422}),
    "a million events": (JSON, lambda: asked(webhook_events=["edit.started"] * MB), {400}),
    "9 strengths": (JSON, lambda: asked(strength=[1] * 9), {422}),
    "1e999": (JSON, lambda: b'{"prompt":"x","seed":1e999}', {422}),
    "-1e999": (JSON, lambda: b'{"prompt":"x","guidance_scale":-1e999}', {422}),
    "4,000 digits": (JSON, lambda: b'{"seed":' + b"9" * 4000 + b"}", {422}),
    "28 million digits": (JSON, lambda: b'{"seed":' + b"9" * 28 * MB + b"}", {400}),
    "28 million decimals": (JSON, lambda: b'{"seed":0.' + b"9" * 28 * MB + b"}", {422}),
    "digits in a text": (JSON, lambda: asked(seed="9" * 20 * MB), {422}),
    "digits in a form": (FORM, lambda: field("seed", b"9" * MB), {422}),
    "NaN": (JSON, lambda: b'{"seed":NaN}', {400}),
    "Infinity": (JSON, lambda: b'{"guidance_scale":Infinity}', {400}),
    "NaN in a text": (JSON, lambda: asked(guidance_scale="nan"), {422}),
    "byte order mark": (JSON, lambda: b'\xef\xbb\xbf{"prompt":"x"}', {422}),
    "UTF-16": (JSON, lambda: '{"prompt":"x"}'.encode("utf-16"), {400}),
    "half a surrogate": (JSON, lambda: b'{"prompt":"\\ud800"}', {400}),
    "half a surrogate, raw": (JSON, lambda: b'{"prompt":"\xed\xa0\x80"}', {400}),
    "overlong UTF-8": (JSON, lambda: b'{"prompt":"\xc0\xaf"}', {400}),
    "one name twice": (JSON, lambda: b'{"prompt":"x","prompt":""}', {422}),
    "a name of 28 MB": (JSON, lambda: b'{"' + b"k" * 28 * MB + b'":1}', {422}),
    "a prompt of 28 MB": (JSON, lambda: b'{"prompt":"' + b"x" * 28 * MB + b'"}', {422}),
    "a prompt of blanks": (JSON, lambda: b'{"prompt":"' + b" " * 28 * MB + b'"}', {422}),
    "a prompt of escapes": (JSON, lambda: b'{"prompt":"' + b"\\u0041" * 4 * MB + b'"}', {422}),
    "blanks": (JSON, lambda: b" " * 28 * MB, {400}),
    "a source of 28 MB": (
        JSON,
        lambda: b'{"prompt":"x","source":"' + b"x" * 28 * MB + b'"}',
        {422},
    ),
    "a model of 28 MB": (JSON, lambda: asked(model="x" * 27 * MB), {422}),
    "an address of 28 MB": (JSON, lambda: asked(webhook_url="http://a/" + "x" * 27 * MB), {422}),
    "base64 of 28 MB": (JSON, lambda: asked(image={"base64": "QUFB" * 7 * MB}), {413, 415}),
    "base64 of blanks": (JSON, lambda: asked(image={"base64": "QU FB " * 4 * MB}), {415}),
    "base64 of breaks": (JSON, lambda: asked(image={"base64": "\n" * 10 * MB}), {400}),
    "base64 with a tail": (JSON, lambda: asked(image={"base64": PNG + "!"}), {400}),
    "base64 with two ends": (JSON, lambda: asked(image={"base64": "QQ==QQ=="}), {400, 415}),
    "base64 for addresses": (JSON, lambda: asked(image={"base64": "_-_-"}), {415}),
    "base64 in other letters": (JSON, lambda: asked(image={"base64": "ＱＵＦＢ" * MB}), {400}),
    "base64 of a long kind": (
        JSON,
        lambda: asked(image={"base64": f"data:{'a' * 10 * MB},{PNG}"}),
        {400},
    ),
    "a picture of 21 MB": (
        FORM,
        lambda: field('image"; filename="a', b"x" * (MAX_BYTES + 1)),
        {413, 422},
    ),
    "a field of 1 MB": (FORM, lambda: field("prompt", b"x" * 1_000_000), {422}),
    "a field of 2 MB": (FORM, lambda: field("prompt", b"x" * 2_000_000), {422}),
    "a name of 1 MB, in a form": (FORM, lambda: field("x" * MB, b"x"), {400}),
    "dashes": (FORM, lambda: b"-" * 20 * MB, {400}),
    "line breaks": (FORM, lambda: field('image"; filename="a', b"\r\n--X" * 4 * MB), {413, 422}),
    "half a form": (FORM, lambda: field("prompt", b"x" * 1000)[:-20], {400, 422}),
    "more than is taken, in JSON": (JSON, lambda: b"[" * 30 * MB, {413}),
    "more than is taken, in a form": (FORM, lambda: b"-" * 30 * MB, {413}),
}


@pytest.fixture(scope="module")
def watched(service: Service) -> Iterator[psutil.Process]:
    """Return the API's process, which believes that a worker is running."""
    service.store.announce("nobody", MODEL)
    yield psutil.Process(service.api.pid)
    service.store.withdraw("nobody", MODEL)
    service.redis.hdel(keys.MODELS, MODEL.id)


def peak(process: psutil.Process) -> int:
    """Return a process's peak memory, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def test_too_much_is_refused_for_what_it_is(
    service: Service, watched: psutil.Process, tally: Tally, subtests: pytest.Subtests
) -> None:
    at_first = watched.memory_info().rss
    for name, (content_type, make, right) in BODIES.items():
        body = make()
        with subtests.test(name):
            before = watched.cpu_times().user
            answer = service.http.post(
                "/v1/edits", content=body, headers={"content-type": content_type}
            )
            tally.count("oversized and malformed bodies", answer.status_code)
            assert answer.status_code in right, answer.text[:500]
            assert answer.headers["content-type"] == "application/problem+json"
            assert len(answer.text) < MOST_TOLD
            assert watched.cpu_times().user - before < MOST_SECONDS
    assert peak(watched) - at_first < MOST_MEMORY


def test_a_body_without_an_end_is_cut_off(
    service: Service, watched: psutil.Process, tally: Tally
) -> None:
    at_first = watched.memory_info().rss
    for content_type in (JSON, FORM):
        given = 0

        def endless() -> Iterator[bytes]:
            nonlocal given
            yield b'--XX\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
            while given < 500 * MB:
                given += 100_000
                yield b"-" * 100_000

        with suppress(httpx.WriteError, httpx.RemoteProtocolError):  # it closes while we send
            answer = service.http.post(
                "/v1/edits", content=endless(), headers={"content-type": content_type}
            )
            assert answer.status_code == 413
        tally.count("oversized and malformed bodies", "refused")
        assert given < 100 * MB
    assert peak(watched) - at_first < MOST_MEMORY
