"""Pictures behind URLs: answers of real servers, and where each was reported."""

import asyncio
from ipaddress import ip_network

import pytest

from core.errors import FetchFailed
from core.outbound.fetcher import Fetcher
from core.outbound.ip_policy import IpPolicy
from tests.security.hostile import listening

LOOPBACK = IpPolicy(allow=(ip_network("127.0.0.0/8"),))
PICTURE = b"a picture, as far as this test goes"


def fetched(url: str) -> bytes:
    async def fetch() -> bytes:
        fetcher = Fetcher(LOOPBACK, seconds=5)
        try:
            return await fetcher.fetch(url, max_bytes=1000)
        finally:
            await fetcher.close()

    return asyncio.run(fetch())


def answer(*encodings: str) -> bytes:
    lines = "".join(f"Content-Encoding: {encoding}\r\n" for encoding in encodings)
    return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: {len(PICTURE)}\r\n\r\n".encode() + PICTURE


@pytest.mark.parametrize(
    "encodings",
    [
        (),
        ("",),  # aws/aws-sdk#498
        (" ",),
        ("identity",),
        ("Identity",),
        ("aws-chunked",),  # versity/versitygw#2398
        ("AWS-Chunked",),
        ("aws-chunked,",),  # aws/aws-sdk-java-v2#5769
        ("", "identity"),
        ("utf-8",),
        ("binary",),
        ("none",),
    ],
)
def test_an_encoding_that_is_none_is_passed_over(encodings: tuple[str, ...]) -> None:
    with listening(lambda talk: talk.say(answer(*encodings))) as server:
        assert fetched(server.url) == PICTURE


@pytest.mark.parametrize(
    "encodings",
    [("gzip",), ("GZIP",), ("br",), ("zstd",), ("deflate",), ("aws-chunked, gzip",), ("", "br")],
)
def test_a_compressed_picture_is_refused(encodings: tuple[str, ...]) -> None:
    with (
        listening(lambda talk: talk.say(answer(*encodings))) as server,
        pytest.raises(FetchFailed, match="encoding"),
    ):
        fetched(server.url)
