"""The page at / of a service with keys: it asks for one, keeps it in the tab, and uses it."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import finish, keys, make_key, serving, settings
from tests.support.playground import Playground

__all__ = ["finish", "keys", "make_key", "settings"]


def test_a_service_with_keys_asks_for_one(
    open_tab: Callable[..., Playground],
    settings: Settings,
    store: EditStore,
    model: Model,
    make_key: Callable[..., Any],
    finish: Callable[..., Any],
    photo: bytes,
) -> None:
    store.announce("worker-1", model)
    headers, _ = make_key()
    key = headers["Authorization"].removeprefix("Bearer ")
    with serving(settings) as url:
        playground = open_tab(url)
        playground.open()
        expect(playground.key).to_be_focused()
        playground.check()
        playground.key.fill(key[:-1])
        playground.key.press("Enter")
        expect(playground.key_problem).not_to_be_empty()
        playground.check()
        playground.key.fill(key)
        playground.key.press("Enter")
        expect(playground.key_card).to_be_hidden()

        playground.choose(photo)
        playground.ask("a cat that sits")
        expect(playground.status).to_have_text("Waiting for a worker")
        playground.check()
        playground.page.reload()
        expect(playground.status).to_have_text("Waiting for a worker")
        finish()
        playground.shows("single")  # no worker kept the photo for the page
        with playground.page.expect_download():
            playground.page.get_by_role("button", name="WebP").click()
        playground.check()

        playground.forget_key.click()
        expect(playground.key).to_be_visible()
