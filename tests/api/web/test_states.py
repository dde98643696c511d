"""What the page at / says of a model without a live worker."""

from collections.abc import Callable

from playwright.sync_api import expect

from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving, settings
from tests.support.playground import Playground

__all__ = ["settings"]


def test_the_page_says_whether_a_model_is_there_sleeps_or_is_loading(
    open_tab: Callable[..., Playground], settings: Settings, store: EditStore, model: Model
) -> None:
    with serving(settings) as url:
        playground = open_tab(url)
        playground.open()
        expect(playground.no_model).to_contain_text("No worker has started yet")
        store.announce("worker-1", model)
        playground.page.reload()
        expect(playground.preset).to_have_value("auto")
        expect(playground.no_model).to_be_hidden()
        store.withdraw("worker-1", model)
        playground.page.reload()
        expect(playground.no_model).to_contain_text("sleeps")
        playground.check()
        store.announce_loading("worker-2", "zoo", since=store.now())
        playground.page.reload()
        expect(playground.no_model).to_contain_text("is being loaded")
