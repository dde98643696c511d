"""What can be done with edits, to await. `edits` explains every method."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Unpack

import httpx

from baret_client import flows
from baret_client.arguments import Format, Identified, Uploaded, creation, id_of, page_query
from baret_client.flows import Flow, OnProgress, Settings, T
from baret_client.schema import EditData, EditParams, Event, Json, Priority, Status
from baret_client.stream import EventReader
from baret_client.uploads import ImageSource


@dataclass(frozen=True, kw_only=True)
class AsyncEdit(EditData):
    """An edit, and what can be done with it; as `Edit`, to await."""

    _edits: "AsyncEdits" = field(repr=False, compare=False)

    async def wait(
        self, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> "AsyncEdit":
        """Wait until it succeeds, and return it then; see `Edits.wait`."""
        return await self._edits.wait(self, timeout=timeout, on_progress=on_progress)

    def stream(self) -> AsyncIterator[Event]:
        """Yield its events up to its end; see `Edits.stream`."""
        return self._edits.stream(self)

    async def refresh(self) -> "AsyncEdit":
        """Return it as it is now."""
        return await self._edits.get(self)

    async def cancel(self) -> "AsyncEdit":
        """Cancel it."""
        return await self._edits.cancel(self)

    async def delete(self) -> None:
        """Delete it with its images."""
        await self._edits.delete(self)

    async def image(
        self,
        *,
        strength: float | None = None,
        format: Format | None = None,
    ) -> bytes:
        """Return the bytes of an output; see `Edits.image`."""
        return await self._edits.image(self, strength=strength, format=format)

    async def artifact(self, kind: str) -> bytes:
        """Return the bytes of an artifact; see `Edits.artifact`."""
        return await self._edits.artifact(self, kind)


class AsyncEdits:
    """The edits of the caller; as `Edits`, to await."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings):
        """Take the client's connection."""
        self._http, self._settings = http, settings

    async def _run(self, flow: Flow[T]) -> T:
        return await flows.run_async(flow, self._http, self._settings.timeout)

    def _edit(self, data: Json) -> AsyncEdit:
        return AsyncEdit.from_json(data, _edits=self)

    async def create(  # noqa: PLR0913 (the fields of a request)
        self,
        image: ImageSource | None = None,
        *,
        prompt: str,
        source: Identified | None = None,
        upload: Uploaded | None = None,
        model: str | None = None,
        metadata: Mapping[str, str] | None = None,
        priority: Priority | None = None,
        idempotency_key: str | None = None,
        **params: Unpack[EditParams],
    ) -> AsyncEdit:
        """Create an edit; see `Edits.create`."""
        fields = {"prompt": prompt, "model": model, "metadata": metadata, "priority": priority}
        flow = creation(self._settings, image, source, upload, fields, params, idempotency_key)
        return self._edit(await self._run(flow))

    async def get(self, edit: Identified) -> AsyncEdit:
        """Return an edit as it is now."""
        flow = flows.call(self._settings, "GET", f"/v1/edits/{id_of(edit)}")
        return self._edit(await self._run(flow))

    async def list(
        self,
        *,
        status: Status | None = None,
        metadata: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> AsyncIterator[AsyncEdit]:
        """Yield the caller's edits, newest first, all pages; see `Edits.list`."""
        query = page_query(status, metadata, user)
        while True:
            page = await self._run(flows.call(self._settings, "GET", "/v1/edits", params=query))
            for data in page["data"]:
                yield self._edit(data)
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    async def wait(
        self,
        edit: Identified,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> AsyncEdit:
        """Wait until an edit succeeds, and return it then; see `Edits.wait`."""
        flow = flows.wait(self._settings, id_of(edit), timeout=timeout, on_progress=on_progress)
        return self._edit(await self._run(flow))

    async def stream(self, edit: Identified) -> AsyncIterator[Event]:
        """Yield an edit's events from its acceptance to its end; see `Edits.stream`."""
        reader = EventReader(id_of(edit), self._settings)
        while True:
            broken: httpx.TransportError | None = None
            try:
                async with self._http.stream("GET", reader.path, **reader.arguments) as response:
                    if response.is_error:
                        await response.aread()
                        raise flows.error_of(response)
                    async for line in response.aiter_lines():
                        if event := reader.feed(line):
                            yield event
            except httpx.TransportError as error:
                broken = error
            if reader.done:
                return
            await asyncio.sleep(reader.broke(broken))

    async def cancel(self, edit: Identified) -> AsyncEdit:
        """Cancel an edit; see `Edits.cancel`."""
        path = f"/v1/edits/{id_of(edit)}/cancel"
        return self._edit(await self._run(flows.call(self._settings, "POST", path)))

    async def delete(self, edit: Identified) -> None:
        """Delete an edit with its images."""
        await self._run(flows.call(self._settings, "DELETE", f"/v1/edits/{id_of(edit)}"))

    async def image(
        self,
        edit: Identified,
        *,
        strength: float | None = None,
        format: Format | None = None,
    ) -> bytes:
        """Return the bytes of an output; see `Edits.image`."""
        flow = flows.image(self._settings, id_of(edit), strength=strength, form=format)
        return await self._run(flow)

    async def artifact(self, edit: Identified, kind: str) -> bytes:
        """Return the bytes of an artifact (PNG); see `Edits.artifact`."""
        return await self._run(flows.artifact(self._settings, id_of(edit), kind))
