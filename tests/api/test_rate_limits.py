"""Limits of a key: requests a minute, edits in flight; and a full queue."""

import re
from collections.abc import Callable

from fastapi.testclient import TestClient
from httpx import Response

from core.access.api_keys import ApiKey
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.operations import KEYED_OPERATIONS
from tests.support.problems import assert_problem

Post = Callable[..., Response]
MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]

# The draft's structured fields (RFC 9651): a String with Integer parameters.
POLICY = re.compile(r'"requests";q=(\d+);w=60')
LIMIT = re.compile(r'"requests";r=(\d+);t=([1-9]\d?)')


def left(answer: Response, *, quota: int) -> int:
    """Return the number of requests left, from an answer's headers."""
    policy = POLICY.fullmatch(answer.headers["ratelimit-policy"])
    limit = LIMIT.fullmatch(answer.headers["ratelimit"])
    assert policy is not None and int(policy[1]) == quota
    assert limit is not None and int(limit[2]) <= 60
    return int(limit[1])


def test_every_answer_to_a_key_tells_its_limit_problems_too(
    client: TestClient, make_key: MakeKey, settings: Settings
) -> None:
    headers, _ = make_key()
    remaining = [
        left(client.request(method, path, headers=headers), quota=settings.requests_per_minute)
        for method, path in KEYED_OPERATIONS
    ]
    assert remaining == [
        settings.requests_per_minute - used for used in range(1, len(KEYED_OPERATIONS) + 1)
    ]


def test_too_many_requests_are_refused_and_told_when_to_come_again(
    client: TestClient, make_key: MakeKey
) -> None:
    headers, _ = make_key("ann", requests_per_minute=2)
    other, _ = make_key("ben")
    for remaining in (1, 0):
        answer = client.get("/v1/edits", headers=headers)
        assert (answer.status_code, left(answer, quota=2)) == (200, remaining)
    answer = client.get("/v1/edits", headers=headers)
    assert_problem(answer, 429, "rate_limited")
    assert left(answer, quota=2) == 0
    assert 50 < int(answer.headers["retry-after"]) <= 60
    assert answer.headers["ratelimit"].endswith(f";t={answer.headers['retry-after']}")
    assert client.get("/v1/edits", headers=other).status_code == 200


def test_without_keys_there_is_no_limit(client: TestClient) -> None:
    answer = client.get("/v1/edits")
    assert not [name for name in answer.headers if name.startswith("ratelimit")]


def test_edits_in_flight_have_a_bound_a_key(
    post: Post, client: TestClient, make_key: MakeKey, finish: Callable[..., object]
) -> None:
    ann, key = make_key("ann", edits_in_flight=2)
    after, _ = make_key("ann", replaces=key.id, edits_in_flight=2)
    ben, _ = make_key("ben")
    first = post(headers=ann).json()
    assert post(headers=after).status_code == 202
    answer = post(headers=ann)
    assert "2 edits in flight" in assert_problem(answer, 429, "rate_limited")["detail"]
    assert int(answer.headers["retry-after"]) == 30  # no recent runs to estimate from
    assert left(answer, quota=600) > 500
    assert post(headers=ben).status_code == 202
    finish()
    assert client.get(first["urls"]["self"], headers=ann).json()["status"] == "succeeded"
    assert post(headers=ann).status_code == 202


def test_a_full_queue_tells_when_a_place_will_be_free(
    post: Post, store: EditStore, settings: Settings, finish: Callable[..., object]
) -> None:
    for _ in range(settings.queue_limit):
        post()
    assert post().headers["retry-after"] == "30"  # no recent runs to estimate from
    finish()
    post()
    answer = post()
    assert_problem(answer, 503, "queue_full")
    assert answer.headers["retry-after"] == "1"  # that edit took milliseconds
