"""The processes need none of the rights that docker-compose.yml removes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import ROOT
from tests.support.samples import QUICK, SAMPLES
from tests.support.service import Process, Service, running_service

USER = 10001  # as in the Dockerfiles
CONTAIN = Path(__file__).parent / "contain.sh"

Within = list[str]


def can_contain() -> bool:
    """Return whether this machine lets us create a mount namespace."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("setpriv"):
        return False
    command = ["unshare", "--mount", "mount", "--make-rprivate", "/"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_contain(), reason="needs root and a mount namespace")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the user may write to, like the volume at /data."""
    folder = tmp_path_factory.mktemp("contained")
    (folder / "pictures").mkdir()
    for one in (folder, folder / "pictures"):
        os.chown(one, USER, USER)
    return folder


@pytest.fixture(scope="module")
def within(data: Path) -> Within:
    return ["unshare", "--mount", "sh", str(CONTAIN), str(data), sys.base_prefix]


@pytest.fixture(scope="module")
def contained(data: Path, within: Within) -> Iterator[Service]:
    with running_service(data, within=within) as service:
        service.have_workers(1)
        yield service


def test_an_edit_goes_through_a_read_only_service_without_rights(contained: Service) -> None:
    sample: dict[str, Any] = json.loads((SAMPLES / "index.json").read_text())[0]
    photo = (SAMPLES / sample["file"]).read_bytes()
    fields = {"prompt": sample["prompt"], "artifacts": "true"}
    fields |= {name: str(value) for name, value in QUICK.items()}
    answer = contained.http.post("/v1/edits", data=fields, files={"image": photo})
    edit = contained.ended(answer.json()["id"])
    assert edit["status"] == "succeeded", edit["error"]
    assert contained.http.get(edit["outputs"][0]["url"]).status_code == 200
    assert contained.http.delete(f"/v1/edits/{edit['id']}").status_code == 204
    assert "Read-only" not in "".join(process.log for process in contained.processes)


def status_of(process: Process) -> dict[str, list[str]]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}


def test_every_process_runs_without_rights(contained: Service) -> None:
    assert {process.name for process in contained.processes} == {
        "api-1",
        "housekeeper-1",
        "worker-1",
    }
    for process in contained.processes:
        status = status_of(process)
        assert set(status["Uid"]) == set(status["Gid"]) == {str(USER)}
        assert status["NoNewPrivs"] == ["1"]
        for rights in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[rights][0], 16) == 0, rights


@pytest.mark.parametrize("folder", ["/", "/etc", "/usr", "/mnt", str(ROOT), str(ROOT / "core")])
def test_nothing_can_be_written_but_the_data_and_temporary_files(
    folder: str, within: Within
) -> None:
    tried = subprocess.run(
        [*within, "sh", "-c", f": > /mnt/data/ok; : > /mnt/tmp/ok; : > '{folder}/written'"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert tried.returncode != 0
    assert tried.stderr.count("\n") == 1 and "written" in tried.stderr
    assert not Path(folder, "written").exists()
