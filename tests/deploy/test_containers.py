"""The parts of the images work, as far as can be tested without a container engine."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.dockerfile import Image, build, copy_files, parse
from tests.support.commands import ROOT
from tests.support.waiting import until

MEGABYTE = 10**6


def compose_command() -> list[str] | None:
    """Return `docker compose`, or the older standalone program; None if there is neither."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]):
            completed = subprocess.run([*command, "version"], capture_output=True, check=False)
            if completed.returncode == 0:
                return command
    return None


def test_compose_file_is_understood() -> None:
    command = compose_command()
    if command is None:
        pytest.skip("neither `docker compose` nor `docker-compose` is on this machine")

    completed = subprocess.run(
        [*command, "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert completed.returncode == 0, completed.stderr


@pytest.mark.parametrize("name", ["Dockerfile.api", "Dockerfile.gpu"])
def test_images_run_as_the_same_user_without_rights(name: str) -> None:
    text = (ROOT / name).read_text()

    assert parse(ROOT / name).user == "baret"
    assert "useradd --uid 10001" in text  # both write to the same volume
    assert "--owner=baret --mode=0700 /data" in text  # which nobody else may read


@pytest.mark.parametrize("name", ["Dockerfile.api", "Dockerfile.gpu"])
def test_what_images_copy_is_not_ignored(name: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    for *sources, _ in parse(ROOT / name).copies:
        for source in sources:
            assert f"!{source.rstrip('/')}" in ignored


def test_api_image_copies_all_that_its_programs_import_and_they_need_no_torch(
    tmp_path: Path,
) -> None:
    copy_files(ROOT / "Dockerfile.api", tmp_path)
    places = [str(tmp_path), str(tmp_path / "client")]
    code = (
        f"import sys; sys.path[:0] = {places}; sys.modules['torch'] = None\n"
        "import api.__main__, cli.main, housekeeper.maintenance, baret_client, core\n"
        f"for one in (api, cli, housekeeper, baret_client, core):\n"
        f"    assert one.__file__.startswith({str(tmp_path)!r}), one.__file__\n"
    )
    command = [sys.executable, "-P", "-c", code]
    environment = {"PATH": ""}  # without PYTHONPATH: nothing of this checkout
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def api_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(ROOT / "Dockerfile.api", tmp_path_factory.mktemp("api image"))


@pytest.mark.slow  # installs every package; the test below imports what the image copies
def test_api_image_is_small_and_has_no_torch(
    api_image: Image, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "ModuleNotFoundError" in api_image.python("import torch").stderr
    assert (
        api_image.python("import api.__main__, cli.main, housekeeper.maintenance").returncode == 0
    )
    with capsys.disabled():
        print(f"\nAPI image: {api_image.packages_bytes / MEGABYTE:.0f} MB of packages")
    assert api_image.packages_bytes < 300 * MEGABYTE


@pytest.fixture
def api_url(api_image: Image, redis_url: str, free_port: int) -> Iterator[str]:
    """The URL of the image's command, run with the settings in docker-compose.yml."""
    process = api_image.start(
        REDIS_URL=redis_url, BARET_PORT=str(free_port), BARET_TRUSTED_NETWORK="true"
    )
    yield f"http://127.0.0.1:{free_port}"
    process.terminate()
    assert process.wait(20) in (0, -15)


@pytest.mark.slow
def test_api_image_answers(api_url: str) -> None:
    def healthy() -> bool:
        try:
            return httpx.get(f"{api_url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    until(healthy, "/healthz")
    ready = httpx.get(f"{api_url}/readyz", trust_env=False)
    assert ready.json() == {"status": "ready", "workers": 0}


@pytest.mark.slow
def test_gpu_image_serves_the_bundled_model(tmp_path: Path, redis_url: str) -> None:
    from core.store.connection import connect
    from core.store.edits import EditStore

    image = build(ROOT / "Dockerfile.gpu", tmp_path, hashed=False)
    client = connect(redis_url)
    process = image.start(REDIS_URL=redis_url)
    try:
        until(lambda: "zoo" in EditStore(client).live_models(), "the worker's announcement")
    finally:
        process.terminate()
        client.close()
    assert process.wait(30) == 0
