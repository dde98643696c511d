"""Someone with write access to Redis sends messages to a real worker."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from ssl import CERT_REQUIRED
from typing import Any

import pytest
import redis
from celery import Celery

from core.broker.app import make_celery, signal_waiting
from core.broker.transport import MAX_BYTES, RUN_EDIT, rewrite_message
from core.ids import new_edit_id
from tests.security.messages import CANVAS, STOLEN, hostile, message
from tests.security.tally import Tally
from tests.support.samples import QUICK, SAMPLES
from tests.support.service import Process, Service
from tests.support.waiting import until

QUEUE = "edits.zoo"


@pytest.fixture
def worker(service: Service) -> Process:
    return service.have_workers(1)[0]


@pytest.fixture
def raw(service: Service) -> Iterator["redis.Redis"]:
    """Return a client that sends bytes as they are."""
    options = service.redis.connection_pool.connection_kwargs | {"decode_responses": False}
    with redis.Redis(connection_pool=redis.ConnectionPool(**options)) as client:
        yield client


@pytest.fixture
def still_edits(service: Service, worker: Process, raw: "redis.Redis") -> Callable[[], None]:
    """Check that the same worker still makes the next good edit."""
    sample: dict[str, Any] = json.loads((SAMPLES / "index.json").read_text())[0]
    photo = (SAMPLES / sample["file"]).read_bytes()

    def check() -> None:
        fields = {"prompt": sample["prompt"], **{name: str(QUICK[name]) for name in QUICK}}
        answer = service.http.post("/v1/edits", data=fields, files={"image": photo})
        assert answer.status_code == 202, answer.text
        assert service.ended(answer.json()["id"])["status"] == "succeeded"
        assert worker.lives
        assert service.workers == [worker]

    return check


def test_no_message_executes_or_ends_the_worker(
    worker: Process,
    raw: "redis.Redis",
    still_edits: Callable[[], None],
    tmp_path: Path,
    tally: Tally,
) -> None:
    marker = tmp_path / "executed"
    for kind, messages in hostile(marker).items():
        for one in messages:
            raw.lpush(QUEUE, one)
            until(lambda: raw.llen(QUEUE) == 0, f"{kind} to be taken")
            tally.count(kind, "refused" if worker.lives else "crash")
            assert worker.lives, (kind, one[:200])
        still_edits()
    assert not marker.exists()
    assert raw.exists(STOLEN, "unacked", "unacked_index") == 0
    assert raw.keys("_kombu*") == []
    assert str(marker) not in worker.log  # it does not get into our log either


def test_remote_control_does_not_reach_a_worker(
    service: Service, worker: Process, still_edits: Callable[[], None], tally: Tally
) -> None:
    options = service.redis.connection_pool.connection_kwargs
    url = f"redis://:{options.get('password') or ''}@{options['host']}:{options['port']}/0"
    commands = {
        "shutdown": {},
        "pool_shrink": {"n": 9},
        "rate_limit": {"task_name": RUN_EDIT, "rate_limit": "1/h"},
        "add_consumer": {"queue": STOLEN},
        "cancel_consumer": {"queue": QUEUE},
        "revoke": {"task_id": "x", "terminate": True},
        "memdump": {},
    }
    with Celery("stranger", broker=url, set_as_current=False) as stranger:
        for command, arguments in commands.items():
            stranger.control.broadcast(command, arguments=arguments)
            tally.count("remote control of workers", "refused")
        assert stranger.control.ping(timeout=0.5) == []
    still_edits()


@pytest.mark.parametrize("kind", ["string", "hash"])
def test_a_queue_that_is_no_list_is_mended(
    kind: str, raw: "redis.Redis", still_edits: Callable[[], None], tally: Tally
) -> None:
    for key in ("unacked", "unacked_index", f"_kombu.binding.{QUEUE}", QUEUE):
        if kind == "string":
            raw.set(key, "x")
        else:
            raw.hset(key, "a", "b")
    still_edits()
    tally.count("keys of the broker with another type", "served", times=4)
    raw.delete("unacked", "unacked_index", f"_kombu.binding.{QUEUE}")


def test_a_worker_starts_where_its_queue_is_no_list(
    service: Service, raw: "redis.Redis", worker: Process
) -> None:
    raw.set(QUEUE, "x")
    service.have_workers(2)
    service.have_workers(1)


def test_a_flood_is_waded_through(
    worker: Process, raw: "redis.Redis", still_edits: Callable[[], None], tally: Tally
) -> None:
    lines = len(worker.lines("messages dropped: not ours"))
    raw.lpush(QUEUE, *[b"junk"] * 20_000)
    still_edits()
    tally.count("messages that are no JSON", "refused", times=20_000)
    assert len(worker.lines("messages dropped: not ours")) - lines < 60


def test_a_message_is_its_edits_id_and_nothing_else(redis_url: str) -> None:
    edit_id = new_edit_id()
    signal_waiting(make_celery(redis_url), "zoo", edit_id)
    with redis.Redis.from_url(redis_url) as client:
        (sent,) = client.lrange(QUEUE, 0, -1)
        assert client.keys() == [QUEUE.encode()]
    asks_for_more = message(
        [[edit_id], {}, CANVAS], headers={"eta": "2999-01-01", "compression": ""}
    )
    for item in (sent, json.dumps(asks_for_more).encode()):
        ours = rewrite_message(item, QUEUE)
        assert ours is not None and edit_id.encode() not in ours  # in base64
        assert set(json.loads(ours)["headers"]) == {"task", "id", "ignore_result"}
        assert STOLEN.encode() not in ours
    assert rewrite_message(sent + b" " * MAX_BYTES, QUEUE) is None


def test_a_broker_behind_tls_must_show_a_valid_certificate() -> None:
    secure = make_celery("rediss://redis.example/0").connection_for_write()
    assert secure.ssl == {"ssl_cert_reqs": CERT_REQUIRED}
    asked = make_celery("rediss://redis.example/0?ssl_cert_reqs=none").connection_for_write()
    assert asked.ssl["ssl_cert_reqs"] == 0
