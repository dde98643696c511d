"""What can be done with batches: many edits in one request that nobody waits for."""

import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx

from baret_client import flows
from baret_client.errors import BatchNotEnded
from baret_client.flows import Flow, Pause, Send, Settings, T
from baret_client.schema import Batch, BatchResult, Json

PAUSE = 2.0  # seconds between two looks at a batch

Edits = Iterable[Mapping[str, Any]] | str | os.PathLike[str]
"""Bodies of edits, or lines of OpenAI's Batch API; or the path of a file with one a line."""
OneBatch = str | Batch  # a batch or its id


def _path(batch: OneBatch, suffix: str = "") -> str:
    return f"/v1/batches/{batch if isinstance(batch, str) else batch.id}{suffix}"


def _create(
    settings: Settings,
    edits: Edits,
    webhook_url: str | None,
    metadata: Mapping[str, str] | None,
    idempotency_key: str | None,
) -> Flow[Batch]:
    headers = settings.headers | {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    given: dict[str, Any] = {"webhook_url": webhook_url, "metadata": metadata}
    fields = {name: value for name, value in given.items() if value is not None}
    if isinstance(edits, str | os.PathLike):
        form = {name: v if isinstance(v, str) else json.dumps(v) for name, v in fields.items()}
        files = {"file": ("batch.jsonl", Path(edits).read_bytes())}
        send = Send("POST", "/v1/batches", headers=headers, data=form, files=files)
    else:
        body = {**fields, "edits": [dict(one) for one in edits]}
        send = Send("POST", "/v1/batches", headers=headers, json=body)
    response = yield from flows.request(send, settings)
    return Batch.from_json(response.json())


def _one(settings: Settings, method: str, path: str) -> Flow[Batch]:
    return Batch.from_json((yield from flows.call(settings, method, path)))


def _wait(
    settings: Settings,
    batch: OneBatch,
    timeout: float | None,
    on_progress: Callable[[Batch], None] | None,
) -> Flow[Batch]:
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        now = yield from _one(settings, "GET", _path(batch))
        if on_progress is not None:
            on_progress(now)
        if now.ended:
            return now
        if deadline is not None and time.monotonic() >= deadline:
            raise BatchNotEnded(f"{now.id} has not ended within {timeout:g} s.", now)
        yield Pause(PAUSE)


def _query(cursor: str | None) -> dict[str, Any]:
    return {"limit": 100} | ({} if cursor is None else {"cursor": cursor})


def _stream(settings: Settings, batch: OneBatch) -> dict[str, Any]:
    return {
        "method": "GET",
        "url": _path(batch, "/results"),
        "headers": settings.headers,
        "timeout": settings.timeout,
    }


def _result(line: str) -> BatchResult:
    data: Json = json.loads(line)
    return BatchResult.from_json(data)


class Batches:
    """The batches of the caller."""

    def __init__(self, http: httpx.Client, settings: Settings):
        """Take the client's connection."""
        self._http, self._settings = http, settings

    def _run(self, flow: Flow[T]) -> T:
        return flows.run(flow, self._http, self._settings.timeout)

    def create(
        self,
        edits: Edits,
        *,
        webhook_url: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Create a batch, and return it as it begins.

        Args:
            edits: bodies of edits (`image` by address, or `source`, and `prompt`), or lines of
                OpenAI's Batch API; or the path of a file of JSON lines. At most 10,000.
            webhook_url: is called when the batch ends.
            metadata: your own keys and values.
            idempotency_key: calls with the same one and the same edits within a day make one batch.

        Raises:
            ValidationFailed: edits are wrong; it names the line and the field of each.
        """
        given = (edits, webhook_url, metadata, idempotency_key)
        return self._run(_create(self._settings, *given))

    def get(self, batch: OneBatch) -> Batch:
        """Return a batch as it is now."""
        return self._run(_one(self._settings, "GET", _path(batch)))

    def list(self) -> Iterator[Batch]:
        """Yield the caller's batches, newest first, all pages."""
        cursor = None
        while True:
            query = _query(cursor)
            page = self._run(flows.call(self._settings, "GET", "/v1/batches", params=query))
            yield from map(Batch.from_json, page["data"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def wait(
        self,
        batch: OneBatch,
        *,
        timeout: float | None = None,
        on_progress: Callable[[Batch], None] | None = None,
    ) -> Batch:
        """Wait until a batch has ended, whatever became of its edits, and return it then.

        Args:
            batch: it.
            timeout: seconds; None waits for as long as it takes.
            on_progress: called with the batch every two seconds.

        Raises:
            BatchNotEnded: it did not end in time.
        """
        return self._run(_wait(self._settings, batch, timeout, on_progress))

    def results(self, batch: OneBatch) -> Iterator[BatchResult]:
        """Yield what became of each edit that has ended, in the order of the batch."""
        try:
            with self._http.stream(**_stream(self._settings, batch)) as response:
                if not response.is_success:
                    response.read()
                    raise flows.error_of(response)
                yield from map(_result, filter(None, response.iter_lines()))
        except httpx.TransportError as error:
            raise flows.unreachable(error) from error

    def cancel(self, batch: OneBatch) -> Batch:
        """Cancel a batch: what has ended stays, the rest ends within seconds."""
        return self._run(_one(self._settings, "POST", _path(batch, "/cancel")))

    def delete(self, batch: OneBatch) -> None:
        """Delete a batch with its edits and their images."""
        self._run(flows.call(self._settings, "DELETE", _path(batch)))


class AsyncBatches:
    """The batches of the caller; as `Batches`, to await."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings):
        """Take the client's connection."""
        self._http, self._settings = http, settings

    async def _run(self, flow: Flow[T]) -> T:
        return await flows.run_async(flow, self._http, self._settings.timeout)

    async def create(
        self,
        edits: Edits,
        *,
        webhook_url: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Batch:
        """Create a batch; see `Batches.create`."""
        given = (edits, webhook_url, metadata, idempotency_key)
        return await self._run(_create(self._settings, *given))

    async def get(self, batch: OneBatch) -> Batch:
        """Return a batch as it is now."""
        return await self._run(_one(self._settings, "GET", _path(batch)))

    async def list(self) -> AsyncIterator[Batch]:
        """Yield the caller's batches, newest first, all pages."""
        cursor = None
        while True:
            query = _query(cursor)
            page = await self._run(flows.call(self._settings, "GET", "/v1/batches", params=query))
            for data in page["data"]:
                yield Batch.from_json(data)
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def wait(
        self,
        batch: OneBatch,
        *,
        timeout: float | None = None,
        on_progress: Callable[[Batch], None] | None = None,
    ) -> Batch:
        """Wait until a batch has ended; see `Batches.wait`."""
        return await self._run(_wait(self._settings, batch, timeout, on_progress))

    async def results(self, batch: OneBatch) -> AsyncIterator[BatchResult]:
        """Yield what became of each edit that has ended; see `Batches.results`."""
        try:
            async with self._http.stream(**_stream(self._settings, batch)) as response:
                if not response.is_success:
                    await response.aread()
                    raise flows.error_of(response)
                async for line in response.aiter_lines():
                    if line:
                        yield _result(line)
        except httpx.TransportError as error:
            raise flows.unreachable(error) from error

    async def cancel(self, batch: OneBatch) -> Batch:
        """Cancel a batch; see `Batches.cancel`."""
        return await self._run(_one(self._settings, "POST", _path(batch, "/cancel")))

    async def delete(self, batch: OneBatch) -> None:
        """Delete a batch with its edits and their images."""
        await self._run(flows.call(self._settings, "DELETE", _path(batch)))
