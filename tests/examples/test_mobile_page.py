"""The back end of docs/mobile.md runs; the requests of apps are in test_mobile_apps.py."""

from pathlib import Path
from typing import Any

import httpx

from tests.examples.held import blocks_held_by
from tests.support.commands import ROOT
from tests.support.service import Service

ADDRESS = "http://127.0.0.1:8000"  # of the service, on the page


def test_the_back_end_gives_an_upload_and_makes_the_edit(service: Service) -> None:
    (block,) = blocks_held_by("examples/test_mobile_page.py")
    names: dict[str, Any] = {}
    code = block.code.replace(ADDRESS, str(service.http.base_url))
    exec(compile(code, block.page, "exec"), names)  # noqa: S102
    photo = Path(ROOT / "zoo/samples/00-posture.png").read_bytes()
    upload = names["begin"](len(photo))
    sent = httpx.put(upload["url"], content=photo, headers=upload["headers"], trust_env=False)
    assert sent.status_code == 204
    edit_id = names["finish"](upload["id"], "a photo of a white cat standing on grass, facing left")
    assert service.ended(edit_id)["status"] == "succeeded"
    names["client"].close()
