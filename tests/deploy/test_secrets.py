"""No process prints a secret in a setting, even if the setting is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT

SECRET = "s3cr3t-word"
ADDRESSES = ("redis://:{}@127.0.0.1:1/0", "nonsense://:{}@host", "redis://:{}@host:noport/0")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("module", ["api", "housekeeper"])
def test_the_password_of_redis_is_never_printed(module: str, address: str, tmp_path: Path) -> None:
    settings = {
        "REDIS_URL": address.format(SECRET),
        "BARET_DATA_DIR": str(tmp_path),
        "BARET_PORT": "0",
        "BARET_LOG_LEVEL": "DEBUG",
    }
    with subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        first = process.stdout.readline()  # on a busy machine it takes a while to start
        try:
            rest, _ = process.communicate(timeout=2)
        except subprocess.TimeoutExpired:  # it waits for Redis
            process.terminate()
            rest, _ = process.communicate(timeout=60)
    assert first
    assert SECRET not in first + rest
