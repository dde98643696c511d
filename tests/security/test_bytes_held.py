"""What callers keep in the image storage and in Redis: bounded for each, shared, and given back."""

import asyncio
import os
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis
from fastapi.testclient import TestClient
from PIL import Image

from api.app import create_app
from core.access.api_keys import ApiKey
from core.errors import StoreUnavailable
from core.images.storage import ImageStorage
from core.schema import Model
from core.settings import Settings
from core.store import keys as names
from core.store.edits import EditStore
from housekeeper.maintenance import delete_images, expire
from tests.security.attackers import METADATA
from tests.security.tally import Tally
from tests.support.api_app import keys, make_key, serving
from tests.support.api_app import settings as base_settings
from tests.support.waiting import until

__all__ = ["base_settings", "keys", "make_key"]

MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]

MB = 10**6
ATTACKERS, REQUESTS = 9, 20


@pytest.fixture
def settings(base_settings: Settings) -> Settings:
    """Return settings with a bound of a megabyte each, and a queue that takes what a test sends."""
    return base_settings.model_copy(
        update={"queue_limit": 10_000, "image_mb_per_key": 1, "record_mb_per_key": 1}
    )


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    """Return a PNG of 197 kB."""
    path = tmp_path / "noise.png"
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    Image.fromarray(noise).save(path)
    return path.read_bytes()


@pytest.fixture
def client(settings: Settings, store: EditStore, model: Model) -> Iterator[TestClient]:
    store.announce("worker-1", model)
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def raw(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as raw:
        yield raw


@pytest.fixture
def housekeeper(settings: Settings, store: EditStore) -> Iterator[None]:
    """Expire and delete images all the time, as a housekeeper does."""
    files, stop = ImageStorage(settings.images_url), threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            with suppress(StoreUnavailable):
                expire(store)
                delete_images(store, files)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    stop.set()
    thread.join()


def sent(photo: bytes, **fields: Any) -> dict[str, Any]:
    return {"prompt": "a cat", "image": b64encode(photo).decode(), **fields}


def bytes_on_disk(settings: Settings) -> int:
    folder = settings.data_dir / "pictures"
    size = 0
    for root, _, files in os.walk(folder):  # passes over folders that are deleted meanwhile
        for name in files:
            with suppress(FileNotFoundError):
                size += (Path(root) / name).stat().st_size
    return size


def total(raw: Any, name: str) -> int:
    return sum(map(int, raw.hvals(name)))


async def fill(address: str, photo: bytes, headers: dict[str, str]) -> Counter[str]:
    """Send photos and `source`s with much metadata, cancel every second edit; count the answers."""
    found: Counter[str] = Counter()
    async with httpx.AsyncClient(
        base_url=address, timeout=120, trust_env=False, headers=headers
    ) as client:
        source = None
        for number in range(REQUESTS):
            body = {"prompt": "a cat", "source": source} if source and number % 3 else sent(photo)
            answer = await client.post("/v1/edits", json={**body, "metadata": METADATA})
            found[answer.json().get("code", "accepted")] += 1
            if answer.status_code == 202 and number % 2:
                await client.post(f"/v1/edits/{answer.json()['id']}/cancel")
            elif answer.status_code == 202:
                source = answer.json()["id"]
    return found


@pytest.mark.usefixtures("housekeeper")
def test_callers_who_fill_the_storage_stop_at_their_bound_and_no_other_caller_does(
    settings: Settings,
    store: EditStore,
    model: Model,
    make_key: MakeKey,
    photo: bytes,
    raw: Any,
    tally: Tally,
) -> None:
    store.announce("worker-1", model)
    attackers = [make_key(f"attacker {n}")[0] for n in range(ATTACKERS)]
    tenth, key = make_key("tenth")
    found: Counter[str] = Counter()
    largest = 0

    async def attack_all(address: str) -> None:
        for one in await asyncio.gather(*(fill(address, photo, one) for one in attackers)):
            found.update(one)

    with serving(settings) as address:
        attack = threading.Thread(target=lambda: asyncio.run(attack_all(address)))
        attack.start()
        with httpx.Client(base_url=address, timeout=120, trust_env=False, headers=tenth) as client:
            while attack.is_alive():
                answer = client.post("/v1/edits", json=sent(photo))
                assert answer.status_code == 202, answer.text
                client.delete(f"/v1/edits/{answer.json()['id']}").raise_for_status()
                largest = max(largest, bytes_on_disk(settings))
                until(lambda: not raw.hexists(names.IMAGE_BYTES, key.caller), "its bytes to go")
    assert found.keys() == {"accepted", "quota_exceeded"}
    assert found["quota_exceeded"] >= 5 * ATTACKERS
    for code, times in found.items():
        outcome = "served" if code == "accepted" else "refused"
        tally.count("callers who fill the storage", outcome, times)
    print(f"nine attackers: {dict(found)}; at most {largest / MB:.1f} MB on disk")
    assert largest <= (ATTACKERS + 1) * MB
    assert total(raw, names.RECORD_BYTES) <= ATTACKERS * MB


def test_what_is_counted_is_what_lies_there_and_nothing_once_all_is_deleted(
    client: TestClient, settings: Settings, photo: bytes, raw: Any, store: EditStore
) -> None:
    ids: list[str] = []
    for number in range(12):
        body = {"prompt": "a dog", "source": ids[0]} if number % 2 else sent(photo)
        answer = client.post("/v1/edits", json=body)
        if answer.status_code == 202:
            ids.append(answer.json()["id"])
    assert client.post("/v1/edits", json=sent(photo)).json()["code"] == "quota_exceeded"
    assert len(ids) == 11  # five photos of 197 kB, and six edits that share the first
    assert total(raw, names.IMAGE_BYTES) == bytes_on_disk(settings) == 5 * len(photo)
    for edit_id in ids:
        assert client.delete(f"/v1/edits/{edit_id}").status_code == 204
    assert bytes_on_disk(settings) == 0
    delete_images(store, ImageStorage(settings.images_url))
    assert raw.exists(names.IMAGE_BYTES, names.PREFIX_BYTES, names.RECORD_BYTES) == 0
    assert client.post("/v1/edits", json=sent(photo)).status_code == 202


def test_an_image_used_again_and_again_lies_there_once(
    client: TestClient, settings: Settings, photo: bytes
) -> None:
    first = client.post("/v1/edits", json=sent(photo)).json()["id"]
    for _ in range(40):
        body = {"prompt": "a dog", "source": first}
        edit = client.post("/v1/edits", json=body).json()
        client.post(f"/v1/edits/{edit['id']}/cancel")
    assert bytes_on_disk(settings) == len(photo)


def test_a_canceled_edit_that_never_ran_keeps_no_photo(
    client: TestClient, settings: Settings, photo: bytes, housekeeper: None, raw: Any
) -> None:
    started = time.monotonic()
    for _ in range(20):  # 4 MB in all, a megabyte at most at once
        edit = client.post("/v1/edits", json=sent(photo)).json()
        assert client.post(f"/v1/edits/{edit['id']}/cancel").json()["status"] == "canceled"
        until(lambda: not raw.exists(names.IMAGE_BYTES), "its photo to be deleted")
    assert bytes_on_disk(settings) == 0
    body = {"prompt": "a dog", "source": edit["id"]}
    problem = client.post("/v1/edits", json=body).json()
    assert (problem["code"], problem["errors"][0]["pointer"]) == ("validation_error", "/source")
    print(f"20 edits canceled and their photos deleted in {time.monotonic() - started:.1f} s")


def test_metadata_and_prompts_are_bounded_and_leave_nothing_once_deleted(
    client: TestClient, make_image: Callable[[], bytes], raw: Any
) -> None:
    before = raw.info("memory")["used_memory"]
    ids = []
    answer = client.post("/v1/edits", json=sent(make_image(), metadata=METADATA))
    while answer.status_code == 202:
        ids.append(answer.json()["id"])
        answer = client.post("/v1/edits", json=sent(make_image(), metadata=METADATA))
    assert (answer.status_code, answer.json()["code"]) == (403, "quota_exceeded")
    assert 10 <= len(ids) <= 15
    assert raw.info("memory")["used_memory"] - before < 2 * MB
    for edit_id in ids:
        client.post(f"/v1/edits/{edit_id}/cancel")
        client.delete(f"/v1/edits/{edit_id}")
    assert raw.hlen(names.RECORD_BYTES) == 0
    raw.delete(*(names.events(edit_id) for edit_id in ids))  # as a minute later
    assert raw.info("memory")["used_memory"] - before < 0.2 * MB


def test_a_storage_that_is_away_does_not_use_up_the_bound(
    client: TestClient, settings: Settings, photo: bytes, store: EditStore, raw: Any
) -> None:
    folder = settings.data_dir / "pictures"
    files = ImageStorage(settings.images_url)
    (folder / "_photos").write_text("a file where a folder must be")
    for _ in range(6):
        assert client.post("/v1/edits", json=sent(photo)).status_code in (503, 403)
    (folder / "_photos").unlink()
    delete_images(store, files)
    assert raw.exists(names.IMAGE_BYTES) == 0
    assert client.post("/v1/edits", json=sent(photo)).status_code == 202
