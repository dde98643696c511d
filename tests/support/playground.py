"""The page at / in a real browser, as somebody uses it, and as axe-core judges it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.support.waiting import PATIENCE

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
# Chromium's own line about an answer that is not 2xx, which a test may have asked for.
_REFUSED = "Failed to load resource"


def chromium_or_skip() -> str:
    """Return the path of Chromium; skip the test if there is none. `.ci/run` installs it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("Chromium is not installed (Debian's package `chromium`)")
    return chromium


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Chromium; skip if there is none."""
    chromium = chromium_or_skip()
    expect.set_options(timeout=PATIENCE * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


class Playground:
    """The page in a tab of its own."""

    def __init__(self, context: BrowserContext, url: str):
        context.set_default_timeout(PATIENCE * 1000)
        self.url = url
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("request", lambda request: self._note_request(request.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith(_REFUSED):
            self.faults.append(text)

    def _note_request(self, url: str) -> None:
        if not url.startswith((self.url, "blob:", "data:")):
            self.faults.append(f"asked elsewhere: {url}")

    def __getattr__(self, name: str) -> Any:
        """Find an element by its id: `playground.edit`; `_` stands for `-`."""
        return self.page.locator(f"#{name.replace('_', '-')}")

    def open(self, address: str = "/") -> None:
        """Go to an address of the service."""
        self.page.goto(self.url + address)

    def choose(self, photo: bytes, *, name: str = "photo.png") -> None:
        """Choose a photo in the browser's dialog, and wait until it is shown."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Choose a photo").click()
        file: Any = {"name": name, "mimeType": "image/png", "buffer": photo}
        chooser.value.set_files(file)
        expect(self.prompt).to_be_focused()

    def ask(self, sentence: str) -> None:
        """Ask for an edit of the photo."""
        self.prompt.fill(sentence)
        self.edit.click()

    def shows(self, mode: str) -> None:
        """Wait until the picture is "photo", "preview" or "compare"."""
        expect(self.viewer).to_have_attribute("data-mode", mode)

    def tiles(self, count: int) -> None:
        """Wait until the strip has so many edits."""
        expect(self.strip.locator("li")).to_have_count(count)

    def check(self) -> None:
        """Fail if axe-core finds anything, the page is too wide, or a script failed."""
        result = Axe().run(self.page)
        assert result.violations_count == 0, result.generate_report()
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(wide) <= 0
        assert self.faults == []
