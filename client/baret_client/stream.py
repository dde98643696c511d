"""Reading server-sent events (WHATWG HTML, 9.2), across broken connections."""

import json
from typing import Any

import httpx

from baret_client.flows import FIRST_PAUSE, Settings, unreachable
from baret_client.schema import Event

# The service sends a comment every 5 seconds, so a longer silence is a lost connection.
SILENCE_SECONDS = 20.0


class EventReader:
    """What one follower of an edit knows: the last event, and whether more will come."""

    def __init__(self, edit_id: str, settings: Settings):
        """Start before the first event."""
        self.path = f"/v1/edits/{edit_id}/events"
        self.done = False
        self._settings = settings
        self._last_id = ""
        self._fields: dict[str, str] = {}
        self._failures = 0

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of httpx's `stream` that continue after the last event."""
        last = {"Last-Event-ID": self._last_id} if self._last_id else {}
        timeout = httpx.Timeout(self._settings.timeout, read=SILENCE_SECONDS)
        return {"headers": self._settings.headers | last, "timeout": timeout}

    def feed(self, line: str) -> Event | None:
        """Take a line; return the event that it ends, if any."""
        name, _, value = line.partition(":")
        if name:
            self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        event = Event(fields["event"], json.loads(fields["data"]), fields["id"])
        self._last_id, self._failures = event.id, 0
        self.done = event.type == "done"
        return event

    def broke(self, error: httpx.TransportError | None = None) -> float:
        """Note that the connection ended early; return the pause before the next, in seconds.

        Raises:
            ServiceUnreachable: it broke too often without an event in between.
        """
        self._fields = {}
        self._failures += 1
        if error is not None and self._failures > self._settings.max_retries:
            raise unreachable(error) from error
        return FIRST_PAUSE * float(2 ** min(self._failures, 6))
