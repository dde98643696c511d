"""Servers that misbehave when an image is fetched from them, and an application that fetches."""

import gzip
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from api.app import create_app
from core.outbound.fetcher import Fetcher
from core.outbound.ip_policy import IpPolicy
from core.settings import Settings
from tests.security.hostile import Script, answering

LOOPBACK = IpPolicy(allow=(ip_network("127.0.0.0/8"),))
MB = 1024 * 1024

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(bytes(20 * MB), 1)


def encoded(name: str) -> Script:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}"
    return answering(BOMB, head)


def then(first: bytes, go_on: Callable[[Any], None]) -> Script:
    def script(talk: Any) -> None:
        talk.say(first)
        go_on(talk)

    return script


SERVERS: dict[str, Script] = {
    # slow
    "says nothing": lambda talk: talk.done.wait(),
    "drips its head": then(OK, lambda talk: talk.drip(b"x")),
    "drips header lines": then(OK, lambda talk: talk.drip(b"X: 1\r\n")),
    "drips its body": then(OK + b"\r\n", lambda talk: talk.drip(b"x")),
    "drips chunks": then(CHUNKED, lambda talk: talk.drip(b"1\r\nx\r\n")),
    "drips interim answers": lambda talk: talk.drip(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "stalls in the middle": then(
        OK + b"Content-Length: 1000\r\n\r\nxx", lambda talk: talk.done.wait()
    ),
    # endless
    "sends header lines without end": then(OK, lambda talk: talk.flood(b"X: 1\r\n" * 99)),
    "sends one header without end": then(OK + b"X: ", lambda talk: talk.flood(b"x" * 9999)),
    "sends interim answers without end": lambda talk: talk.flood(
        b"HTTP/1.1 100 Continue\r\n\r\n" * 99
    ),
    "sends a body without end": then(OK + b"\r\n", lambda talk: talk.flood(bytes(65536))),
    "sends chunks without end": then(
        CHUNKED, lambda talk: talk.flood(b"2000\r\n" + bytes(8192) + b"\r\n")
    ),
    "sends crumbs without end": then(CHUNKED, lambda talk: talk.flood(b"1\r\nx\r\n" * 9999)),
    "sends a chunk's extension without end": then(
        CHUNKED + b"1;", lambda talk: talk.flood(b"x" * 9999)
    ),
    "sends trailers without end": then(
        CHUNKED + b"0\r\n", lambda talk: talk.flood(b"X: 1\r\n" * 99)
    ),
    # dishonest
    "states too much": lambda talk: talk.say(OK + b"Content-Length: 99999999999\r\n\r\n"),
    "states more than it sends": lambda talk: talk.say(OK + b"Content-Length: 99\r\n\r\nx"),
    "states two lengths": lambda talk: talk.say(
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx"
    ),
    "states a negative length": lambda talk: talk.say(OK + b"Content-Length: -1\r\n\r\nxx"),
    "states less than it sends": lambda talk: talk.say(OK + b"Content-Length: 2\r\n\r\nxxxxxxx"),
    "sends gzip": encoded("gzip"),
    "sends deflate": encoded("deflate"),
    "sends br": encoded("br"),
    "sends zstd": encoded("zstd"),
    "sends gzip in gzip": encoded("gzip, gzip"),
    "sends an unknown encoding": encoded("x-none"),
    # other protocols, and oddities
    "speaks HTTP/0.9": lambda talk: talk.say(b"<html>old</html>"),
    "speaks HTTP/2": lambda talk: talk.say(b"\0\0\x12\x04\0\0\0\0\0" + bytes(99)),
    "speaks SSH": lambda talk: talk.say(b"SSH-2.0-OpenSSH_9.9\r\n"),
    "speaks nonsense": lambda talk: talk.say(bytes(range(256)) * 99),
    "switches protocols": lambda talk: talk.say(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    ),
    "answers with status 999": lambda talk: talk.say(b"HTTP/1.1 999 Odd\r\n\r\n"),
    "hangs up": lambda talk: None,
}


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """Return settings that allow fetches from loopback."""
    return Settings(
        _env_file=None,
        REDIS_URL=redis_url,
        data_dir=tmp_path,
        allow_networks="127.0.0.0/8",
        allowed_hosts="testserver",
    )


def app_that_waits(seconds: float, settings: Settings) -> FastAPI:
    """Return an application that waits this many seconds for a picture."""
    made = create_app(settings)
    fetcher = Fetcher(LOOPBACK, seconds=seconds, slot_seconds=0.2)
    made.state.services = replace(made.state.services, fetcher=fetcher)
    return made


def ask(url: str) -> dict[str, Any]:
    return {"prompt": "x", "image": {"url": url}}
