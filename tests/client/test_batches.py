"""Batches with both clients."""

import asyncio
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from baret_client import AsyncClient, BatchNotEnded, Client, NotFound, ValidationFailed

from core.store.edits import EditStore
from tests.support.waiting import until

Finish = Callable[..., Any]


@pytest.fixture
def source(client: Client, make_image: Callable[..., bytes], store: EditStore) -> str:
    """Return the id of an edit whose photo the batches use again."""
    edit = client.edits.create(make_image(), prompt="a cat")
    edit.cancel()
    keeper = client.edits.create(make_image(), prompt="a cat", priority="interactive")
    claim = store.claim("zoo")
    assert claim is not None
    assert claim.id == keeper.id
    return keeper.id


def edits(source: str, count: int) -> list[dict[str, Any]]:
    return [{"source": source, "prompt": f"cat {n}"} for n in range(count)]


def finish_all(store: EditStore, finish: Finish, count: int) -> None:
    """Play the worker for so many edits, beside whoever waits for them."""
    for _ in range(count):
        until(lambda: store.waiting("zoo", longer_than=-1, limit=1), "an edit to wait")
        finish()


def test_a_batch_is_made_followed_and_read(
    client: Client, source: str, store: EditStore, finish: Finish
) -> None:
    lines = [
        {"custom_id": f"cat-{n}", "method": "POST", "url": "/v1/edits", "body": body}
        for n, body in enumerate(edits(source, 3))
    ]
    batch = client.batches.create(lines, metadata={"a": "b"}, webhook_url="http://127.0.0.1:9/")
    assert (batch.request_counts.total, batch.metadata) == (3, {"a": "b"})
    worker = threading.Thread(target=finish_all, args=(store, finish, 3))
    worker.start()
    seen: list[str] = []
    ended = client.batches.wait(batch, on_progress=lambda now: seen.append(now.status))
    worker.join()
    assert (ended.status, ended.request_counts.completed, seen[-1]) == ("completed", 3, "completed")
    results = list(client.batches.results(ended))
    assert [one.custom_id for one in results] == ["cat-0", "cat-1", "cat-2"]
    assert results[0].edit is not None
    assert len(client.edits.image(results[0].edit)) > 0
    assert [one.id for one in client.batches.list()] == [batch.id]
    client.batches.delete(batch)
    with pytest.raises(NotFound):
        list(client.batches.results(batch))


def test_a_file_of_lines_is_sent_and_a_batch_canceled(
    client: Client, source: str, tmp_path: Path
) -> None:
    path = tmp_path / "cats.jsonl"
    path.write_text("\n".join(map(json.dumps, edits(source, 2))))
    batch = client.batches.create(path, metadata={"a": "b"})
    assert batch.metadata == {"a": "b"}
    with pytest.raises(BatchNotEnded):
        client.batches.wait(batch, timeout=0)
    client.batches.cancel(batch)
    ended = client.batches.wait(batch)
    assert (ended.status, ended.request_counts.canceled) == ("canceled", 2)
    codes = [one.error and one.error.code for one in client.batches.results(batch)]
    assert codes == ["canceled", "canceled"]


def test_a_key_makes_one_batch_and_a_wrong_line_is_named(client: Client, source: str) -> None:
    made = {client.batches.create(edits(source, 1), idempotency_key="k").id for _ in range(2)}
    assert len(made) == 1
    with pytest.raises(ValidationFailed) as refused:
        client.batches.create([*edits(source, 1), {"source": source}])
    assert refused.value.problem.errors[0].pointer == "/edits/1/prompt"


def test_the_asynchronous_client_does_the_same(server: str, client: Client, source: str) -> None:
    async def use() -> None:
        async with AsyncClient(server) as other:
            batch = await other.batches.create(edits(source, 2))
            assert (await other.batches.get(batch.id)).id == batch.id
            assert [one.id async for one in other.batches.list()] == [batch.id]
            await other.batches.cancel(batch)
            assert (await other.batches.wait(batch)).status == "canceled"
            assert len([one async for one in other.batches.results(batch)]) == 2
            await other.batches.delete(batch)

    asyncio.run(use())
