"""The whole service with a Redis user who may do only what docs/deploy.md lists, over TLS."""

import base64
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from core.store import keys
from tests.support.certificates import make_server_certificate
from tests.support.commands import ROOT
from tests.support.doc_code import blocks
from tests.support.receiver import Receiver
from tests.support.redis_servers import RedisServer, running_redis, tls_in_front
from tests.support.samples import QUICK, SAMPLES
from tests.support.service import SMALL_WORKER, Service

(ACL,) = (block.code.strip() for block in blocks("deploy.md", "acl"))
USER = ACL.replace("PASSWORD", "of-the-service")


SCRIPTS = ROOT / "core" / "store" / "lua"
COMMANDS_OF_SCRIPTS = {
    name.lower()
    for script in SCRIPTS.glob("*.lua")
    for name in re.findall(r"p?call\('([A-Z]+)'", script.read_text())
}


@dataclass(frozen=True)
class Guarded:
    """A service, and the server behind it."""

    service: Service
    server: RedisServer


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    certificate, key, authority = make_server_certificate(folder)
    with (
        running_redis(folder / "redis", USER) as server,
        tls_in_front(server.port, certificate, key) as port,
    ):
        url = f"rediss://baret:of-the-service@127.0.0.1:{port}/0?ssl_ca_certs={authority}"
        service = Service(
            folder, server.url, worker=SMALL_WORKER, REDIS_URL=url, BARET_RETENTION="20"
        )
        try:
            service.start()
            service.have_workers(1)
            yield Guarded(service, server)
        finally:
            service.stop()


def submit(service: Service, **fields: Any) -> str:
    photo = (SAMPLES / "00-posture.png").read_bytes()
    data = {"prompt": "a dog that sits", **QUICK, **fields}
    answer = service.http.post("/v1/edits", data=data, files={"image": photo})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def test_an_edit_its_events_its_webhook_and_its_expiry(
    guarded: Guarded, receiver: Receiver
) -> None:
    service = guarded.service
    edit_id = submit(service, webhook_url=receiver.url)
    service.until(
        lambda: "event: done" in service.http.get(f"/v1/edits/{edit_id}/events").text,
        "the last event, on a machine so busy that a stream may end early",
    )
    service.until(lambda: receiver.received, "the webhook")
    service.until(service.webhooks_settled, "the webhook to be settled")
    service.until(lambda: not service.redis.exists(keys.edit(edit_id)), "the edit to expire")
    assert service.http.get(f"/v1/edits/{edit_id}").status_code == 410


def test_cancel_delete_lists_uploads_and_an_edit_of_a_lost_worker(guarded: Guarded) -> None:
    service = guarded.service
    (worker,) = service.workers
    with (service.data / "hold").open("w"):
        lost = submit(service, metadata=json.dumps({"hold": str(service.data / "hold")}))
    service.runs(lost, "editing")
    canceled, deleted = submit(service), submit(service, priority="batch")
    service.cancel(canceled)
    assert service.http.delete(f"/v1/edits/{deleted}").status_code == 204
    for path in ("edits", "models", "status", "webhook-deliveries", "webhooks/secret"):
        service.http.get(f"/v1/{path}")
    assert service.http.get("/metrics").is_success
    worker.send(signal.SIGKILL)
    worker.ends()
    (service.data / "hold").unlink()
    service.have_workers(1)
    service.until(lambda: not service.redis.exists(keys.edit(lost)), "the lost edit to expire")
    assert service.http.post("/v1/uploads", json={"filename": "a.png"}).status_code < 500


def test_a_batch_from_its_lines_to_its_deletion(guarded: Guarded, receiver: Receiver) -> None:
    service = guarded.service
    photo = base64.b64encode((SAMPLES / "00-posture.png").read_bytes()).decode()
    edit = {"image": f"data:image/png;base64,{photo}", "prompt": "a dog that sits", **QUICK}
    answer = service.http.post(
        "/v1/batches", json={"edits": [edit, edit], "webhook_url": receiver.url}
    )
    address = answer.json()["urls"]["self"]
    service.until(
        lambda: service.http.get(address).json()["status"] == "completed", "the batch to end"
    )
    service.until(lambda: receiver.received, "the batch's webhook")
    assert len(service.http.get(f"{address}/results").text.splitlines()) == 2
    assert service.http.get("/v1/batches").json()["data"]
    assert service.http.post(f"{address}/cancel").is_success
    assert service.http.delete(address).status_code == 204


def test_keys_and_tokens_by_the_command_line(guarded: Guarded) -> None:
    service = guarded.service
    key = baret(service, "keys", "create", "a shop").strip()
    bearer = {"Authorization": f"Bearer {key}"}
    assert service.http.get("/v1/edits", headers=bearer).status_code == 200
    assert service.http.post("/v1/tokens", json={"user": "ann"}, headers=bearer).status_code < 300
    assert "a shop" in baret(service, "keys", "list")
    baret(service, "keys", "revoke", key)
    assert service.http.get("/v1/edits", headers=bearer).status_code == 401
    service.redis.delete(*service.redis.scan_iter(f"{keys.api_key('*')}"), keys.API_KEYS)


def test_nothing_was_refused_and_the_list_has_nothing_too_much(guarded: Guarded) -> None:
    """Runs last. What only a repair or a script's rare branch runs is read from the code."""
    denied = [(one["reason"], one["object"]) for one in guarded.service.redis.acl_log()]
    assert denied == []
    listed = set(re.findall(r"\+([a-z|]+)", ACL))
    stats: Any = guarded.service.redis.info("commandstats")
    ran = {name.removeprefix("cmdstat_") for name in stats}
    unseen = {"info", "type", "xrevrange"}  # doctor, a repair, a wait that comes after the end
    assert listed <= ran | COMMANDS_OF_SCRIPTS | unseen
    assert listed >= COMMANDS_OF_SCRIPTS | unseen


def baret(service: Service, *arguments: str) -> str:
    """Run `baret` with the service's settings, and return what it prints."""
    command = [sys.executable, "-m", "cli", *arguments]
    ran = subprocess.run(
        command, env=service.env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
