"""A key that goes on sending although it is refused: it costs little, and slows itself down."""

import asyncio
import time
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from api.problems.errors import RateLimited
from api.server.headers import EXTRA_HEADERS
from api.server.over_quota import OverQuota
from core.access.api_keys import ApiKey, Keyring
from core.access.credentials import hash_of
from tests.support.problems import assert_problem
from tests.support.waiting import until

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]
REFUSAL = RateLimited("Too many.", retry_after=7)


def request_with(authorization: str) -> dict[str, object]:
    """Return the scope of a request."""
    headers = [(b"authorization", authorization.encode())]
    return {"type": "http", "headers": headers, EXTRA_HEADERS: {}}


async def seconds_of(over_quota: OverQuota, authorization: str) -> float:
    """Return how long a refusal takes, or fail if there is none."""
    started = time.monotonic()
    scope = request_with(authorization)
    with pytest.raises(RateLimited) as refused:
        await over_quota.check(scope)
    assert refused.value is REFUSAL
    assert scope[EXTRA_HEADERS] == {"RateLimit": "r=0"}
    return time.monotonic() - started


def refusing(*keys: str, **limits: float) -> OverQuota:
    """Return the keys that were refused a moment ago."""
    over_quota = OverQuota(**limits)  # type: ignore[arg-type]
    for key in keys:
        over_quota.note(hash_of(key), REFUSAL, {"RateLimit": "r=0"})
    return over_quota


def test_a_key_is_refused_again_at_the_end_of_the_time_and_asked_about_after_it() -> None:
    async def scene() -> None:
        over_quota = refusing("ann", seconds=0.5)
        assert await seconds_of(over_quota, "Bearer ann") > 0.3
        await over_quota.check(request_with("Bearer ann"))

    asyncio.run(scene())


@pytest.mark.parametrize("authorization", ["Bearer ben", "Basic ann", "ann", ""])
def test_other_keys_pass(authorization: str) -> None:
    asyncio.run(refusing("ann", seconds=60).check(request_with(authorization)))


def test_only_so_many_answers_wait_and_others_come_at_once() -> None:
    async def scene() -> list[float]:
        over_quota = refusing("ann", seconds=5, max_held=2)
        waiting = [asyncio.create_task(seconds_of(over_quota, "bearer ann")) for _ in range(2)]
        await asyncio.sleep(0)
        at_once = [await seconds_of(over_quota, "Bearer ann") for _ in range(3)]
        held = await asyncio.gather(*waiting)
        return [*at_once, -min(held)]

    *at_once, held = asyncio.run(scene())
    assert max(at_once) < 3 < -held


def test_the_second_refusal_says_what_the_first_did(client: TestClient, make_key: MakeKey) -> None:
    ann, _ = make_key("ann", requests_per_minute=1)
    ben, _ = make_key("ben")
    origin = {"origin": "https://app.example"}
    first, second = (
        [client.get("/v1/edits", headers=ann | origin) for _ in range(2)][1],
        client.request("POST", "/v1/edits", headers=ann | origin),
    )
    for answer in (first, second):
        problem = assert_problem(answer, 429, "rate_limited")
        assert problem["detail"] == first.json()["detail"]
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert answer.headers["ratelimit"].startswith('"requests";r=0;t=')
        assert answer.headers["cache-control"] == "private, no-cache"
        assert answer.headers["access-control-allow-origin"] == "*"
    assert client.get("/v1/edits", headers=ben).status_code == 200


def test_what_needs_no_key_is_not_refused_with_one_that_is(
    client: TestClient, make_key: MakeKey
) -> None:
    headers, _ = make_key("ann", requests_per_minute=1)
    for method, path in (
        *(("GET", "/healthz"), ("GET", "/openapi.json"), ("GET", "/v1/files/edit_1/a.png")),
        ("PUT", "/v1/uploads/upl_1"),
    ):
        while client.get("/v1/edits", headers=headers).status_code != 429:
            pass
        assert client.request(method, path, headers=headers).status_code != 429, path


def test_a_key_that_was_revoked_is_told_so_a_second_later(
    client: TestClient, make_key: MakeKey, keys: Keyring
) -> None:
    headers, key = make_key("ann", requests_per_minute=1)
    for _ in range(2):
        client.get("/v1/edits", headers=headers)
    keys.revoke(key.id)
    answer = until(
        lambda: (got := client.get("/v1/edits", headers=headers)).status_code == 401 and got,
        "the key to be refused as revoked",
    )
    assert answer
    assert_problem(answer, 401, "unauthenticated")
