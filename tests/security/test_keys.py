"""Keys and other secrets: nothing close to a key is accepted, and no secret appears again."""

import base64
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from core.access.api_keys import PREFIX, ApiKey, Keyring, NewApiKey, hash_of, new_key
from tests.security.tally import Tally
from tests.support.receiver import running_receiver
from tests.support.samples import QUICK, SAMPLES
from tests.support.service import SMALL_WORKER, Service, running_service

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]

REDIS_PASSWORD = "hunter2-of-redis"


def told(answer: Response) -> tuple[object, ...]:
    """Return everything in a refusal except the request's own id and date."""
    headers = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date")}
    return answer.status_code, headers, answer.content


def near(text: str) -> list[str]:
    """Return texts that are almost this key."""
    flipped = [
        text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1 :] for at in range(len(text))
    ]
    other = new_key()
    return [
        *flipped,
        text[:-6] + other[-6:],
        text[:-1],
        text + "0",
        text + "\t0",
        text.upper(),
        text.swapcase(),
        text.removeprefix(PREFIX),
        f'"{text}"',
        f"{text},{text}",
        PREFIX,
        PREFIX + "0" * 38,
        PREFIX + "ß" * 38,
        PREFIX + "٣" * 38,
        f"{text}\0",
        "\0" * 47,
        text * 200,
        "x" * 60_000,
    ]


def test_what_is_nearly_a_key_is_none_and_all_of_it_is_refused_in_one_way(
    client: TestClient,
    make_key: MakeKey,
    tally: Tally,
) -> None:
    headers, _ = make_key()
    text = headers["Authorization"].removeprefix("Bearer ")
    answers = [
        client.get("/v1/edits", headers={"Authorization": f"Bearer {wrong}".encode()})
        for wrong in near(text)
    ]
    for answer in answers:
        tally.count("near-miss and revoked keys", answer.status_code)
    assert {answer.status_code for answer in answers} == {401}
    assert all(told(answer) == told(answers[0]) for answer in answers)


def test_a_key_elsewhere_or_under_another_scheme_is_none(
    client: TestClient,
    make_key: MakeKey,
    tally: Tally,
) -> None:
    headers, _ = make_key()
    text = headers["Authorization"].removeprefix("Bearer ")
    wrong = f"Bearer {new_key()}"
    basic = base64.b64encode(f"{text}:".encode()).decode()
    attempts: list[list[tuple[str, str]]] = [
        [],
        [("Authorization", text)],
        [("Authorization", f"Basic {basic}")],
        [("Authorization", f"Token {text}")],
        [("Authorization", f"Bearer\xa0{text}")],
        [("Authorization", "Bearer"), ("Authorization", f"Bearer {text}")],
        [("Authorization", wrong), ("Authorization", f"Bearer {text}")],
        [("X-Api-Key", text)],
        [("Cookie", f"key={text}; Authorization=Bearer {text}")],
        [("Proxy-Authorization", f"Bearer {text}")],
    ]
    for attempt in attempts:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in attempt]
        answer = client.get("/v1/edits", headers=raw)
        tally.count("keys in the wrong place", answer.status_code)
        assert answer.status_code == 401, attempt
    for path in (f"/v1/edits?key={text}", f"/v1/edits?access_token={text}", f"/v1/edits/{text}"):
        answer = client.get(path)
        tally.count("keys in the wrong place", answer.status_code)
        assert answer.status_code == 401


def test_unknown_and_revoked_keys_are_refused_each_in_one_way(
    client: TestClient,
    keys: Keyring,
    tally: Tally,
) -> None:
    revoked = []
    for _ in range(3):
        text, key = keys.create(NewApiKey("ann"))
        keys.revoke(key.id)
        revoked.append(text)
    for group in ([new_key() for _ in range(10)], revoked):
        answers = [
            client.get("/v1/edits", headers={"Authorization": f"Bearer {text}"}) for text in group
        ]
        for answer in answers:
            tally.count("near-miss and revoked keys", answer.status_code)
        assert {answer.status_code for answer in answers} == {401}
        assert all(told(answer) == told(answers[0]) for answer in answers)


def test_a_key_is_found_by_its_hash_and_compared_in_constant_time(
    keys: Keyring,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # We look up and compare hashes, so timing does not reveal how much of a key was right.
    text, key = keys.create(NewApiKey("ann"))
    compared = []
    compare = hmac.compare_digest

    def watched(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    assert keys.authenticate(text).id == key.id
    assert compared == [(hash_of(text), hash_of(text))]
    assert key.id == f"key_{hash_of(text)[:16]}"


def everywhere(service: Service, text: str) -> list[Response]:
    """Return the answers to requests that hold a key wherever a caller can put one."""
    get, post = service.http.get, service.http.post
    good = {"Authorization": f"Bearer {text}"}
    encoded = text.replace("_", "%5F")
    image = b"no picture"
    answers = [
        get(f"/{text}"),
        get(f"/v1/edits/{text}", headers=good),
        get(f"/v1/edits/{encoded}", headers=good),
        get(f"/v1/files/{text}/{text}", params={"expires": text, "signature": text}),
        get("/v1/edits", params={"key": text, "cursor": text}, headers=good),
        get("/v1/edits", params={f"metadata[[{text}]": text}, headers=good),
        get("/v1/edits", params={"limit": text, "status": text}, headers=good),
        get(f"/docs/problems/{text}"),
    ]
    for name in ("X-Api-Key", "User-Agent", "X-Request-Id", "Cookie", "Referer", "traceparent"):
        answers.append(get("/v1/edits/none", headers={**good, name: text}))
    for name in ("Idempotency-Key", "Prefer", "Last-Event-ID", "If-None-Match", "Content-Type"):
        answers.append(post("/v1/edits", content=b"{}", headers={**good, name: text}))
    fields: dict[str, Any] = {"prompt": "x", "image": {"base64": ""}}
    wrong: list[dict[str, Any]] = [
        {text: text},
        {"params": {text: 1}},
        {"image": {text: text}},
        {"image": {"base64": text}},
        {"image": {"url": f"http://{text}@127.0.0.1:9/{text}"}},
        {"image": {"url": f"http://{text}/{text}"}},
        {"webhook_url": f"https://{text}:{text}@photos.example/{text}"},
        {"image": None, "source": text},
        {"model": text},
        {"preset": text},
        {"seed": text},
        {"metadata": {text: 1}},
        {"metadata": {text: {text: text}}},
        {"strength": [text]},
    ]
    answers += [post("/v1/edits", json=fields | more, headers=good) for more in wrong]
    answers.append(post("/v1/edits", content=f'{{"{text}'.encode(), headers=good))
    answers.append(
        post("/v1/edits", data={text: text}, files={"image": (text, image)}, headers=good)
    )
    return answers


def test_no_secret_is_in_any_log_or_refusal_of_the_running_service(
    tmp_path: Path, tally: Tally
) -> None:
    """Run all processes at DEBUG, create keys, and send them wherever something can be sent."""
    redis_url = f"redis://default:{REDIS_PASSWORD}@{{redis}}/0"
    with (
        running_receiver() as receiver,
        running_service(
            tmp_path, worker=SMALL_WORKER, REDIS_URL=redis_url, BARET_LOG_LEVEL="DEBUG"
        ) as service,
    ):
        service.have_workers(1)
        text, key = Keyring(service.redis).create(NewApiKey("ann"))
        good = {"Authorization": f"Bearer {text}"}
        refusals = everywhere(service, text)
        secret = service.http.get("/v1/webhooks/secret", headers=good).json()["secret"]
        sample = json.loads((SAMPLES / "index.json").read_text())[0]
        accepted = service.http.post(
            "/v1/edits",
            data={
                "prompt": f"{sample['prompt']} {text} {secret}",
                "metadata": json.dumps({text: secret}),
                "webhook_url": f"{receiver.url}/{text}",
                **{name: str(value) for name, value in QUICK.items()},
            },
            files={"image": (f"{text}.png", (SAMPLES / sample["file"]).read_bytes())},
            headers={**good, "Idempotency-Key": text, "Prefer": "wait=60"},
        )
        assert accepted.status_code == 201, accepted.text
        url = accepted.json()["outputs"][0]["url"]
        assert service.http.get(url).status_code == 200
        assert service.http.get(f"{url}0").status_code == 404
        service.processes[0].says("webhook", edit=accepted.json()["id"])
        Keyring(service.redis).revoke(key.id)
        refusals.append(service.http.get("/v1/edits", headers=good))
        logs = {process.name: process.log for process in service.processes}
    signature = url.rpartition("signature=")[2]
    hidden = [text.removeprefix(PREFIX), secret.removeprefix("whsec_"), REDIS_PASSWORD, signature]
    for name, log in logs.items():
        assert not [one for one in hidden if one in log], name
    for answer in refusals:
        tally.count("keys in the wrong place", answer.status_code)
        assert 400 <= answer.status_code < 500, (answer.status_code, answer.request.url)
        assert hidden[0] not in f"{answer.text} {answer.headers}", answer.request.url
