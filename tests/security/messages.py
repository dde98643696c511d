"""Messages as someone with write access to Redis could put them into a queue."""

import base64
import bz2
import json
import pickle
import time
import zlib
from pathlib import Path
from typing import Any

OURS = "baret.run_edit"
STOLEN = "stolen"  # the queue that a message names for follow-up tasks and replies
_AFTER = {"task": "evil", "args": [], "kwargs": {}, "options": {"queue": STOLEN}}
CANVAS = {"callbacks": [_AFTER], "errbacks": [_AFTER], "chain": [_AFTER], "chord": _AFTER}


class Marks:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path):
        self._marker = marker

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self._marker,)


def message(body: Any = (["edit_" + "0" * 32], {}, {}), **changed: Any) -> dict[str, Any]:
    """Return a message as Celery writes it; merge `headers` and `properties`, replace the rest."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    told: dict[str, Any] = {
        "body": base64.b64encode(data).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "py", "task": OURS, "id": "an-id", "retries": 0, "eta": None},
        "properties": {
            "delivery_info": {"exchange": "", "routing_key": "edits.zoo"},
            "body_encoding": "base64",
            "delivery_tag": f"tag-{time.monotonic_ns()}",
            "reply_to": STOLEN,
        },
    }
    for name, value in changed.items():
        key = name.replace("_", "-") if name.startswith("content") else name
        told[key] = told[key] | value if name in ("headers", "properties") else value
    return told


def hostile(marker: Path) -> dict[str, list[bytes]]:
    """Return raw messages by kind."""
    deep = b"[" * 100_000 + b"]" * 100_000
    pickled = pickle.dumps(Marks(marker))
    binary = {"content_encoding": "binary"}
    python = {"content_type": "application/x-python-serialize", **binary}
    yaml = b"!!python/object/apply:pathlib.Path.touch [" + str(marker).encode() + b"]"
    bomb = bytes(2**26)
    return {
        "messages that are no JSON": [b"", b"\xff\xfe{", b"{", deep, bytes(2**20)],
        "messages of another shape": [
            *_dumped(None, [], {}, 1, "x", 1e308, message() | {"headers": []}),
            *_dumped(*(message() | {name: None} for name in ("body", "headers", "properties"))),
            *_dumped(message() | {"body": "%%%"}, message() | {"properties": [1]}),
            *_dumped(message(properties={"delivery_tag": {}, "delivery_info": None})),
            *_dumped(message(deep), message([1, 2]), message({"a": 1})),
        ],
        "messages with a pickle or YAML": [
            pickled,
            *_dumped(message(pickled, **python), message(pickled, headers={"task": "x"}, **python)),
            *_dumped(message(yaml, content_type="application/x-yaml")),
            *_dumped(message(b"\x80", content_type="application/x-msgpack", **binary)),
        ],
        "messages that inflate": _dumped(
            message(zlib.compress(bomb), headers={"compression": "zlib"}),
            message(bz2.compress(bomb), headers={"compression": "bzip2"}),
            message(headers={"compression": "no such"}),
        ),
        "messages for other tasks": _dumped(
            *(
                message(headers={"task": task})
                for task in ("evil", "celery.chord", "celery.chain", "celery.backend_cleanup", {})
            )
        ),
        "messages of ours that ask for more": _dumped(
            message([["x"] * 100_000, {}, {}]),
            message([["edit_" + "0" * 32], {"a": 1}, CANVAS]),
            message(headers={"eta": "9999-12-31T23:59:59+00:00"}),
            message(headers={"eta": "never", "expires": {"a": 1}}),
            message(headers={"timelimit": "soon", "id": {"a": [1]}}),
            message(headers={"stamped_headers": 7, "group": [], "root_id": {}}),
            message(properties={"priority": 10**30}),
        ),
    }


def _dumped(*messages: Any) -> list[bytes]:
    return [json.dumps(one).encode() for one in messages]
