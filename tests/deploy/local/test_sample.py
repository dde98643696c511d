"""The sample edit, if the service refuses it."""

from pathlib import Path

import httpx
import pytest

from deploy.local.errors import SampleFailed
from deploy.local.sample import first_sample, run_sample
from tests.support.commands import ROOT


def test_a_service_with_keys_leaves_the_sample_out(tmp_path: Path) -> None:
    unauthorized = httpx.MockTransport(lambda _: httpx.Response(401))
    sample = first_sample(ROOT / "tests" / "deploy" / "local" / "samples")
    with (
        httpx.Client(transport=unauthorized, base_url="http://stack") as client,
        pytest.raises(SampleFailed, match="requires an API key"),
    ):
        run_sample(client, sample, folder=tmp_path, pause=lambda _: None)
