"""Outputs in other encodings carry what the stored ones carry."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from PIL import Image

from api.app import create_app
from core.schema import OutputFormat
from core.settings import Settings
from core.store.claims import Claim
from tests.support.certificates import make_certificate
from tests.support.marks import assert_marked, manifest_of, xmp_of

Post = Callable[..., Response]
Finish = Callable[..., Claim]

# The worker of these tests stores PNGs.
OTHERS = pytest.mark.parametrize("form", [OutputFormat.WEBP, OutputFormat.JPEG])


def image(client: TestClient, edit_id: str, form: OutputFormat) -> bytes:
    answer = client.get(f"/v1/edits/{edit_id}/image", params={"format": form})
    assert answer.status_code == 200
    assert Image.open(io.BytesIO(answer.content)).format == form.upper()
    return answer.content


@OTHERS
def test_a_transcoded_output_is_marked(
    post: Post, client: TestClient, finish: Finish, form: OutputFormat
) -> None:
    edit_id = post().json()["id"]
    finish()
    assert_marked(image(client, edit_id, form))


@OTHERS
def test_a_transcoded_output_has_a_manifest_where_one_is_configured(
    post: Post, finish: Finish, settings: Settings, tmp_path: Path, form: OutputFormat
) -> None:
    edit_id = post().json()["id"]
    finish()
    certificate, key = map(str, make_certificate(tmp_path))
    signing = {"c2pa_certificate": certificate, "c2pa_key": key}
    with TestClient(create_app(settings.model_copy(update=signing))) as client:
        data = image(client, edit_id, form)
    assert_marked(data)
    state, manifest = manifest_of(data, form.content_type)
    assert state == "Valid"
    assert manifest["signature_info"]["issuer"] == "Tests of BARET"


@OTHERS
def test_marking_can_be_turned_off(
    post: Post, finish: Finish, settings: Settings, form: OutputFormat
) -> None:
    edit_id = post().json()["id"]
    finish()
    off = settings.model_copy(update={"mark_outputs": False})
    with TestClient(create_app(off)) as client:
        assert xmp_of(image(client, edit_id, form)) == {}
