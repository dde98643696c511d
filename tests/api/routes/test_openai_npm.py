"""The official `openai` package of npm against the real application; a test plays the worker."""

import base64
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving
from tests.support.node_tools import node_tools, run
from tests.support.waiting import until

__all__ = ["node_tools"]

pytestmark = pytest.mark.node

SCRIPT = """
import OpenAI, { toFile } from "openai";
const [baseURL, photo] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });
const models = await client.models.list();
const image = await toFile(Buffer.from(photo, "base64"), "photo.png", { type: "image/png" });
const asked = { model: "zoo", image, prompt: "a cat that sits" };
const whole = await client.images.edit({ ...asked, n: 2 });
const types = [];
for await (const event of await client.images.edit({ ...asked, stream: true })) {
  types.push(event.type);
}
const refused = await client.images.edit({ ...asked, size: "1024x1024" }).catch((error) => error);
console.log(JSON.stringify({
  images: whole.data.map((one) => one.b64_json),
  types,
  refused: [refused.status, refused.code, refused.param],
  models: models.data.map((one) => one.id),
  retrieved: (await client.models.retrieve("zoo")).owned_by,
}));
"""


def test_an_edit_is_made_streamed_and_refused(
    node_tools: Path,
    settings: Settings,
    store: EditStore,
    model: Model,
    finish: Callable[..., Any],
    make_image: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    (tmp_path / "node_modules").symlink_to(node_tools.parent)
    (tmp_path / "main.mjs").write_text(SCRIPT)
    store.announce("worker-1", model)

    def work() -> None:
        for _ in range(2):
            until(lambda: store.waiting("zoo", longer_than=0, limit=1), "an edit to wait")
            finish()

    worker = threading.Thread(target=work, daemon=True)
    with serving(settings) as address:
        worker.start()
        photo = base64.b64encode(make_image()).decode()
        done = run("node", "main.mjs", f"{address}/v1", photo, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    worker.join()
    printed = json.loads(done.stdout)
    assert len(printed["images"]) == 2
    assert base64.b64decode(printed["images"][0]) == make_image(size=(64, 64))
    assert printed["types"] == ["image_edit.completed"]
    assert printed["refused"] == [422, "validation_error", "size"]
    assert (printed["models"], printed["retrieved"]) == (["zoo"], "baret")
