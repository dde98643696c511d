"""`python -m deploy.local` as a new user runs it: the real worker, the real API, a real edit."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image, ImageChops

from tests.support.commands import ROOT


@pytest.mark.slow
def test_the_sample_edit_changes_the_picture(tmp_path: Path, free_port: int) -> None:
    settings = {"BARET_DATA_DIR": str(tmp_path), "BARET_PORT": str(free_port), "REDIS_URL": ""}

    completed = subprocess.run(
        [sys.executable, "-m", "deploy.local", "--exit-after-sample"],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=False,
    )

    assert completed.returncode == 0, completed.stderr
    before = Image.open(tmp_path / "sample" / "before.png").convert("RGB")
    after = Image.open(tmp_path / "sample" / "after.png").convert("RGB")
    assert after.size == before.size
    assert ImageChops.difference(before, after).getbbox() is not None
    assert [one for one in psutil.process_iter() if str(tmp_path) in _describe(one)] == []


def _describe(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline() + list(process.environ().values()))
    except psutil.Error:
        return ""
