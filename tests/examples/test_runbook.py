"""The commands in docs/runbook.md run on a service, or name what the chart and Compose have."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import EditNotFound
from core.store.connection import connect
from core.store.edits import EditStore
from deploy.local import valkey
from tests.support.chart import Object, of_kind, render
from tests.support.commands import ROOT
from tests.support.doc_code import blocks
from tests.support.model import MODEL, make_submission
from tests.support.server import Server
from tests.support.service import SMALL_WORKER, Service, running_service
from tests.support.shell import run_in_shell, shell_environment

PAGE = "runbook.md"
ADDRESS = "http://127.0.0.1:8000"
COMPOSE: Object = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
CONSOLE = [line for block in blocks(PAGE, "console") for line in block.code.splitlines()]


def code_of(heading: str) -> list[str]:
    found = [block.code.replace(".venv/bin/", "") for block in blocks(PAGE, "sh")]
    headings = [block.heading for block in blocks(PAGE, "sh")]
    return [code for code, above in zip(found, headings, strict=True) if above == heading]


def run(code: str, folder: Path, environment: dict[str, str]) -> str:
    done = run_in_shell(code, folder, environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[tuple[Service, dict[str, str]]]:
    """Yield a service that a test may give keys and take workers from, and its shell."""
    (tmp_path / "bin").mkdir()
    with running_service(tmp_path / "service", worker=SMALL_WORKER) as service:
        environment = shell_environment(tmp_path / "bin", str(service.http.base_url))
        client: Any = service.redis
        connection = client.connection_pool.connection_kwargs
        secret = f":{connection['password']}@" if connection.get("password") else ""
        environment["REDIS_URL"] = f"redis://{secret}127.0.0.1:{connection['port']}/0"
        yield service, environment


def test_every_block_is_tried_here() -> None:
    tried = {
        "See how it is",
        "Deploy",
        "Rotate keys and secrets",
        "Drain a GPU",
        "A stuck queue",
        "Restore Redis",
    }
    assert {block.heading for block in blocks(PAGE, "sh")} == tried


def test_the_figures_are_shown_and_an_edit_is_made(
    service: Service, folder: Path, environment: dict[str, str]
) -> None:
    address = environment["BARET_SERVER"].rstrip("/")
    (look,), (edit,) = code_of("See how it is"), code_of("Deploy")
    shown = run(look.replace(ADDRESS, address), folder, environment)
    assert '"ready"' in shown and 'baret_workers{model="zoo"} 1.0' in shown
    run(edit.replace(ADDRESS, address), folder, environment)
    assert (folder / "after.png").is_file()


def test_a_key_is_rotated(own_service: tuple[Service, dict[str, str]], tmp_path: Path) -> None:
    service, environment = own_service
    old = run("baret keys create old", tmp_path, environment).strip()
    (block,) = code_of("Rotate keys and secrets")
    known = json.loads(run("baret keys list --json", tmp_path, environment))["id"]
    printed = run(re.sub(r"key_[0-9a-f]{16}", known, block), tmp_path, environment)
    new = next(line for line in printed.splitlines() if line.startswith("baret_"))
    status = {
        key: service.http.get("/v1/edits", headers={"Authorization": f"Bearer {key}"}).status_code
        for key in (old, new)
    }
    assert status == {old: 401, new: 200}


def test_a_worker_is_drained_and_a_waiting_edit_canceled(
    own_service: tuple[Service, dict[str, str]], tmp_path: Path
) -> None:
    service, environment = own_service
    (worker,) = service.have_workers(1)
    (block,) = code_of("Drain a GPU")
    run(block, tmp_path, environment | {"WORKER_PID": str(worker.pid)})
    assert worker.ends() == 0
    service.store.announce("worker-2", MODEL)
    waiting = make_submission()
    service.store.submit(waiting, limit=10)
    (block,) = code_of("A stuck queue")
    address = str(service.http.base_url).rstrip("/")
    run(block.replace(ADDRESS, address), tmp_path, environment | {"EDIT_ID": waiting.id})
    assert service.edit(waiting.id)["status"] == "canceled"


def test_redis_is_restored_from_a_copy_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    environment = shell_environment(tmp_path / "bin", "")
    kept, lost = make_submission(), make_submission()
    backup, restore = code_of("Restore Redis")
    with store_in(tmp_path / "data") as store:
        store.announce("worker-1", MODEL)
        store.submit(kept, limit=10)
    run(backup, tmp_path, environment)
    with store_in(tmp_path / "data") as store:
        store.submit(lost, limit=10)
    run(restore, tmp_path, environment)
    with store_in(tmp_path / "data") as store:
        assert store.get(kept.id).status == "queued"
        with pytest.raises(EditNotFound):
            store.get(lost.id)


@contextmanager
def store_in(data: Path) -> Iterator[EditStore]:
    """Run the one-machine stack's own server on a data folder."""
    command, url = valkey.configure(data)
    server = Server(command.argv, lambda: valkey.is_ready(url))
    server.start()
    try:
        yield EditStore(connect(url))
    finally:
        server.stop()


def test_kubernetes_commands_name_objects_of_the_chart() -> None:
    values = yaml.safe_load((ROOT / "tests/deploy/helm/values/defaults.yaml").read_text())
    objects = render(values)
    text = "\n".join(CONSOLE)
    named = re.findall(r"\b(deployment|scaledobject)[/ ](baret-[\w-]+)", text)
    assert len(named) > 3
    for kind, name in named:
        kinds = {"deployment": "Deployment", "scaledobject": "ScaledObject"}
        assert name in of_kind(objects, kinds[kind])
    ((label, value),) = re.findall(r"--selector ([\w./-]+)=(\w+)", text)
    assert any(
        one["metadata"]["labels"].get(label) == value
        for one in of_kind(objects, "Deployment").values()
    )
    assert set(re.findall(r"\bdeploy/[\w/]+", text)) == {"deploy/helm/baret"}


def test_compose_commands_name_its_services() -> None:
    lines = [line for line in CONSOLE if line.startswith("docker compose")]
    assert len(lines) > 5
    words = {word for line in lines for word in line.split()[3:]}
    assert {"housekeeper", "worker", "api", "redis"} <= words
    assert {"housekeeper", "worker", "api", "redis"} <= COMPOSE["services"].keys()
    assert "redis:/data" in COMPOSE["services"]["redis"]["volumes"]
    assert "> secrets/redis_password" in "\n".join(CONSOLE)
    assert COMPOSE["secrets"]["redis_password"]["file"] == (
        "${BARET_SECRETS:-./secrets}/redis_password"
    )
