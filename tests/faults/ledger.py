"""What was accepted, and whether each of it ended exactly once."""

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
from tests.support.waiting import until

Edit = dict[str, Any]
Told = tuple[float, str, dict[str, Any]]  # when, what kind of event, its data
FINAL = ("edit.succeeded", "edit.failed", "edit.canceled")


@dataclass
class Found:
    """What became of the edits of a ledger."""

    edits: int
    ended: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    longest: float = 0.0  # seconds from an edit's acceptance to its end
    gap: float = 0.0  # most seconds from the last sign of an attempt to the next one


class Ledger:
    """Submits edits as a careful client does, and accounts for every one that was accepted."""

    def __init__(self, service: Service, photo: bytes, receiver: Receiver | None = None):
        self._service, self._photo, self._receiver = service, photo, receiver
        self.accepted: list[str] = []
        self.refusals: Counter[int | str] = Counter()  # answers to submissions that were repeated

    def submit(
        self, prompt: str = "a dog that sits", *, patience: float = 90.0, **fields: Any
    ) -> str:
        """Submit an edit until it is accepted, always with the same idempotency key.

        `metadata` is a mapping; other fields are parameters.
        """
        metadata = fields.pop("metadata", {})
        hook = {"webhook_url": f"{self._receiver.url}/{uuid4().hex}"} if self._receiver else {}
        data = {"prompt": prompt, "metadata": json.dumps(metadata), **QUICK, **hook, **fields}
        headers = {"Idempotency-Key": uuid4().hex}
        end = time.monotonic() + patience
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
            assert time.monotonic() < end, f"not accepted within {patience} s"
            time.sleep(0.2)
        edit_id: str = answer.json()["id"]
        self.accepted.append(edit_id)
        return edit_id

    def submit_many(self, count: int, *, at_once: int = 4, **fields: Any) -> list[str]:
        """Submit several from as many threads."""
        with ThreadPoolExecutor(at_once) as pool:
            return list(pool.map(lambda _: self.submit(**fields), range(count)))

    def settle(self, *, within: float = 120.0) -> Found:
        """Wait for the end of every edit and every webhook, and account for each."""
        end = time.monotonic() + within
        found = Found(len(self.accepted))
        for edit_id in self.accepted:
            edit = self._ended(edit_id, max(0.0, end - time.monotonic()))
            if edit is None:
                found.lost.append(edit_id)
                continue
            found.ended[edit["status"]] += 1
            found.attempts += edit["metrics"]["attempts"]
            found.longest = max(found.longest, _seconds(edit))
            self._check_images(edit)
        if self._receiver:
            until(self._service.webhooks_settled, "the webhooks to be delivered", within=90)
        found.duplicates = [one for one in self.accepted if self._ends(one) > 1]
        found.lost += [one for one in self.accepted if self._ends(one) == 0]
        for edit_id in self.accepted:
            told = self._told(edit_id)
            assert_progress_never_falls((kind, data) for _, kind, data in told)
            found.gap = max(found.gap, longest_gap(told))
        return found

    def _ended(self, edit_id: str, seconds: float) -> Edit | None:
        """The edit once it has ended; None where it is gone or does not end in time."""
        end = time.monotonic() + max(1.0, seconds)
        while time.monotonic() < end:
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
            answer = self._service.http.get(output["url"])
            assert answer.status_code == 200, answer.text
            assert hashlib.sha256(answer.content).hexdigest() == output["sha256"]

    def _ends(self, edit_id: str) -> int:
        """How many different ends were told, by events and by webhooks."""
        events = len(self._service.events(edit_id, "done"))
        if self._receiver is None:
            return events
        bare = edit_id.removeprefix("edit_")
        told = {
            one.headers["webhook-id"]
            for one in self._receiver.received
            if bare in one.headers["webhook-id"] and json.loads(one.body)["type"] in FINAL
        }
        return max(events, len(told)) if told else 0

    def _told(self, edit_id: str) -> list[Told]:
        entries: Any = self._service.redis.xrange(keys.events(edit_id))
        return [
            (int(when.partition("-")[0]) / 1000, entry["type"], json.loads(entry["data"]))
            for when, entry in entries
        ]


def assert_progress_never_falls(told: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Within an attempt, which a `status` event begins, progress only grows."""
    last = 0.0
    for kind, data in told:
        if kind == "status":
            last = 0.0
        elif kind == "progress":
            assert data["progress"] >= last, told
            last = data["progress"]


def longest_gap(told: list[Told]) -> float:
    """From an attempt's last sign of life to the next attempt, the longest of an edit."""
    longest, last_sign, ran = 0.0, 0.0, False
    for when, kind, data in told:
        if kind == "status" and data["status"] == "queued":
            continue
        if kind == "status" and ran:
            longest = max(longest, when - last_sign)
        ran, last_sign = True, when
    return longest


def _seconds(edit: Edit) -> float:
    ended, asked = (datetime.fromisoformat(edit[name]) for name in ("completed_at", "created_at"))
    return (ended - asked).total_seconds()
