"""The TypeScript client in a real browser, from a page of the service's own origin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Route

from core.store.edits import EditStore
from tests.support.api_app import working
from tests.support.playground import running_browser

pytestmark = pytest.mark.node

EDIT = """
async ([address, bytes]) => {
  const { Baret } = await import("/client/index.js");
  const client = new Baret(address);
  const image = new File([new Uint8Array(bytes)], "photo.png", { type: "image/png" });
  const edit = await client.edits.create({ image, prompt: "a cat that sits", strength: [0.5, 1] });
  const types = [];
  for await (const event of client.edits.stream(edit)) types.push(event.type);
  const done = await client.edits.wait(edit);
  const picture = await createImageBitmap(await client.edits.image(done, { strength: 1 }));
  return { types, strengths: done.outputs.map((one) => one.strength), width: picture.width };
}
"""


def test_a_page_makes_an_edit_follows_it_and_shows_its_image(
    server: str,
    package: Path,
    make_image: Callable[..., bytes],
    store: EditStore,
    finish: Callable[..., Any],
) -> None:
    def serve(route: Route) -> None:
        name = urlsplit(route.request.url).path.removeprefix("/client/")
        route.fulfill(path=package / "dist" / name, content_type="text/javascript")

    with running_browser() as browser:
        page = browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.route("**/client/*.js", serve)
        page.goto(server)
        with working(store, finish):
            seen = page.evaluate(EDIT, [server, list(make_image())])
    assert seen["types"][0] == "status" and seen["types"][-1] == "done"
    assert (seen["strengths"], seen["width"], faults) == ([0.5, 1], 64, [])
