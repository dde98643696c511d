"""Packages from npm for tests, installed once into a build folder named after their lock file.

If the folder exists, no network is needed.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1] / "api" / "openapi" / "typescript"
CLIENT = Path(__file__).parents[2] / "client" / "js"
CACHE = Path(__file__).parents[2] / "build" / "typescript"
# npm's messages if the registry cannot be reached, as opposed to a lock file that does not match.
UNREACHABLE = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "EAI_AGAIN", "ENETUNREACH")


def run(
    *command: str | Path, folder: Path, seconds: float = 240
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def fetch(folder: Path, source: Path = HERE) -> None:
    """Install what a package file names into this folder, completely or not at all."""
    partial = folder.with_name(f"{folder.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, partial)
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")
    done = run("npm", "ci", *quiet, "--fetch-retry-mintimeout=1000", folder=partial)
    try:
        if done.returncode and any(word in done.stderr for word in UNREACHABLE):
            pytest.skip(
                "the npm registry cannot be reached, and the packages are not in build/ yet"
            )
        assert done.returncode == 0, done.stderr
        if not folder.exists():
            partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def installed(source: Path) -> Path:
    """Return the `node_modules` with what a folder's package file names; skip without node."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    lock = (source / "package-lock.json").read_bytes()
    folder = CACHE / hashlib.sha256(lock).hexdigest()[:12]
    if not folder.is_dir():
        if shutil.which("npm") is None:
            pytest.skip("npm is not installed, and the packages are not in build/ yet")
        fetch(folder, source)
    return folder / "node_modules"


@pytest.fixture(scope="module")
def node_tools() -> Path:
    """Return the folder of the tools' programs."""
    return installed(HERE) / ".bin"


def build_client(modules: Path, tools: Path) -> Path:
    """Compile the TypeScript client into a folder of modules, as npm would install it there."""
    folder = modules / "baret-client"
    shutil.copytree(CLIENT, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    done = run(tools / "tsc", folder=folder)
    assert done.returncode == 0, done.stdout
    return folder
