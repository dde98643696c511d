"""Crafted pictures over HTTP: each is refused or served, and none breaks or ends the service."""

import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from api.app import create_app
from api.server.shares import Shares
from core.images.sandbox import DecoderSandbox
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.tally import Tally
from tests.support import crafted_images as crafted
from tests.support.crafted_images import photo

Send = Callable[..., int]
FORMS = ("JPEG", "PNG", "WEBP", "HEIF", "AVIF")


@pytest.fixture
def app(redis_url: str, tmp_path: Path) -> FastAPI:
    return create_app(
        Settings(
            _env_file=None,
            allowed_hosts="testserver",
            REDIS_URL=redis_url,
            data_dir=tmp_path,
            store_url="",
            model="zoo",
            queue_limit=10_000,
            log_level="INFO",
        )
    )


@pytest.fixture
def client(app: FastAPI, store: EditStore, model: Model) -> Iterator[TestClient]:
    store.announce("worker-1", model)
    with TestClient(app) as client:
        yield client


@pytest.fixture
def send(client: TestClient, tally: Tally) -> Send:
    """Return a function that posts a picture, counts the answer by kind, and returns its status."""

    def post(
        kind: str, data: bytes, *, name: str = "a.jpg", content_type: str = "image/jpeg"
    ) -> int:
        files = {"image": (name, data, content_type)}
        answer = client.post("/v1/edits", data={"prompt": "a cat"}, files=files)
        tally.count(f"pictures: {kind}", answer.status_code)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert answer.json()["code"] in (
                "invalid_image",
                "image_too_large",
                "unsupported_media_type",
                "validation_error",
            )
        return answer.status_code

    return post


@pytest.mark.timeout(60)
def test_bombs_of_png(send: Send) -> None:
    statuses = [send("bombs", data) for data in crafted.png_bombs()]
    # A whole picture within the bounds is served, whatever else the file contains.
    assert {statuses[2], statuses[3]} == {413}
    assert send("bombs", crafted.png(64, 64)) == 400


def test_pictures_that_are_too_large_by_their_header(send: Send) -> None:
    assert {send("bombs", data) for data in crafted.oversized()} <= {400, 413, 415}


@pytest.mark.parametrize("form", FORMS)
def test_truncated_pictures(send: Send, form: str) -> None:
    data = photo(form)
    # Cut off at least the last tenth: a PNG may lack its end and still have all of its pixels.
    cuts = {round(len(data) * share / 30) for share in range(28)} | {1, 2, 3, 8, 12, 16, 30}
    for cut in sorted(cuts):
        assert send("truncated", data[:cut]) in (400, 415), cut


def test_files_of_two_kinds(send: Send) -> None:
    for data in crafted.polyglots():
        send("polyglots", data)


def test_other_kinds_of_files_are_unsupported_whatever_they_are_called(send: Send) -> None:
    for data in crafted.other_kinds():
        assert send("other formats", data) == 415
        assert send("other formats", data, name="../../a.png", content_type="image/png") == 415


def test_a_picture_is_known_by_its_content_alone(send: Send) -> None:
    for form in FORMS:
        for name, kind in (("a.html", "text/html"), ("a.svg", "image/svg+xml"), ("a.exe", "a/b")):
            assert send("wrong name or type", photo(form), name=name, content_type=kind) == 202


def test_animated_pictures_are_refused(send: Send) -> None:
    for form in ("PNG", "WEBP", "AVIF"):
        assert send("animated", crafted.animated(form)) == 400
    assert send("animated", crafted.animated("GIF")) == 415


def test_unusual_pixels_are_served(send: Send) -> None:
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        assert send("unusual pixels", photo("PNG", mode=mode)) == 202
    for mode in ("L", "CMYK"):
        assert send("unusual pixels", photo("JPEG", mode=mode)) == 202
    assert send("unusual pixels", photo("PNG", mode="P", transparency=0)) == 202
    file = io.BytesIO()
    Image.new("RGB", (80, 60)).save(
        file, "MPO", save_all=True, append_images=[Image.new("RGB", (40, 30))]
    )
    assert send("unusual pixels", file.getvalue()) == 202
    assert send("unusual pixels", file.getvalue()[:-300]) in (202, 400)


@pytest.mark.parametrize("form", FORMS)
def test_absurd_metadata_is_passed_over(send: Send, form: str) -> None:
    for exif in (*crafted.exifs(), crafted.unwritable_exif()):
        assert send("absurd metadata", crafted.with_exif(form, exif)) == 202, exif[:40]
    for profile in crafted.profiles():
        assert send("absurd metadata", photo(form, icc_profile=profile)) == 202, profile[:40]


@pytest.mark.parametrize("bounds", [DecoderSandbox(cpu_seconds=1), DecoderSandbox(seconds=1)])
def test_a_picture_that_ends_its_decoder_is_refused_and_the_next_is_served(
    app: FastAPI, send: Send, bounds: DecoderSandbox
) -> None:
    app.state.services = replace(app.state.services, sandbox=bounds)
    # Without a limit, this would decode for minutes.
    assert send("bombs", crafted.jpeg_of_many_scans(20_000)) == 400
    assert send("bombs", photo("JPEG")) == 202


def test_a_picture_that_takes_too_much_memory_is_refused_and_the_next_is_served(
    app: FastAPI, send: Send
) -> None:
    app.state.services = replace(app.state.services, sandbox=DecoderSandbox(memory=160 * 2**20))
    assert send("bombs", photo("AVIF", size=(6000, 6000), speed=10)) == 400
    assert send("bombs", photo("AVIF")) == 202


def test_a_bomb_stops_nobody_else(send: Send) -> None:
    found: list[int] = []
    bomb = crafted.jpeg_of_many_scans(20_000)
    slow = threading.Thread(target=lambda: found.append(send("bombs", bomb)))
    slow.start()
    for _ in range(10):
        assert send("bombs", photo("PNG")) == 202
    assert found == []  # still decoding
    slow.join()
    assert found == [400]


def test_who_waits_too_long_for_a_decoder_is_told_to_come_again(
    app: FastAPI, client: TestClient
) -> None:
    services = app.state.services
    settings = services.settings.model_copy(update={"share_wait": 0.5})
    app.state.services = replace(
        services, sandbox=DecoderSandbox(seconds=5), shares=Shares.make(settings)
    )

    def post(data: bytes) -> Any:
        return client.post("/v1/edits", data={"prompt": "a cat"}, files={"image": data})

    bomb = crafted.jpeg_of_many_scans(20_000)
    answers: list[Any] = []
    slow = [threading.Thread(target=lambda: answers.append(post(bomb))) for _ in range(3)]
    for thread in slow:
        thread.start()
    for thread in slow:
        thread.join()
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 1 and len(refused) + 1 <= len(answers)
    assert {answer.json()["code"] for answer in refused} == {"rate_limited"}
    assert all(answer.headers["retry-after"] for answer in refused)
    assert {answer.status_code for answer in answers} == {400, 429}
    assert post(photo("PNG")).status_code == 202
