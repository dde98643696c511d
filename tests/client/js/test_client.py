"""The TypeScript client against the real application; a test plays the worker."""

import base64
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from api.app import create_app
from core.schema import EditStatus
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import working
from tests.support.commands import ROOT
from tests.support.node_tools import run

pytestmark = pytest.mark.node
Node = Callable[..., Any]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CREATE = """
const client = new baret.Baret(args[0], { apiKey: args[1] });
const image = Buffer.from(args.at(-1), "base64");
const edit = await client.edits.create({ image, prompt: "a cat that sits", strength: [0.5, 1] });
"""


@pytest.fixture
def photo(make_image: Callable[..., bytes]) -> str:
    return base64.b64encode(make_image()).decode()


def test_an_edit_is_made_waited_for_and_downloaded(
    server: str, node: Node, photo: str, store: EditStore, finish: Callable[..., Any]
) -> None:
    script = (
        CREATE
        + """
        const seen = [];
        const done = await client.edits.wait(edit, { onProgress: (now) => seen.push(now.status) });
        const image2 = await client.edits.image(done, { strength: 1, format: "webp" });
        const listed = [];
        for await (const one of client.edits.list({ status: "succeeded" })) listed.push(one.id);
        answer({
            id: done.id === edit.id, status: done.status,
            strengths: done.outputs.map((output) => output.strength),
            type: image2.type, bytes: image2.size, listed: listed.length,
            models: (await client.models()).map((m) => m.id),
        });
        """
    )
    with working(store, finish):
        answer = node(script, server, "", photo)
    assert answer.pop("bytes") > 20
    assert answer == {
        "id": True,
        "status": "succeeded",
        "strengths": [0.5, 1],
        "type": "image/webp",
        "listed": 1,
        "models": ["zoo"],
    }


def test_events_are_yielded_up_to_the_end(
    server: str, node: Node, photo: str, store: EditStore, finish: Callable[..., Any]
) -> None:
    script = (
        CREATE
        + """
        const types = [];
        for await (const event of client.edits.stream(edit)) types.push(event.type);
        answer(types);
        """
    )
    with working(store, finish):
        types = node(script, server, "", photo)
    assert types[0] == "status" and types[-1] == "done"


@pytest.mark.parametrize(
    ("status", "message"),
    [(EditStatus.FAILED, "The edit failed"), (EditStatus.CANCELED, "The edit was canceled.")],
)
def test_waiting_for_an_edit_that_does_not_succeed_throws_it(
    server: str,
    node: Node,
    photo: str,
    store: EditStore,
    finish: Callable[..., Any],
    status: EditStatus,
    message: str,
) -> None:
    script = (
        CREATE
        + """
        const error = await client.edits.wait(edit).catch((error) => error);
        answer([error instanceof baret.EditNotSucceeded, error.message, error.edit.status]);
        """
    )
    with working(store, finish, status):
        known, text, shown = node(script, server, "", photo)
    assert known and text.startswith(message) and shown == status


def test_a_refusal_names_the_fields_and_what_to_do(server: str, node: Node) -> None:
    script = """
    const client = new baret.Baret(args[0]);
    const error = await client.edits.create({ prompt: "", image: "data:,x" }).catch((e) => e);
    answer([error.name, error.code, error.status, error.message, error.requestId.length > 0]);
    """
    name, code, status, message, has_id = node(script, server)
    assert (name, code, status, has_id) == ("ProblemError", "validation_error", 422, True)
    assert "\n  /prompt: " in message


def test_a_token_made_from_a_key_sees_its_own_edits_alone(
    server: str, node: Node, photo: str, make_key: Callable[..., Any]
) -> None:
    headers, _ = make_key()
    script = (
        CREATE
        + """
        const { token } = await client.token({ user: "user-1", ttl: 60 });
        const app = new baret.Baret(args[0], { apiKey: token });
        const own = await app.edits.create({ image, prompt: "a dog" });
        const other = await app.edits.get(edit).catch((error) => error.code);
        answer([own.user, other]);
        """
    )
    key = headers["Authorization"].removeprefix("Bearer ")
    assert node(script, server, key, photo) == ["user-1", "not_found"]


def test_a_busy_service_is_asked_again_and_the_edit_is_made_once(node: Node, photo: str) -> None:
    seen: list[tuple[str, str]] = []

    class Busy(BaseHTTPRequestHandler):
        """Answers 503, then breaks the connection off, then accepts."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.headers["Idempotency-Key"], self.headers["Content-Type"]))
            if len(seen) == 2:
                self.close_connection = True
                self.connection.close()
                return
            status, body = (503, {"code": "queue_full", "title": "Full", "status": 503})
            if len(seen) == 3:
                status, body = (202, {"id": "edit_1", "status": "queued"})
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    busy = ThreadingHTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=busy.serve_forever, daemon=True).start()
    try:
        address = f"http://127.0.0.1:{busy.server_port}"
        assert node(CREATE + "answer(edit.id);", address, "", photo) == "edit_1"
    finally:
        busy.shutdown()
    assert len(seen) == 3
    assert len({key for key, _ in seen}) == 1
    assert all(kind.startswith("multipart/form-data") for _, kind in seen)


@pytest.mark.parametrize(
    ("alter", "outcome"),
    [
        ("", "edit.succeeded"),
        ("body = body.replace('edit_1', 'edit_2');", "WebhookRejected"),
        ("headers['webhook-timestamp'] = '1'", "WebhookRejected"),
        ("secret = 'whsec_' + btoa('another secret')", "WebhookRejected"),
        ("delete headers['webhook-signature']", "WebhookRejected"),
    ],
)
def test_a_webhook_counts_only_if_the_service_signed_it(
    node: Node, alter: str, outcome: str
) -> None:
    body = json.dumps({"type": "edit.succeeded", "timestamp": "now", "data": {"id": "edit_1"}})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "Webhook-Signature": "v1,AAAA " + Webhook(SECRET).sign("msg_1", now, body),
    }
    headers = {name.lower(): value for name, value in headers.items()}
    script = f"""
    let [headers, body, secret] = [JSON.parse(args[0]), args[1], args[2]];
    {alter}
    const event = await baret.verifyWebhook(headers, body, secret).catch((error) => error);
    answer(event.type ?? event.name);
    """
    assert node(script, json.dumps(headers), body, SECRET) == outcome


def test_the_types_are_those_of_the_services_description(
    settings: Settings, node_tools: Path, tmp_path: Path
) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(create_app(settings).openapi()))
    options = ("--default-non-nullable=false", "-o", "api.ts")
    done = run(node_tools / "openapi-typescript", "openapi.json", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    made, kept = (tmp_path / "api.ts").read_text(), (ROOT / "client/js/src/api.ts").read_text()
    assert made == kept, "generate client/js/src/api.ts again: see client/js/README.md"


def test_a_photo_is_sent_ahead_by_a_program_without_a_key(
    server: str, node: Node, photo: str, make_key: Callable[..., Any]
) -> None:
    headers, _ = make_key()
    script = """
    const [address, key, text] = args;
    const image = Buffer.from(text, "base64");
    const backEnd = new baret.Baret(address, { apiKey: key });
    const upload = await backEnd.uploads.create({ content_type: "image/png", bytes: image.length });
    await new baret.Baret(address).uploads.send(upload, new Blob([image]));
    const used = { image: { upload: upload.id }, prompt: "a cat that sits" };
    const edit = await backEnd.edits.create(used);
    const again = await backEnd.edits.create(used).catch((error) => error);
    answer([edit.status, edit.input.width, again.code]);
    """
    key = headers["Authorization"].removeprefix("Bearer ")
    assert node(script, server, key, photo) == ["queued", 64, "validation_error"]
