"""The reference at /docs, in a real browser: how to call each operation and what goes wrong."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from api.problems.types import BY_CODE
from core.settings import Settings
from tests.support.api_app import serving
from tests.support.playground import PHONE, Playground


@pytest.fixture(params=["wide", "phone"])
def reference(
    settings: Settings, browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Playground]:
    with serving(settings) as address:
        context = browser.new_context(**(PHONE if request.param == "phone" else {}))
        one = Playground(context, address)
        one.open("/docs")
        expect(one.page.get_by_role("heading", name="Uploads", exact=True)).to_be_visible()
        yield one
        context.close()


def test_every_operation_has_a_command_its_answers_and_its_errors(reference: Playground) -> None:
    page = reference.page
    document = httpx.get(f"{reference.url}/openapi.json", trust_env=False).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            section = page.locator(f"#{operation['operationId']}")
            expect(section.get_by_role("heading").first).to_have_text(f"{method.upper()} {path}")
            expect(section.locator("pre").first).to_contain_text(f"curl {reference.url}/")
            expect(section.get_by_text("Answers", exact=True)).to_have_count(1)
            listed = page.get_by_role("navigation", name="Operations")
            expect(listed.locator(f"a[href='#{operation['operationId']}']")).to_have_count(1)
    codes = page.locator("#createEdit td a").all_text_contents()
    assert {"invalid_image", "quota_exceeded", "rate_limited"} <= set(codes) <= BY_CODE.keys()


def test_an_error_leads_to_its_page(reference: Playground) -> None:
    section = reference.page.locator("#putUpload")
    section.get_by_text("Errors (").click()
    link = section.get_by_role("link", name="upload_used")
    assert httpx.get(link.get_attribute("href") or "", trust_env=False).status_code == 200


def test_axe_finds_nothing_and_nothing_is_loaded_from_elsewhere(reference: Playground) -> None:
    for summary in reference.page.locator("#createEdit summary").all():
        summary.click()
    reference.check()
