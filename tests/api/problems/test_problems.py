"""Every error as a problem: its status, its code, the field, and no internals."""

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from PIL import Image

from api.app import create_app
from api.problems.types import BY_CODE
from core.problems import EDIT_PROBLEMS
from core.schema import EditStatus, Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.problems import UNKNOWN_EDIT, assert_problem

MakeImage = Callable[..., bytes]


def post_form(client: TestClient, data: bytes, **fields: str) -> Response:
    return client.post("/v1/edits", data={"prompt": "x", **fields}, files={"image": data})


def post_json(client: TestClient, make_image: MakeImage, **fields: Any) -> Response:
    image = {"base64": base64.b64encode(make_image()).decode()}
    return client.post("/v1/edits", json={"prompt": "x", "image": image, **fields})


# --- bodies


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "image/png", ""]
)
def test_a_body_of_another_kind_is_unsupported(client: TestClient, content_type: str) -> None:
    answer = client.post("/v1/edits", content=b"prompt=x", headers={"content-type": content_type})
    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"prompt": NaN}',
        b'{"prompt": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"seed": ' + b"1" * 5000,
    ],
)
def test_malformed_json_is_an_invalid_request(client: TestClient, body: bytes) -> None:
    answer = client.post("/v1/edits", content=body, headers={"content-type": "application/json"})
    assert_problem(answer, 400, "invalid_request")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"--y\r\nnonsense"),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken\r\n\r\n--x--"),
    ],
)
def test_a_malformed_form_is_an_invalid_request(
    client: TestClient, content_type: str, body: bytes
) -> None:
    answer = client.post("/v1/edits", content=body, headers={"content-type": content_type})
    assert answer.status_code in (400, 422)
    assert_problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.parametrize("body", ["[]", '"text"', "5", "null"])
def test_json_that_is_no_object_is_a_validation_error(client: TestClient, body: str) -> None:
    answer = client.post("/v1/edits", content=body, headers={"content-type": "application/json"})
    assert assert_problem(answer, 422, "validation_error")["errors"][0]["pointer"] == ""


@pytest.mark.parametrize(
    ("content_type", "megabytes"),
    [("multipart/form-data; boundary=x", 22), ("application/json", 29)],
)
def test_a_body_that_states_too_much_is_refused_before_it_is_read(
    client: TestClient, content_type: str, megabytes: int
) -> None:
    def never() -> Iterator[bytes]:
        yield b""

    headers = {"content-type": content_type, "content-length": str(megabytes * 1024 * 1024)}
    assert_problem(
        client.post("/v1/edits", content=never(), headers=headers), 413, "image_too_large"
    )


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/json"])
def test_a_body_that_does_not_state_its_length_is_refused_while_it_comes(
    client: TestClient, content_type: str
) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
        for _ in range(30):
            yield bytes(1024 * 1024)

    headers = {"content-type": content_type}
    assert_problem(
        client.post("/v1/edits", content=endless(), headers=headers), 413, "image_too_large"
    )


# --- fields


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"prompt": ""}, "/prompt"),
        ({"prompt": " "}, "/prompt"),
        ({"prompt": "x" * 1001}, "/prompt"),
        ({"prompt": 5}, "/prompt"),
        ({"seed": -1}, "/seed"),
        ({"params": {"seed": -1}}, "/params/seed"),
        ({"strength": 1.5}, "/strength"),
        ({"strength": [0.5, 1.5]}, "/strength/1"),
        ({"strength": {"a": 1}}, "/strength"),
        ({"strength": [0.1] * 9}, "/strength"),
        ({"params": {"strength": [0.5, 1.5]}}, "/params/strength/1"),
        ({"num_inference_steps": "many"}, "/num_inference_steps"),
        ({"preset": "magic"}, "/preset"),
        ({"params": {"preset": "magic"}}, "/params/preset"),
        ({"steps": 5}, "/steps"),
        ({"a/b~c": 5}, "/a~1b~0c"),
        ({"params": {"steps": 5}}, "/params/steps"),
        ({"params": {"prompt": "y"}}, "/params/prompt"),
        ({"params": [1]}, "/params"),
        ({"params": {"seed": 1}, "seed": 1}, "/params/seed"),
        ({"image": None}, "/image"),
        ({"image": {}}, "/image"),
        ({"image": 5}, "/image"),
        ({"image": {"url": "https://x.example", "base64": "aa"}}, "/image"),
        ({"image": {"url": "https://x.example", "size": 3}}, "/image/size"),
        ({"source": UNKNOWN_EDIT}, "/source"),
        ({"metadata": {"a": 5}}, "/metadata/a"),
        ({"metadata": {"a": "x" * 513}}, "/metadata/a"),
        ({"metadata": {str(n): "" for n in range(17)}}, "/metadata"),
        ({"metadata": []}, "/metadata"),
        ({"webhook_events": ["edit.exploded"]}, "/webhook_events/0"),
        ({"model": "none"}, "/model"),
        ({"model": ""}, "/model"),
        ({"model": 5}, "/model"),
    ],
)
def test_a_wrong_field_is_named_by_its_place(
    client: TestClient, make_image: MakeImage, fields: dict[str, Any], pointer: str
) -> None:
    problem = assert_problem(post_json(client, make_image, **fields), 422, "validation_error")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert all(error["detail"] for error in problem["errors"])


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"seed": "x"}, "/seed"),
        ({"metadata": "{"}, "/metadata"),
        ({"params": "seed=1"}, "/params"),
        ({"params": "[]"}, "/params"),
        ({"strength": "[0.5"}, "/strength"),
        ({"strength": "strong"}, "/strength"),
        ({"webhook_events": "edit.exploded"}, "/webhook_events/0"),
        ({"params": '{"seed": 1}', "seed": "1"}, "/params/seed"),
        ({"stepps": "1"}, "/stepps"),
        ({"seed": ["1", "2"]}, "/seed"),
    ],
)
def test_a_wrong_form_field_is_named_by_its_place(
    client: TestClient, make_image: MakeImage, fields: dict[str, Any], pointer: str
) -> None:
    problem = assert_problem(post_form(client, make_image(), **fields), 422, "validation_error")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


def test_everything_wrong_is_told_at_once(client: TestClient) -> None:
    answer = client.post("/v1/edits", json={"seed": -1, "quality": 0, "x": 1})
    problem = assert_problem(answer, 422, "validation_error")
    assert {error["pointer"] for error in problem["errors"]} == {
        "/prompt",
        "/image",
        "/seed",
        "/quality",
        "/x",
    }


def test_a_hostile_number_of_wrong_fields_is_told_in_part(
    client: TestClient, make_image: MakeImage
) -> None:
    fields = {f"x{number}": 1 for number in range(5000)}
    problem = assert_problem(post_json(client, make_image, **fields), 422, "validation_error")
    assert len(problem["errors"]) == 32


def test_a_picture_sent_as_a_text_field_is_explained(client: TestClient) -> None:
    answer = client.post(
        "/v1/edits", data={"prompt": "x"}, files={"image": (None, "not a file part")}
    )
    problem = assert_problem(answer, 422, "validation_error")
    assert "file part" in json.dumps(problem["errors"])


def test_the_known_models_are_named(client: TestClient, make_image: MakeImage) -> None:
    problem = assert_problem(post_json(client, make_image, model="sd9"), 422, "validation_error")
    assert "zoo" in problem["errors"][0]["detail"]


# --- images


def huge_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", 10_000, 5_051, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")


def animated() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:])
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "invalid_image"),
        (b"\xff\xd8\xff\xe0 and no more", 400, "invalid_image"),
        (animated(), 400, "invalid_image"),
        (b"a text", 415, "unsupported_media_type"),
        (b"GIF89a" + bytes(50), 415, "unsupported_media_type"),
        (huge_png(), 413, "image_too_large"),
        (bytes(20 * 1024 * 1024 + 1), 413, "image_too_large"),
    ],
    ids=["empty", "truncated", "animated", "text", "gif", "50.5 MP", "20 MB"],
)
def test_a_picture_that_is_refused(client: TestClient, data: bytes, status: int, code: str) -> None:
    problem = assert_problem(post_form(client, data), status, code)
    assert problem["errors"][0]["pointer"] == "/image"


@pytest.mark.parametrize("size", [(20, 64), (400, 90)])
def test_a_tiny_or_elongated_picture_is_a_validation_error(
    client: TestClient, make_image: MakeImage, size: tuple[int, int]
) -> None:
    problem = assert_problem(post_form(client, make_image(size=size)), 422, "validation_error")
    assert problem["errors"][0]["pointer"] == "/image"


def test_base64_that_is_none_is_an_invalid_image(client: TestClient, make_image: MakeImage) -> None:
    assert_problem(post_json(client, make_image, image={"base64": "%%%"}), 400, "invalid_image")


# --- URLs


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:6379/",
        "ftp://example.com/x",
        "http://user:secret@example.com/",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("place", ["/image/url", "/webhook_url"])
def test_a_url_that_leads_inside_is_not_allowed(
    client: TestClient, make_image: MakeImage, url: str, place: str
) -> None:
    fields = {"image": {"url": url}} if place == "/image/url" else {"webhook_url": url}
    problem = assert_problem(post_json(client, make_image, **fields), 422, "url_not_allowed")
    assert problem["errors"][0]["pointer"] == place


def test_a_network_opened_by_name_may_receive_webhooks(
    client: TestClient, make_image: MakeImage
) -> None:
    answer = post_json(client, make_image, webhook_url="http://127.0.0.1:9/hook")
    assert answer.status_code == 202


# --- addresses


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/v1/edits/{UNKNOWN_EDIT}"),
        ("GET", f"/v1/edits/{UNKNOWN_EDIT}?wait=5"),
        ("POST", f"/v1/edits/{UNKNOWN_EDIT}/cancel"),
        ("GET", f"/v1/edits/{UNKNOWN_EDIT}/image"),
        ("GET", "/v1/edits/..%2f..%2fetc%2fpasswd"),
        ("GET", "/v1/edits/%00"),
        ("GET", "/v1/nothing"),
        ("GET", "/nothing/at/all"),
        ("GET", "/web/none.js"),
        ("GET", "/web/..%2f..%2fapp.py"),
        ("GET", "/docs/problems/none"),
        ("GET", f"/v1/files/{UNKNOWN_EDIT}/input"),
    ],
)
def test_what_is_not_there_is_not_found(client: TestClient, method: str, path: str) -> None:
    assert_problem(client.request(method, path), 404, "not_found")


def test_another_callers_edit_is_not_found(
    client: TestClient, store: EditStore, submission: Callable[..., Any]
) -> None:
    foreign = submission(caller="somebody else")
    store.submit(foreign, limit=10)
    for method, path in (("GET", ""), ("GET", "/image"), ("POST", "/cancel")):
        assert_problem(client.request(method, f"/v1/edits/{foreign.id}{path}"), 404, "not_found")
    answer = client.post("/v1/edits", json={"prompt": "x", "source": foreign.id})
    assert_problem(answer, 422, "validation_error")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/edits", "GET, HEAD, POST"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("POST", "/v1/models", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_known_is_told_with_those_that_are(
    client: TestClient, method: str, path: str, allow: str
) -> None:
    answer = client.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/limit"),
        ("limit=101", "/limit"),
        ("limit=x", "/limit"),
        ("status=done", "/status"),
    ],
)
def test_a_wrong_query_is_named(client: TestClient, query: str, pointer: str) -> None:
    problem = assert_problem(client.get(f"/v1/edits?{query}"), 422, "validation_error")
    assert problem["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize("wait", ["-1", "61", "x"])
def test_a_wrong_wait_is_named(client: TestClient, wait: str) -> None:
    problem = assert_problem(
        client.get(f"/v1/edits/{UNKNOWN_EDIT}?wait={wait}"), 422, "validation_error"
    )
    assert problem["errors"][0]["pointer"] == "/wait"


@pytest.mark.parametrize("cursor", ["", "x", "AAAA", "%F0%9F%90%B1", "AAAAAAAAAAAAAAAAAAAAAAAA"])
def test_a_cursor_that_was_not_given_out_is_refused(client: TestClient, cursor: str) -> None:
    assert_problem(client.get(f"/v1/edits?cursor={cursor}"), 400, "invalid_request")


@pytest.mark.parametrize("status", [None, EditStatus.FAILED, EditStatus.CANCELED])
def test_an_edit_without_a_picture_is_not_finished(
    post: Callable[..., Response],
    finish: Callable[..., Any],
    client: TestClient,
    status: EditStatus | None,
) -> None:
    edit = post().json()
    if status is not None:
        finish(status)
    assert_problem(client.get(f"/v1/edits/{edit['id']}/image"), 409, "not_finished")


# --- the service itself


def test_without_any_worker_ever_there_is_no_worker(
    bare_client: TestClient, make_image: MakeImage
) -> None:
    assert_problem(post_form(bare_client, make_image()), 503, "no_worker")


def test_a_redis_that_is_gone_makes_every_operation_unavailable(
    settings_without_redis: Settings, make_image: MakeImage
) -> None:
    with TestClient(create_app(settings_without_redis)) as client:
        assert_problem(post_form(client, make_image()), 503, "unavailable")
        assert_problem(client.get("/v1/edits"), 503, "unavailable")
        assert_problem(client.get("/v1/models"), 503, "unavailable")
        assert_problem(client.get(f"/v1/edits/{UNKNOWN_EDIT}?wait=1"), 503, "unavailable")
        assert client.get("/healthz").status_code == 200


def test_a_store_that_cannot_be_written_makes_a_post_unavailable(
    client: TestClient, make_image: MakeImage, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.rmdir()
    folder.write_bytes(b"")  # permissions would not stop root
    assert_problem(post_form(client, make_image()), 503, "unavailable")
    problem = assert_problem(client.get("/readyz"), 503, "unavailable")
    assert [error["pointer"] for error in problem["errors"]] == ["/store"]


def test_an_unexpected_error_tells_nothing_of_the_inside(
    settings: Settings, store: EditStore, model: Model, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings)

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the password is redis://secret")

    with TestClient(app) as client:
        answer = client.get("/broken", headers={"X-Request-Id": "mine"})
    problem = assert_problem(answer, 500, "internal_error")
    assert "password" not in answer.text
    assert "X-Request-Id" in problem["detail"]
    assert answer.headers["x-request-id"] == "mine"


@pytest.mark.parametrize("code", sorted({**BY_CODE, **EDIT_PROBLEMS}))
def test_every_type_leads_to_a_page_that_explains_it(client: TestClient, code: str) -> None:
    page = client.get(f"/docs/problems/{code}")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert code in page.text
    assert str({**BY_CODE, **EDIT_PROBLEMS}[code].status) in page.text
    assert "{" not in page.text
