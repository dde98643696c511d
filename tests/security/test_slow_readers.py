"""Clients that request a lot and read little of it."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

import pytest

from core.images.storage import ImageStorage
from core.schema import EditStatus, Result, StoredImage, Submission
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.slow_clients import MB, UNREAD_SECONDS, address, app, settings
from tests.security.tally import Tally

__all__ = ["address", "app", "settings"]


@pytest.fixture
def large(store: EditStore, settings: Settings, submission: Callable[..., Submission]) -> str:
    """Return the path of an output of some megabytes."""
    edit = submission()
    store.submit(edit, limit=10)
    claim = store.claim("zoo")
    assert claim is not None
    data = bytes(16 * MB)
    ImageStorage(settings.images_url).put(edit.id, "output.png", data)
    output = StoredImage(
        name="output.png",
        strength=0.7,
        width=64,
        height=64,
        content_type="image/png",
        sha256="0" * 64,
        bytes=len(data),
    )
    store.finish(claim, EditStatus.SUCCEEDED, result=Result(outputs=[output]))
    return f"/v1/edits/{edit.id}/image?format=png"


def test_an_answer_that_is_not_taken_is_not_kept(
    address: tuple[str, int], large: str, tally: Tally
) -> None:
    with socket.create_connection(address) as client:
        client.sendall(f"GET {large} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        time.sleep(3 * UNREAD_SECONDS)
        client.settimeout(5)
        taken = 0
        with pytest.raises(ConnectionError):
            while data := client.recv(65536):
                taken += len(data)
            raise ConnectionResetError  # closed cleanly, but incomplete
    tally.count("clients that do not take their answer", "refused")
    assert taken < 16 * MB


def test_many_answers_that_are_not_taken_are_bounded_together(
    address: tuple[str, int], large: str, tally: Tally
) -> None:
    most = 10
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address)) for _ in range(most)]
        for client in clients:
            client.sendall(f"GET {large} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(UNREAD_SECONDS / 20)
        tally.count("clients that do not take their answer", "refused", most)
        # A new client that reads its answer is served, although the first have not timed out yet.
        with socket.create_connection(address) as honest:
            assert taken_from(honest, large) > 16 * MB
        assert sum(rest_of(client) > 16 * MB for client in clients) <= 2  # 40 MB in all


def rest_of(client: socket.socket) -> int:
    """Return how many bytes still arrive."""
    client.settimeout(10)
    taken = 0
    with suppress(ConnectionError):
        while data := client.recv(262144):
            taken += len(data)
    return taken


def taken_from(client: socket.socket, path: str, *, pause: float = 0, until: float = 0) -> int:
    """Return how many bytes of an answer arrive, with pauses for the first `until` seconds."""
    client.settimeout(10)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    taken, end = 0, time.monotonic() + until
    while data := client.recv(262144):
        taken += len(data)
        if time.monotonic() < end:
            time.sleep(pause)
    return taken


def test_an_answer_that_is_taken_slowly_arrives(address: tuple[str, int], large: str) -> None:
    with socket.create_connection(address) as client:
        pause, until = UNREAD_SECONDS / 20, 2.5 * UNREAD_SECONDS
        assert taken_from(client, large, pause=pause, until=until) > 16 * MB
