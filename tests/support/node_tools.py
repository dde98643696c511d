"""Tools from npm for tests, installed once into a build folder named after their lock file.

If the folder exists, no network is needed.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "api" / "openapi" / "typescript"
CACHE = Path(__file__).parents[2] / "build" / "typescript"
# npm's messages if the registry cannot be reached, as opposed to a lock file that does not match.
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH")


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def fetch(folder: Path) -> None:
    """Install the tools into this folder, completely or not at all."""
    partial = folder.with_name(f"{folder.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, partial)
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")
    done = run("npm", "ci", *quiet, "--fetch-retry-mintimeout=1000", folder=partial)
    try:
        if done.returncode and any(word in done.stderr for word in UNREACHABLE):
            pytest.skip("the npm registry cannot be reached, and the tools are not in build/ yet")
        assert done.returncode == 0, done.stderr
        if not folder.exists():
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@pytest.fixture(scope="module")
def node_tools() -> Path:
    """Return the folder of the tools' programs."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    lock = (HERE / "package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:12]
    if not folder.is_dir():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed, and the tools are not in build/ yet")
        fetch(folder)
    return folder / "node_modules" / ".bin"
