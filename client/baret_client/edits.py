"""What can be done with edits. The logic is in `flows`; `async_edits` is the same to await."""

import time
from collections.abc import Iterator, Mapping
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
class Edit(EditData):
    """An edit, and what can be done with it."""

    _edits: "Edits" = field(repr=False, compare=False)

    def wait(
        self, *, timeout: float | None = None, on_progress: OnProgress | None = None
    ) -> "Edit":
        """Wait until it succeeds, and return it then; see `Edits.wait`."""
        return self._edits.wait(self, timeout=timeout, on_progress=on_progress)

    def stream(self) -> Iterator[Event]:
        """Yield its events up to its end; see `Edits.stream`."""
        return self._edits.stream(self)

    def refresh(self) -> "Edit":
        """Return it as it is now."""
        return self._edits.get(self)

    def cancel(self) -> "Edit":
        """Cancel it."""
        return self._edits.cancel(self)

    def delete(self) -> None:
        """Delete it with its images."""
        self._edits.delete(self)

    def image(self, *, strength: float | None = None, format: Format | None = None) -> bytes:
        """Return the bytes of an output; see `Edits.image`."""
        return self._edits.image(self, strength=strength, format=format)

    def artifact(self, kind: str) -> bytes:
        """Return the bytes of an artifact; see `Edits.artifact`."""
        return self._edits.artifact(self, kind)


class Edits:
    """The edits of the caller."""

    def __init__(self, http: httpx.Client, settings: Settings):
        """Take the client's connection."""
        self._http, self._settings = http, settings

    def _run(self, flow: Flow[T]) -> T:
        return flows.run(flow, self._http, self._settings.timeout)

    def _edit(self, data: Json) -> Edit:
        return Edit.from_json(data, _edits=self)

    def create(  # noqa: PLR0913 (the fields of a request)
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
    ) -> Edit:
        """Create an edit, and return it as it waits for a worker.

        Args:
            image: a path, bytes, a file, a Pillow image, or an address for the service to fetch.
            prompt: what the edited photo should show: "a dog sitting", not "make the dog sit".
            source: instead of an image, an earlier edit whose image is used again.
            upload: instead of an image, an upload that the image was sent to.
            model: an id from `client.models.list()`; None takes the default.
            metadata: notes of your own, at most 16.
            priority: "batch" if nobody waits for it: interactive edits go first.
            idempotency_key: a name for this edit. Calls with the same name and the same arguments
                within a day make one edit. None makes a new name for each call.
            params: see `EditParams`.

        Raises:
            ProblemError: the service refused; its class says why.
            ServiceUnreachable: the service does not answer.
            OSError: the image's file cannot be read.
        """
        fields = {"prompt": prompt, "model": model, "metadata": metadata, "priority": priority}
        flow = creation(self._settings, image, source, upload, fields, params, idempotency_key)
        return self._edit(self._run(flow))

    def get(self, edit: Identified) -> Edit:
        """Return an edit as it is now."""
        return self._edit(self._run(flows.call(self._settings, "GET", f"/v1/edits/{id_of(edit)}")))

    def list(
        self,
        *,
        status: Status | None = None,
        metadata: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> Iterator[Edit]:
        """Yield the caller's edits, newest first, all pages.

        Args:
            status: only edits of this status.
            metadata: only edits with these notes.
            user: only edits that tokens for this user made.
        """
        query = page_query(status, metadata, user)
        while True:
            page = self._run(flows.call(self._settings, "GET", "/v1/edits", params=query))
            yield from map(self._edit, page["data"])
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def wait(
        self,
        edit: Identified,
        *,
        timeout: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> Edit:
        """Wait until an edit succeeds, and return it then.

        Args:
            edit: the edit or its id.
            timeout: seconds; None waits for as long as it takes.
            on_progress: called with the edit as it is, once a second: its `stage`, `progress`,
                `queue_position` and `eta_seconds`.

        Raises:
            EditFailed, EditCanceled: it ended without images.
            EditNotEnded: it did not end in time.
        """
        flow = flows.wait(self._settings, id_of(edit), timeout=timeout, on_progress=on_progress)
        return self._edit(self._run(flow))

    def stream(self, edit: Identified) -> Iterator[Event]:
        """Yield an edit's events from its acceptance to its end, across broken connections."""
        reader = EventReader(id_of(edit), self._settings)
        while True:
            broken: httpx.TransportError | None = None
            try:
                with self._http.stream("GET", reader.path, **reader.arguments) as response:
                    if response.is_error:
                        response.read()
                        raise flows.error_of(response)
                    for line in response.iter_lines():
                        if event := reader.feed(line):
                            yield event
            except httpx.TransportError as error:
                broken = error
            if reader.done:
                return
            time.sleep(reader.broke(broken))

    def cancel(self, edit: Identified) -> Edit:
        """Cancel an edit: at once if it waits, within a step if it runs. An ended one stays."""
        path = f"/v1/edits/{id_of(edit)}/cancel"
        return self._edit(self._run(flows.call(self._settings, "POST", path)))

    def delete(self, edit: Identified) -> None:
        """Delete an edit with its images."""
        self._run(flows.call(self._settings, "DELETE", f"/v1/edits/{id_of(edit)}"))

    def image(
        self,
        edit: Identified,
        *,
        strength: float | None = None,
        format: Format | None = None,
    ) -> bytes:
        """Return the bytes of an output.

        Args:
            edit: the edit or its id.
            strength: of the output; None takes the first.
            format: to encode it in; None leaves it as it is stored.

        Raises:
            NotFinished: the edit has no image.
        """
        flow = flows.image(self._settings, id_of(edit), strength=strength, form=format)
        return self._run(flow)

    def artifact(self, edit: Identified, kind: str) -> bytes:
        """Return the bytes of an artifact (PNG).

        Args:
            edit: the edit or its id; created with `artifacts=True`.
            kind: a key of `Edit.artifacts`, such as `attention`.

        Raises:
            KeyError: it has none of this kind.
        """
        return self._run(flows.artifact(self._settings, id_of(edit), kind))
