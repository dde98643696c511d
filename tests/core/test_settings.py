"""The defaults are those in the contract, and settings come from known places only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import REDIS_URL_FILE, Settings
from tests.support.commands import ROOT
from tests.support.waiting import PATIENCE

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


@pytest.mark.parametrize("kind", ["text", "bytes", "pipe"])
def test_nothing_of_a_strange_folder_is_read(tmp_path: Path, kind: str) -> None:
    """Work in a folder that a stranger has filled, as after unpacking an archive."""
    env = tmp_path / ".env"
    if kind == "text":
        env.write_text("REDIS_URL=redis://evil.example\nBARET_MODEL=evil\n")
    elif kind == "bytes":
        env.write_bytes(bytes(range(256)))
    else:
        os.mkfifo(env)  # nobody ever writes to it: reading would wait forever
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / REDIS_URL_FILE).write_text("redis://evil.example/0")
    code = (
        "from core.settings import Settings; s = Settings()\n"
        "print(s.model, s.data_dir, s.images_url, s.redis_url.get_secret_value())\n"
        "try: print(s.broker_url)\nexcept RuntimeError: pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert "evil" not in done.stdout and str(tmp_path) not in done.stdout
    assert Settings.model_config["env_file"] == ROOT / ".env"


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("redis://redis:6379/0", "redis://:a%2Fb%40c@redis:6379/0"),
        ("rediss://worker@redis:6379/0?x=y", "rediss://worker:a%2Fb%40c@redis:6379/0?x=y"),
        ("redis://:own@redis:6379/0", "redis://:own@redis:6379/0"),
    ],
)
def test_redis_password_may_be_a_secret_of_its_own(url: str, full: str) -> None:
    settings = Settings(_env_file=None, REDIS_URL=url, REDIS_PASSWORD="a/b@c")
    assert settings.broker_url == full
    assert "a/b@c" not in repr(settings)
    assert Settings(_env_file=None, REDIS_URL=url).broker_url == url
