"""`python -m …`: each entry point explains itself, and none starts anything when asked to."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.settings import Settings
from tests.support.commands import ROOT
from tests.support.waiting import PATIENCE

# Those that the documents name; `cli` is `baret` itself.
MODULES = ("api", "housekeeper", "worker", "deploy.local", "cli")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={"PATH": "", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("module", MODULES)
def test_help_is_printed_and_nothing_starts(module: str, tmp_path: Path) -> None:
    # Without a Redis each would fail, and with a wrong setting too.
    done = run(module, "--help", BARET_DATA_DIR=str(tmp_path / "data"), BARET_PORT="x")
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("module", ["api", "housekeeper", "worker"])
def test_the_help_of_a_process_has_every_setting(module: str) -> None:
    text = run(module, "--help").stdout
    for name, field in Settings.model_fields.items():
        assert re.search(rf"^  {field.validation_alias or f'BARET_{name.upper()}'}: .", text, re.M)


@pytest.mark.parametrize("module", MODULES)
def test_an_argument_that_is_none_is_refused(module: str) -> None:
    done = run(module, "--prot", "8001")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["api", "housekeeper", "worker", "deploy.local"])
def test_a_wrong_setting_is_a_line_without_its_value(module: str) -> None:
    done = run(module, BARET_QUEUE_LIMIT="hunter2")
    assert done.returncode == 1
    assert "queue_limit" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("module", "more"), [("api", {"REDIS_URL": "redis://127.0.0.1:1"}), ("deploy.local", {})]
)
def test_a_port_that_is_taken_is_told_with_what_moves_it(
    module: str, more: dict[str, str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run(module, BARET_PORT=str(port), BARET_DATA_DIR=str(tmp_path), **more)
    assert done.returncode == 1
    told = done.stderr + done.stdout
    assert f"port {port}" in told
    assert f"BARET_PORT={port + 1}" in told
    assert "Traceback" not in told
