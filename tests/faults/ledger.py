"""The edits that were accepted, and whether each ended exactly once."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx

from core.store import keys
from tests.support.receiver import Receiver
from tests.support.samples import QUICK
from tests.support.service import Service
from tests.support.waiting import PATIENCE

Edit = dict[str, Any]
Event = tuple[float, str, dict[str, Any]]  # seconds, kind, data
FINAL = ("edit.succeeded", "edit.failed", "edit.canceled")


@dataclass
class Found:
    """What happened to the edits of a ledger."""

    edits: int
    ended: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    longest: float = 0.0  # seconds from an edit's acceptance to its end
    gap: float = 0.0  # longest time in seconds between an attempt's last event and the next attempt


def merged(several: Iterable[Found]) -> Found:
    """Return what happened to the edits of several ledgers."""
    total = Found(0)
    for one in several:
        total.edits += one.edits
        total.ended += one.ended
        total.attempts += one.attempts
        total.lost += one.lost
        total.duplicates += one.duplicates
        total.longest = max(total.longest, one.longest)
        total.gap = max(total.gap, one.gap)
    return total


class Ledger:
    """Submits edits as a careful client does, and accounts for each that was accepted."""

    def __init__(self, service: Service, photo: bytes, receiver: Receiver | None = None):
        self._service, self._photo, self._receiver = service, photo, receiver
        self.accepted: list[str] = []
        self.refusals: Counter[int | str] = Counter()  # responses to submissions that were repeated

    def submit(self, prompt: str = "a dog that sits", **fields: Any) -> str:
        """Submit an edit until it is accepted, always with the same idempotency key.

        `metadata` is a mapping; other fields are parameters.
        """
        metadata = fields.pop("metadata", {})
        hook = {"webhook_url": f"{self._receiver.url}/{uuid4().hex}"} if self._receiver else {}
        data = {"prompt": prompt, "metadata": json.dumps(metadata), **QUICK, **hook, **fields}
        headers = {"Idempotency-Key": uuid4().hex}
        end = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._service.http.post(
                    "/v1/edits", data=data, files={"image": self._photo}, headers=headers
                )
                if answer.status_code == 202:
                    break
                assert answer.status_code in (409, 429, 503), answer.text
                self.refusals[answer.status_code] += 1
            except httpx.TransportError as error:
                self.refusals[type(error).__name__] += 1
            assert time.monotonic() < end, f"not accepted within {PATIENCE:.0f} s"
            time.sleep(0.2)
        edit_id: str = answer.json()["id"]
        self.accepted.append(edit_id)
        return edit_id

    def submit_many(self, count: int, *, at_once: int = 4, **fields: Any) -> list[str]:
        """Submit several edits, `at_once` at a time."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda _: self.submit(**fields), range(count)))

    def settle(self) -> Found:
        """Wait for the end of every edit and every webhook, and account for each."""
        found = Found(len(self.accepted))
        for edit_id in self.accepted:
            # After one edit was lost, the others have had their time.
            edit = self._ended(edit_id, 1.0 if found.lost else PATIENCE)
            if edit is None:
                found.lost.append(edit_id)
                continue
            found.ended[edit["status"]] += 1
            found.attempts += edit["metrics"]["attempts"]
            found.longest = max(found.longest, _seconds(edit))
            self._check_images(edit)
        if self._receiver:
            self._service.until(self._service.webhooks_settled, "the webhooks to be delivered")
        found.duplicates = [one for one in self.accepted if self._ends(one) > 1]
        found.lost += [one for one in self.accepted if self._ends(one) == 0]
        for edit_id in self.accepted:
            events = self._events(edit_id)
            assert_progress_never_falls((kind, data) for _, kind, data in events)
            found.gap = max(found.gap, longest_gap(events))
        return found

    def _ended(self, edit_id: str, seconds: float) -> Edit | None:
        """Return the edit after it has ended; None if it is gone or does not end in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._service.check_alive()
            try:
                answer = self._service.http.get(f"/v1/edits/{edit_id}", params={"wait": 5})
            except httpx.TransportError:
                continue
            if answer.status_code == 404:
                return None
            if answer.is_success and (edit := answer.json())["completed_at"]:
                return dict(edit)
        return None

    def _check_images(self, edit: Edit) -> None:
        for output in edit["outputs"]:
            answer = self._service.until(lambda url=output["url"]: self._image(url), "an image")
            assert answer.status_code == 200, answer.text
            assert hashlib.sha256(answer.content).hexdigest() == output["sha256"]

    def _image(self, url: str) -> httpx.Response | None:
        """Return the answer; None if a store is away, or was a moment ago."""
        answer = self._service.http.get(url)
        return None if answer.status_code == 503 else answer

    def _ends(self, edit_id: str) -> int:
        """Return how many different ends events and webhooks have reported."""
        events = len(self._service.events(edit_id, "done"))
        if self._receiver is None:
            return events
        bare = edit_id.removeprefix("edit_")
        ends = {
            one.headers["webhook-id"]
            for one in self._receiver.received
            if bare in one.headers["webhook-id"] and json.loads(one.body)["type"] in FINAL
        }
        return max(events, len(ends)) if ends else 0

    def starts(self, edit_id: str) -> list[float]:
        """Return when each attempt began, in seconds of Redis's clock."""
        return [
            when
            for when, kind, data in self._events(edit_id)
            if kind == "status" and data["status"] == "running"
        ]

    def _events(self, edit_id: str) -> list[Event]:
        entries: Any = self._service.redis.xrange(keys.events(edit_id))
        return [
            (int(when.partition("-")[0]) / 1000, entry["type"], json.loads(entry["data"]))
            for when, entry in entries
        ]


def assert_progress_never_falls(events: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Assert that progress only grows within an attempt, which a `status` event begins."""
    last = 0.0
    for kind, data in events:
        if kind == "status":
            last = 0.0
        elif kind == "progress":
            assert data["progress"] >= last, (data, last)
            last = data["progress"]


def longest_gap(events: list[Event]) -> float:
    """Return the longest time between an attempt's last event and the next attempt."""
    longest, last_event, ran = 0.0, 0.0, False
    for when, kind, data in events:
        if kind == "status" and data["status"] == "queued":
            continue
        if kind == "status" and ran:
            longest = max(longest, when - last_event)
        ran, last_event = True, when
    return longest


def _seconds(edit: Edit) -> float:
    ended, created = (datetime.fromisoformat(edit[name]) for name in ("completed_at", "created_at"))
    return (ended - created).total_seconds()
