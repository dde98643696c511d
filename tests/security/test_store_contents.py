"""Someone with write access to Redis damages what the service stores there."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from fastapi.testclient import TestClient

from api.app import create_app
from core.images.storage import ImageStorage
from core.schema import EditStatus, Model, Submission
from core.settings import Settings
from core.store import keys
from core.store.edits import EditStore
from core.webhooks.queue import Deliveries
from housekeeper.maintenance import delete_images, expire, reclaim_edits, resend_lost_messages
from tests.security.tally import Tally
from tests.support.api_app import settings  # noqa: F401

JUNK = (b"", b"x", b"null", b"[]", b"-1", b"1e400", b'{"a": 1}', b"\xff\xfe")
LONG_AGO = 1  # ms
HOOK = "http://127.0.0.1:9/hook"

Submit = Callable[..., Submission]


@pytest.fixture
def raw(redis_url: str) -> Iterator["redis.Redis"]:
    """Return a client that sends bytes as they are."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def browser(settings: Settings, store: EditStore, model: Model) -> Iterator[TestClient]:  # noqa: F811
    """Run a client to which an unexpected error is a 500, not an exception in the test."""
    store.announce("worker-1", model)
    with TestClient(create_app(settings), raise_server_exceptions=False) as browser:
        yield browser


@pytest.fixture
def accept(store: EditStore, submission: Submit) -> Callable[..., Submission]:
    """Return a function that puts an edit into the queue."""

    def submit(**params: Any) -> Submission:
        made = submission(**params)
        store.submit(made, limit=100)
        return made

    return submit


def spoilt(raw: "redis.Redis", key: str) -> Iterator[str]:
    """Damage a hash in every way, one at a time, and restore it in between."""
    fields = raw.hgetall(key)
    for name, value in fields.items():
        for junk in (None, *JUNK):
            if junk is None:
                raw.hdel(key, name)
            else:
                raw.hset(key, name, junk)
            yield f"{name.decode()} = {junk!r}"
            raw.hset(key, name, value)
    raw.delete(key)
    raw.set(key, "x")
    yield "not a hash"
    raw.delete(key)
    raw.hset(key, mapping=fields)


def test_a_damaged_record_is_no_500_and_hides_no_other(
    browser: TestClient, raw: "redis.Redis", accept: Submit, tally: Tally
) -> None:
    good, bad = accept(), accept()
    for how in spoilt(raw, keys.edit(bad.id)):
        for path in (f"/v1/edits/{bad.id}", f"/v1/edits/{bad.id}/image", "/v1/edits"):
            answer = browser.get(path)
            assert answer.status_code in (200, 404, 409, 410, 503), (how, path, answer.text)
            assert answer.status_code == 200 or answer.json()["code"]
        listed = [edit["id"] for edit in answer.json()["data"]]
        assert good.id in listed, how
        tally.count("damaged records", "refused" if bad.id not in listed else "served")


def test_a_damaged_record_can_be_deleted_or_expires(
    browser: TestClient, raw: "redis.Redis", accept: Submit, store: EditStore
) -> None:
    for damage in ("model", "submission", "caller", "keep_ms"):
        made = accept()
        raw.hdel(keys.edit(made.id), damage)
        raw.zadd(keys.EXPIRING, {made.id: LONG_AGO})
    expire(store)
    assert raw.keys(keys.edit("*")) == []
    assert raw.zcard(keys.EXPIRING) == 0


def test_one_damaged_edit_keeps_no_other_from_being_taken_back(
    raw: "redis.Redis", accept: Submit, store: EditStore, tally: Tally
) -> None:
    told: list[str] = []
    makes = [accept() for _ in range(4)]
    for _ in makes:
        store.claim("zoo")
    bad_type, bad_number, bare, good = (one.id for one in makes)
    raw.delete(keys.edit(bad_type))
    raw.set(keys.edit(bad_type), "x")
    raw.hset(keys.edit(bad_number), mapping={"version": "x", "attempt": "x", "keep_ms": "x"})
    raw.hdel(keys.edit(bare), "model", "caller", "attempt")
    raw.zadd(keys.RUNNING, dict.fromkeys([bad_type, bad_number, bare, good, "", "no edit"], 1))

    reclaim_edits(store, lambda _, edit_id: told.append(edit_id))

    assert good in told
    assert raw.zcard(keys.RUNNING) == 0
    claim = store.claim("zoo")
    assert claim is not None and claim.id == good
    tally.count("damaged records before the housekeeper", "refused", times=5)


def test_a_worker_passes_damaged_edits_by(
    raw: "redis.Redis", accept: Submit, store: EditStore
) -> None:
    *damaged, good = [accept().id for _ in range(4)]
    raw.delete(keys.edit(damaged[0]))
    raw.set(keys.edit(damaged[0]), "x")
    raw.hset(keys.edit(damaged[1]), "attempt", "x")
    raw.hdel(keys.edit(damaged[2]), "model")
    raw.zadd(keys.waiting("zoo"), {"": 1, "no edit": 2, "edit_" + "0" * 32: 3})
    claim = store.claim("zoo")
    assert claim is not None and claim.id == good
    assert store.claim("zoo") is None


def test_what_waits_and_is_no_edit_is_taken_out_once(
    raw: "redis.Redis", store: EditStore, model: Model
) -> None:
    store.announce("worker-1", model)
    told: list[str] = []
    raw.zadd(keys.waiting("zoo"), {"../..": LONG_AGO, "line\nbreak": LONG_AGO})
    resend_lost_messages(store, lambda _, edit_id: told.append(edit_id))
    assert told == [] and raw.zcard(keys.waiting("zoo")) == 0


@pytest.mark.parametrize(
    "prefix", ["", ".", "..", "/", "edit_", "_inversions", "_inversions/../", "_photos/"]
)
def test_nothing_wider_than_an_edit_is_ever_erased(
    prefix: str,
    raw: "redis.Redis",
    store: EditStore,
    settings: Settings,  # noqa: F811
    tally: Tally,
) -> None:
    files = ImageStorage(settings.images_url)
    kept = f"_inversions/{'a' * 32}/{'b' * 64}"
    for folder in ("edit_" + "0" * 32, kept):
        files.put(folder, "input", b"a picture")
    raw.zadd(keys.DELETIONS, {prefix: LONG_AGO})
    delete_images(store, files)
    assert files.get("edit_" + "0" * 32, "input") == files.get(kept, "input") == b"a picture"
    assert raw.zcard(keys.DELETIONS) == 0
    tally.count("prefixes to erase that hold others' pictures", "refused")


OUTWARDS = ("../../secret", "/etc/passwd", "a/../../../secret", "..", "%2e%2e/x")


@pytest.mark.parametrize("name", OUTWARDS)
def test_no_picture_name_leads_out_of_the_store(
    name: str,
    settings: Settings,  # noqa: F811
    tally: Tally,
) -> None:
    (settings.data_dir / "secret").write_text("not a picture")
    files = ImageStorage(settings.images_url)
    assert files.get("edit_" + "0" * 32, name) is None
    tally.count("picture names that lead out of the store", "refused")


def test_damaged_deliveries_hold_up_no_other(
    raw: "redis.Redis", accept: Submit, store: EditStore, deliveries: Deliveries, tally: Tally
) -> None:
    for _ in range(6):
        accept(webhook_url=HOOK)
        claim = store.claim("zoo")
        assert claim is not None
        store.finish(claim, EditStatus.FAILED, error={"code": "model_error"})
    lane = keys.lane(f"local {HOOK.removesuffix('/hook')}")
    ids = [one.decode() for one in raw.zrange(lane, 0, -1)]
    *damaged, good = [keys.delivery(one) for one in ids]
    raw.hset(damaged[0], "type", "edit.evil")
    raw.hset(damaged[1], "tries", "x")
    raw.hdel(damaged[2], "receiver", "url")
    raw.hset(damaged[3], "created_ms", "1e400")
    raw.delete(damaged[4])
    raw.set(damaged[4], "x")
    raw.zadd(lane, dict.fromkeys(ids[:-1], 1) | {"": 1, "no delivery": 1})
    raw.zadd(keys.LANES, {"": 1, "a lane": 1, "another": 1})
    raw.set(keys.lane("another"), "x")

    taken = deliveries.take()

    assert taken is not None and keys.delivery(taken.id) == good
    assert deliveries.take() is None
    assert raw.exists(*damaged) == 0
    tally.count("damaged deliveries", "refused", times=10)


def test_damaged_models_and_workers_hide_no_others(
    browser: TestClient, raw: "redis.Redis", store: EditStore, accept: Submit, tally: Tally
) -> None:
    for number, junk in enumerate(JUNK):
        raw.hset(keys.MODELS, f"evil-{number}", junk)
        raw.lpush(keys.runs("zoo"), junk)
    raw.zadd(keys.WORKERS, {"": 1e12, "worker": 1e12, "a b c": 1e12, " zoo": 1e12})
    made = accept()
    assert [one["id"] for one in browser.get("/v1/models").json()["data"]] == ["zoo"]
    assert browser.get("/readyz").status_code in (200, 503)
    assert browser.get(f"/v1/edits/{made.id}").status_code == 200
    resend_lost_messages(store, lambda *_: None)
    tally.count("damaged announcements and figures", "served", times=2 * len(JUNK) + 4)


def test_whatever_lies_in_any_key_is_a_clear_problem(
    browser: TestClient,
    raw: "redis.Redis",
    accept: Submit,
    make_image: Callable[..., bytes],
    tally: Tally,
) -> None:
    accept(webhook_url=HOOK)
    asked: dict[str, Any] = {
        "data": {"prompt": "a cat that sits"},
        "files": {"image": make_image()},
        "headers": {"Idempotency-Key": "again"},
    }
    assert browser.post("/v1/edits", **asked).status_code == 202
    browser.get("/v1/webhooks/secret")
    for key in sorted(raw.keys(keys.PREFIX + "*")):
        was = raw.dump(key)
        raw.delete(key)
        if key.startswith(keys.idempotency("").encode()):
            raw.hset(key, mapping={"body": "x", "edit": "x", "reply": '{"status": "x"}'})
        else:
            raw.xadd(key, {"x": "y"})
        for path in ("/v1/edits", "/v1/models", "/v1/webhooks/secret", "/metrics", "/readyz"):
            answer = browser.get(path)
            assert answer.status_code in (200, 503), (key, path, answer.text)
        answer = browser.post("/v1/edits", **asked)
        assert answer.status_code in (202, 422, 503), (key, answer.text)
        tally.count("keys with another type", answer.status_code)
        raw.delete(key)
        raw.restore(key, 0, was, replace=True)
