"""A Redis that an earlier version filled is still served: what it holds is read, and goes on.

`dumps/record.py` says how the dump was made, and what is in it.
"""

import asyncio
import inspect
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from core.access.api_keys import Keyring
from core.access.rate_limiter import RateLimiter
from core.errors import EditExpired, EditNotFound, IdempotencyInProgress, KeyRevoked
from core.images.keys import photo_prefix
from core.schema import EditStatus, ParamsInput, Result, Stage
from core.store import keys
from core.store.claims import Claim
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.events import Follower
from core.store.idempotency import Idempotency, Replay
from core.store.stats import StatsReader
from core.webhooks.queue import Deliveries, Outcome
from core.webhooks.schema import DeliveryAttempt, DeliveryStatus
from core.webhooks.secrets import HookSecrets
from tests.support.listing import listed

DUMP = json.loads((Path(__file__).parent / "dumps" / "e2182d3.json").read_text())
KNOWN: dict[str, Any] = DUMP["known"]
READ: dict[str, Any] = KNOWN["read"]
IDS: dict[str, str] = KNOWN["ids"]
CALLER: str = KNOWN["caller"]
LOST = {"code": "worker_lost"}
# Kinds of keys that came after the dump.
SINCE = (
    *(keys.turns(""), keys.turn_ends(""), keys.TURN_CLOCKS),
    *(keys.IMAGE_BYTES, keys.RECORD_BYTES, keys.PREFIX_BYTES, keys.upload("")),
    *(keys.WORKER_VERSIONS, keys.LOADING, keys.LAST_SERVED, keys.COLD_STARTS),
    *(keys.batch_turns(""), keys.batch_turn_ends(""), keys.BATCH_TURN_CLOCKS, keys.IN_A_ROW),
    *(keys.STANDBY, keys.LOAD_SECONDS, keys.LOAD_FAILED, keys.LOAD_ERRORS),
    *(keys.batch(""), keys.batches(""), keys.open_batches(""), keys.batch_edits("")),
    *(keys.BATCHES_DUE, keys.BATCHES_EXPIRING),
)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    """A connection to a server that holds the dump."""
    client = connect(redis_url)
    for key, entry in DUMP["redis"].items():
        write(client, key, entry)
    yield client
    client.close()


def write(client: Any, key: str, entry: dict[str, Any]) -> None:
    value = entry["value"]
    match entry["type"]:
        case "string":
            client.set(key, value)
        case "hash":
            client.hset(key, mapping=value)
        case "list":
            client.rpush(key, *value)
        case "set":
            client.sadd(key, *value)
        case "zset":
            client.zadd(key, {member: float(score) for member, score in value.items()})
        case "stream":
            for event_id, fields in value:
                client.xadd(key, fields, id=event_id)
    if entry["ttl_ms"]:
        client.pexpire(key, entry["ttl_ms"])


@pytest.fixture
def store(client: redis.Redis) -> EditStore:
    return EditStore(client)


def test_the_dump_holds_a_key_of_every_kind() -> None:
    functions = {value for value in vars(keys).values() if inspect.isfunction(value)}
    came_since = {keys.user_token}
    beginnings = [
        name("\0").split("\0")[0] for name in functions - came_since - {keys.lua_definitions}
    ]
    constants = [
        value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)
    ]
    for kind in beginnings + constants:
        recorded = any(key.startswith(kind) for key in DUMP["redis"])
        assert recorded is (kind not in SINCE), kind


@pytest.mark.parametrize("name", READ["records"])
def test_a_record_is_read_as_it_was(store: EditStore, name: str) -> None:
    found = store.get(IDS[name], caller=CALLER).model_dump(mode="json")
    assert found["submission"].pop("user") is None  # there were no tokens
    assert found["submission"].pop("priority") == "interactive"  # there was one line
    found = without_new_params(with_former_names(found), READ["records"][name])
    assert found == READ["records"][name]


def test_the_photo_of_an_old_edit_is_found_under_its_id(store: EditStore) -> None:
    assert photo_prefix(store.get(IDS["queued"]).submission) == IDS["queued"]


def with_former_names(found: Any) -> Any:
    """A record with strengths under the name that they had."""
    params = found["submission"]["params"]
    assert params.pop("strength") == params["interpolation"]
    result = found["result"] or {"outputs": [], "artifacts": {}}
    for image in [*result["outputs"], *result["artifacts"].values()]:
        image["interpolation"] = image.pop("strength")
    return found


def without_new_params(found: Any, recorded: Any) -> Any:
    """A record without the parameters that came since, which must have their defaults."""
    assert found["submission"].pop("photo") is None  # it is stored under the edit's own id
    params = found["submission"]["params"]
    for name in params.keys() - recorded["submission"]["params"].keys():
        default = ParamsInput.model_fields[name].get_default(call_default_factory=True)
        assert params.pop(name) == default
    return found


def test_the_listing_holds_what_was_there_the_newest_first(store: EditStore) -> None:
    assert listed(store, CALLER) == sorted((IDS[name] for name in READ["records"]), reverse=True)


def test_an_edit_that_had_expired_is_still_known_to_have(store: EditStore) -> None:
    with pytest.raises(EditExpired):
        store.get(IDS["expired"], caller=CALLER)
    with pytest.raises(EditNotFound):
        store.get(IDS["expired"], caller="another")


def test_events_are_told_from_the_first_on(client: redis.Redis, redis_url: str) -> None:
    async def types() -> list[str]:
        follower = Follower(redis_url)
        found = [event.type async for event in follower.events(IDS["succeeded"], after="") if event]
        await follower.close()
        return found

    assert asyncio.run(types()) == ["status", "status", "progress", "done"]


def test_queued_edits_are_claimed_in_their_order_and_finished(
    store: EditStore, client: redis.Redis
) -> None:
    before = StatsReader(client).read().ended["zoo", "succeeded"]
    for name in ("queued", "waiting"):
        claim = store.claim("zoo")
        assert claim == Claim(IDS[name], 1)
        assert store.report(claim, Stage.EDITING, 0.5) is False
        store.finish(claim, EditStatus.SUCCEEDED, result=Result())
        assert store.get(claim.id).status is EditStatus.SUCCEEDED
    assert store.claim("zoo") is None
    assert StatsReader(client).read().ended["zoo", "succeeded"] == before + 2


def test_a_running_edit_is_finished_by_the_attempt_that_holds_it(store: EditStore) -> None:
    claim = Claim(IDS["running"], 1)
    assert store.report(claim, Stage.EDITING, 0.9) is False
    store.finish(claim, EditStatus.FAILED, error=LOST)
    assert store.get(claim.id).error == LOST


def test_a_lost_edit_is_reclaimed_and_runs_again(store: EditStore, client: redis.Redis) -> None:
    client.zadd(keys.RUNNING, {IDS["lost"]: 1})  # whatever the time is: its lease has run out
    store.renew(Claim(IDS["running"], 1))
    assert store.reclaim_expired_leases(LOST) == [(IDS["lost"], "zoo", EditStatus.QUEUED)]
    assert store.claim("zoo") == Claim(IDS["lost"], 2)  # queued before the others


def test_edits_are_canceled_and_deleted(store: EditStore, client: redis.Redis) -> None:
    assert store.cancel(IDS["queued"], caller=CALLER) is EditStatus.QUEUED
    assert store.cancel(IDS["running"], caller=CALLER) is EditStatus.RUNNING
    assert store.report(Claim(IDS["running"], 1), Stage.EDITING, 0.9) is True
    for name in READ["records"]:
        store.delete(IDS[name], caller=CALLER)
    assert listed(store, CALLER) == []
    left = {client.zscore(keys.DELETIONS, edit_id) is not None for edit_id in IDS.values()}
    assert left == {True}
    assert not client.keys(keys.sharing("*")) and not client.keys(keys.delivery("*"))


def test_an_ended_edit_expires_at_its_time(store: EditStore, client: redis.Redis) -> None:
    assert store.expire(limit=10) == []
    client.zadd(keys.EXPIRING, {IDS["failed"]: 1})
    assert store.expire(limit=10) == [IDS["failed"]]
    with pytest.raises(EditExpired):
        store.get(IDS["failed"], caller=CALLER)


def test_what_was_to_be_deleted_still_is(store: EditStore, client: redis.Redis) -> None:
    client.zadd(keys.DELETIONS, {IDS["expired"]: 1})
    assert store.claim_deletion() == IDS["expired"]
    store.confirm_deletion(IDS["expired"])
    assert client.zscore(keys.DELETIONS, IDS["expired"]) is None


def test_api_keys_are_known_and_revoked_ones_stay_so(client: redis.Redis) -> None:
    keyring = Keyring(client)
    found = [key.model_dump(mode="json") for key in keyring.all()]
    assert [key.pop("metrics") for key in found] == [False] * len(found)  # came since
    assert found == READ["keys"]
    assert keyring.authenticate(KNOWN["key"]).id == KNOWN["key_id"]
    assert keyring.revoke(KNOWN["key_id"]).revoked_at is not None
    with pytest.raises(KeyRevoked):
        keyring.authenticate(KNOWN["key"])
    assert RateLimiter(client).take(KNOWN["key_id"], 60).allowed


def test_an_idempotency_key_leads_to_its_edit_and_a_held_one_stays_held(
    client: redis.Redis,
) -> None:
    idempotency = Idempotency(client)
    replay = idempotency.acquire(CALLER, "order-1234", body="body")
    # Earlier versions stored whole answers, which are not read any more: the edit is, as it is now.
    assert replay == Replay(IDS["queued"], None)
    with pytest.raises(IdempotencyInProgress):
        idempotency.acquire(CALLER, "order-1235", body="body")


@pytest.mark.parametrize("name", READ["deliveries"])
def test_the_log_of_webhooks_is_read_as_it_was(client: redis.Redis, name: str) -> None:
    found = [one.model_dump(mode="json") for one in Deliveries(client).of(IDS[name])]
    assert found == READ["deliveries"][name]


def test_a_pending_webhook_is_sent_and_a_failed_one_replayed(client: redis.Redis) -> None:
    deliveries = Deliveries(client)
    (failed,) = deliveries.of(IDS["failed"])
    for lane in client.zrange(keys.LANES, 0, -1):  # whatever the time is: all are due
        for key in (keys.LANES, keys.lane(lane)):
            client.zadd(key, dict.fromkeys(client.zrange(key, 0, -1), 1))
    pending = deliveries.take()
    assert pending is not None and (pending.subject_id, pending.tries) == (IDS["succeeded"], 2)
    deliveries.replay(failed.id, IDS["failed"])
    replayed = deliveries.take()
    assert replayed is not None and (replayed.id, replayed.tries) == (failed.id, 1)
    for delivery in (pending, replayed):
        attempt = DeliveryAttempt(at=datetime.now(UTC), seconds=0.1, status=204)
        deliveries.settle(delivery, Outcome(attempt, DeliveryStatus.DELIVERED))
    assert StatsReader(client).read().deliveries_due == 0
    attempts = [
        one.attempts for name in ("succeeded", "failed") for one in deliveries.of(IDS[name])
    ]
    assert [len(log) for log in attempts] == [1, 2, 2]


def test_secrets_are_the_same(store: EditStore, client: redis.Redis) -> None:
    secrets = HookSecrets(client)
    at = datetime.fromisoformat(KNOWN["recorded_at"])
    assert secrets.signing(CALLER, now=at) == READ["signing"]
    assert secrets.current(CALLER).secret == READ["signing"][0]
    assert store.secret("links").hex() == READ["link_secret"]


def test_the_announcement_is_known_and_repeated(store: EditStore) -> None:
    models = {name: model.model_dump(mode="json") for name, model in store.models().items()}
    assert models["zoo"].pop("state") == "ready"
    for preset in models["zoo"]["presets"].values():
        assert preset.pop("strength") == preset["interpolation"]
    assert models == READ["models"]
    store.announce("worker-1", store.models()["zoo"])
    assert list(store.live_models()) == ["zoo"]


def test_statistics_go_on_from_where_they_were(client: redis.Redis) -> None:
    stats = StatsReader(client).read()
    (queue,) = stats.queues
    assert (queue.model, queue.waiting, queue.running) == ("zoo", 2, 2)
    assert stats.ended == {("zoo", "succeeded"): 2, ("zoo", "failed"): 1, ("zoo", "canceled"): 1}
    seconds = {("zoo", "inverting"): 4.4, ("zoo", "tuning"): 28.2, ("zoo", "editing"): 9.2}
    assert stats.stage_seconds == seconds
    assert stats.attempted == {"delivered": 1, "pending": 1, "failed": 1}
    assert stats.deliveries_due == 1
