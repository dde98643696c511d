"""Programs from Debian's packages, which need no installation: they are unpacked into build/.

If a folder is there already, no network is needed.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.commands import ROOT


def unpacked(name: str, *packages: str) -> Path:
    """Return build/NAME with the files of these packages; skip the test if they cannot be had."""
    folder = ROOT / "build" / name
    if not folder.is_dir():
        _unpack(folder, packages)
    return folder


def _unpack(folder: Path, packages: tuple[str, ...]) -> None:
    """Fetch and unpack the packages, completely or not at all."""
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if not (apt and dpkg):
        pytest.skip(f"{folder.name} is not installed, and this machine has no apt-get")
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as fetched:
        done = subprocess.run(
            [apt, "download", *packages], cwd=fetched, capture_output=True, check=False
        )
        files = list(Path(fetched).glob("*.deb"))
        if done.returncode or len(files) != len(packages):
            pytest.skip(f"{folder.name} is not installed, and its packages cannot be fetched")
        partial = Path(fetched, "partial")
        for file in files:
            subprocess.run([dpkg, "-x", file, partial], check=True)
        if not folder.exists():
            partial.rename(folder)
