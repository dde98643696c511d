"""The wheel: what it holds, and that it works where there is nothing but httpx."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.commands import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel as CI does, from a copy: a build leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(
        ROOT / "client", folder / "client", ignore=shutil.ignore_patterns("js")
    )
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(folder)]
    offline = ["--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, *offline, str(source)], check=True)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_has_the_client_its_types_and_its_page(wheel: Path) -> None:
    assert wheel.name == "baret_client-0.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    assert {"baret_client/py.typed", "baret_client/client.py"} <= names
    assert all(name.startswith(("baret_client/", "baret_client-0.1.0")) for name in names)
    assert [line for line in text.splitlines() if line.startswith("Requires-Dist")] == [
        "Requires-Dist: httpx>=0.28.1"
    ]
    assert "# baret-client" in text


def test_the_wheel_is_imported_without_anything_of_the_service(wheel: Path, tmp_path: Path) -> None:
    program = (
        "import sys, baret_client; print(baret_client.__file__);"
        "ours = {'core', 'api', 'baret', 'cli', 'pydantic', 'PIL', 'torch'};"
        "print(sorted(ours & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": str(wheel)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"{wheel}/baret_client/__init__.py", "[]"]
