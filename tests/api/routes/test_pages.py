"""Pages for people: what they load comes from this service alone."""

import pytest
from fastapi.testclient import TestClient

from baret.model.prompts import looks_like_instruction


def test_every_sample_has_a_picture_and_a_sentence(client: TestClient) -> None:
    samples = client.get("/samples/index.json").json()
    assert len(samples) >= 6
    for sample in samples:
        image = client.get(f"/samples/{sample['file']}")
        assert (image.status_code, image.headers["content-type"]) == (200, "image/png")
        assert not looks_like_instruction(sample["prompt"])
        assert sample["caption"] != sample["prompt"]


@pytest.mark.parametrize("page", ["/", "/docs", "/docs/problems/not_found"])
def test_a_page_may_load_nothing_from_elsewhere(client: TestClient, page: str) -> None:
    policy = client.get(page).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert not any(word in policy for word in ("unsafe-inline", "unsafe-eval", "http", "*"))
