"""The defaults are those in the contract."""

from pathlib import Path

import pytest

from core.settings import Settings

DAY = 24 * 3600


def test_the_defaults_are_those_that_clients_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("QUEUE_LIMIT", "REQUESTS_PER_MINUTE", "EDITS_PER_KEY", "RETENTION", "HOST"):
        monkeypatch.delenv(f"BARET_{name}", raising=False)
    settings = Settings(_env_file=None, data_dir=tmp_path)
    assert settings.host == "127.0.0.1"
    assert settings.queue_limit == 1000
    assert (settings.requests_per_minute, settings.edits_per_key) == (600, 100)
    assert (settings.image_mb_per_key, settings.record_mb_per_key) == (50_000, 500)
    assert settings.retention == 4 * DAY
    assert settings.allow_networks == ()
    assert settings.mark_outputs and settings.content_check
