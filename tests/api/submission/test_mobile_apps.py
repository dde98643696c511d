"""What the HTTP libraries of phones send, written to a socket byte by byte (docs/mobile.md)."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from core.access.api_keys import ApiKey
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving
from tests.support.mobile_requests import (
    ASKS_FIRST,
    FORMS,
    JSONS,
    PROMPT,
    PUTS,
    WITHOUT_TYPE,
    MobileRequest,
)

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
SECONDS = 30  # a socket's


@dataclass(frozen=True)
class Phone:
    """An app with its user's token, and the back end behind it with the key."""

    address: str
    photo: bytes
    token: str
    back_end: httpx.Client

    def create_upload(self) -> Any:
        body = {"content_type": "image/png", "bytes": len(self.photo)}
        return self.back_end.post("/v1/uploads", json=body).json()

    def bytes_of(self, request: MobileRequest, upload: Any = None) -> bytes:
        parts = urlsplit(upload["url"] if upload else self.address)
        return request.raw(
            host=urlsplit(self.address).netloc,
            token=self.token,
            target=f"{parts.path}?{parts.query}",
            photo=self.photo,
            upload=upload["id"] if upload else "",
        )

    def connect(self) -> socket.socket:
        parts = urlsplit(self.address)
        return socket.create_connection((parts.hostname or "", parts.port or 0), SECONDS)

    def send(self, raw: bytes, *, pieces: int = 1) -> tuple[int, Any]:
        """Write the bytes in so many pieces; return the status, and the JSON of the answer."""
        with closing(self.connect()) as connection:
            size = len(raw) // pieces + 1
            for at in range(0, len(raw), size):
                connection.sendall(raw[at : at + size])
                time.sleep(0.01 if pieces > 1 else 0)
            return read(connection)


def read(connection: socket.socket) -> tuple[int, Any]:
    answer = HTTPResponse(connection)
    answer.begin()
    text = answer.read()
    return answer.status, json.loads(text) if text else None


@pytest.fixture
def phone(
    settings: Settings,
    store: EditStore,
    model: Model,
    make_key: MakeKey,
    make_image: Callable[..., bytes],
) -> Iterator[Phone]:
    store.announce("worker-1", model)
    key, _ = make_key()
    with (
        serving(settings) as address,
        httpx.Client(base_url=address, headers=key, trust_env=False, timeout=SECONDS) as back_end,
    ):
        token = back_end.post("/v1/tokens", json={"user": "ann"}).json()["token"]
        yield Phone(address, make_image(size=(96, 64)), token, back_end)


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_form_of_each_library_makes_an_edit(phone: Phone, pieces: int) -> None:
    for library, request in list(FORMS.items())[:: 1 if pieces == 1 else 3]:
        status, edit = phone.send(phone.bytes_of(request), pieces=pieces)
        assert status == 202, (library, edit)
        assert (edit["prompt"], edit["params"]["strength"]) == (PROMPT, 0.7), library
        assert (edit["input"]["width"], edit["user"]) == (96, "ann"), library
        phone.back_end.delete(f"/v1/edits/{edit['id']}")


def test_a_photo_of_each_library_reaches_its_upload(phone: Phone) -> None:
    for library, request in PUTS.items():
        upload = phone.create_upload()
        assert phone.send(phone.bytes_of(request, upload), pieces=3) == (204, None), library
        body = {"prompt": "x", "image": {"upload": upload["id"]}}
        made = phone.back_end.post("/v1/edits", json=body)
        assert made.status_code == 202, (library, made.text)
        phone.back_end.delete(f"/v1/edits/{made.json()['id']}")


@pytest.mark.parametrize("library", JSONS)
def test_the_app_makes_the_edit_itself_with_its_token(phone: Phone, library: str) -> None:
    key = {"Authorization": f"Bearer {phone.token}"}
    fields = {"content_type": "image/png"}
    upload = phone.back_end.post("/v1/uploads", json=fields, headers=key).json()
    phone.send(phone.bytes_of(PUTS["OkHttp"], upload))
    raw = phone.bytes_of(JSONS[library], upload)
    (status, edit), (again, same) = (phone.send(raw) for _ in range(2))
    assert (status, edit["prompt"], edit["params"]["strength"]) == (202, PROMPT, 0.7)
    assert (again, same["id"]) == (202, edit["id"])  # its Idempotency-Key


def test_a_library_that_asks_first_is_told_to_go_on(phone: Phone) -> None:
    upload = phone.create_upload()
    head, blank, body = phone.bytes_of(ASKS_FIRST, upload).partition(b"\r\n\r\n")
    with closing(phone.connect()) as connection:
        connection.sendall(head + blank)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert read(connection) == (204, None)


def test_a_library_that_asks_first_sends_nothing_to_an_address_that_is_not_valid(
    phone: Phone,
) -> None:
    upload = phone.create_upload() | {"url": f"{phone.address}/v1/uploads/upl_0?expires=1"}
    head, blank, _ = phone.bytes_of(ASKS_FIRST, upload).partition(b"\r\n\r\n")
    with closing(phone.connect()) as connection:
        connection.sendall(head + blank)
        status, problem = read(connection)
        assert (status, problem["code"]) == (404, "not_found")


def test_a_photo_that_was_cut_off_may_be_sent_again(phone: Phone) -> None:
    upload = phone.create_upload()
    raw = phone.bytes_of(PUTS["URLSession, background upload task"], upload)
    with closing(phone.connect()) as connection:
        connection.sendall(raw[:-50])  # then the phone loses its network
    assert phone.send(raw) == (204, None)
    assert phone.send(raw) == (204, None)  # the answer was lost


def test_an_upload_without_a_type_is_told_which_to_send(phone: Phone) -> None:
    status, problem = phone.send(phone.bytes_of(WITHOUT_TYPE, phone.create_upload()))
    assert (status, problem["code"]) == (415, "unsupported_media_type")
    assert "image/png" in problem["detail"]
