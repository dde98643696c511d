"""`python -m tools.screenshots`: make the README's two pictures of the page at /.

A service with the bundled model must be running, such as `make run`. One shows a finished edit on a
wide light screen, the other a running one on a dark phone.
"""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "playground"
PATIENCE_MS = 600_000
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 1000}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 780},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
    "color_scheme": "dark",
}


def main() -> None:
    """Make both pictures."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="default: %(default)s")
    parser.add_argument("--sample", type=int, default=0, help="index of the sample photo")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        for name, options, reach in (
            ("desktop.png", DESKTOP, _finished),
            ("phone.png", PHONE, _running),
        ):
            page = _sample(browser, options, arguments.url, arguments.sample)
            _save(page, name, reach)
        browser.close()


def _sample(browser: Browser, options: dict[str, Any], url: str, sample: int) -> Page:
    """Open the page and ask for the edit of a sample."""
    page = browser.new_context(**options).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    page.locator("#sample-list button").nth(sample).click()
    page.locator("#thumb").wait_for()
    page.get_by_role("button", name="Edit", exact=True).click()
    return page


def _finished(page: Page) -> None:
    page.locator("#viewer[data-mode=compare]").wait_for()
    page.get_by_role("button", name="More strengths").click()
    page.locator("#strip li:nth-child(4)").wait_for()


def _running(page: Page) -> None:
    page.locator("#viewer[data-mode=preview]").wait_for()


def _save(page: Page, name: str, reach: Callable[[Page], None]) -> None:
    reach(page)
    page.evaluate("document.activeElement.blur(); scrollTo({ top: 0, behavior: 'instant' })")
    page.mouse.move(0, 0)
    FOLDER.mkdir(exist_ok=True)
    page.screenshot(path=FOLDER / name, animations="disabled")
    page.context.close()


if __name__ == "__main__":
    main()
