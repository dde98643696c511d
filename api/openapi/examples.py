"""The examples of the description. A test holds them to the schema."""

import json
from typing import Any

_ID = "edit_019ab1f27c3a7d4e8a55c0de12345678"
_HOME = f"https://photos.example/v1/edits/{_ID}"

_PARAMS: dict[str, Any] = {
    "preset": "non_rigid",
    "interpolation": 0.7,
    "self_attention_until": 0.4,
    "cross_attention_until": 0.6,
    "num_inference_steps": 50,
    "guidance_scale": 7.5,
    "inner_steps": 10,
    "seed": 0,
    "output_format": "png",
    "quality": 95,
    "artifacts": False,
    "previews": False,
    "webhook_url": None,
    "webhook_events": ["edit.succeeded", "edit.failed", "edit.canceled"],
}

REQUEST: dict[str, Any] = {
    "image": {"url": "https://pictures.example/dog.jpg"},
    "prompt": "a dog that jumps over a fence",
    "params": {"preset": "non_rigid", "interpolation": [0.5, 0.7]},
    "metadata": {"order": "1234"},
}

QUEUED: dict[str, Any] = {
    "id": _ID,
    "object": "edit",
    "created_at": "2026-01-05T09:30:00.120Z",
    "started_at": None,
    "completed_at": None,
    "expires_at": None,
    "status": "queued",
    "stage": None,
    "progress": 0.0,
    "queue_position": 0,
    "eta_seconds": 21.4,
    "prompt": "a dog that jumps over a fence",
    "model": "zoo",
    "params": _PARAMS,
    "metadata": {"order": "1234"},
    "input": {"width": 640, "height": 480, "content_type": "image/jpeg", "sha256": "9f86d0…"},
    "outputs": [],
    "artifacts": None,
    "warnings": [],
    "metrics": {
        "queue_seconds": None,
        "run_seconds": None,
        "stage_seconds": {},
        "reconstruction_psnr": None,
        "inner_steps": None,
        "inversion_reused": False,
        "attempts": 0,
    },
    "error": None,
    "urls": {"self": _HOME, "cancel": f"{_HOME}/cancel", "events": f"{_HOME}/events"},
}

EDIT: dict[str, Any] = {
    **QUEUED,
    "status": "succeeded",
    "started_at": "2026-01-05T09:30:00.480Z",
    "completed_at": "2026-01-05T09:30:21.730Z",
    "expires_at": "2026-01-09T09:30:21.730Z",
    "progress": 1.0,
    "queue_position": None,
    "eta_seconds": None,
    "outputs": [
        {
            "interpolation": 0.7,
            "url": f"https://photos.example/v1/files/{_ID}/output-0.png?expires=…&signature=…",
            "width": 640,
            "height": 480,
            "content_type": "image/png",
            "sha256": "60303a…",
            "bytes": 402133,
        }
    ],
    "warnings": [
        {
            "code": "unknown_words",
            "detail": "Unknown to the model: “fence”. The picture shows the nearest thing that it "
            "knows; try other words.",
            "words": ["fence"],
        }
    ],
    "metrics": {
        "queue_seconds": 0.36,
        "run_seconds": 21.25,
        "stage_seconds": {"loading": 0.1, "inverting": 2.2, "tuning": 14.1, "editing": 4.6},
        "reconstruction_psnr": 31.4,
        "inner_steps": 212,
        "inversion_reused": False,
        "attempts": 1,
    },
}

MODEL: dict[str, Any] = {
    "id": "zoo",
    "object": "model",
    "default": True,
    "native_size": {"width": 64, "height": 64},
    "licence": "Apache-2.0",
    "default_parameters": {"num_inference_steps": 50, "guidance_scale": 7.5},
    "presets": {
        "non_rigid": {
            "interpolation": 0.7,
            "self_attention_until": 0.4,
            "cross_attention_until": 0.6,
        }
    },
}

EVENTS: list[tuple[str, str, dict[str, Any]]] = [
    ("1767605400120-0", "status", {"status": "queued", "stage": None, "progress": 0.0}),
    ("1767605400480-0", "status", {"status": "running", "stage": "loading", "progress": 0.0}),
    ("1767605402910-0", "progress", {"stage": "tuning", "progress": 0.21}),
    (
        "1767605419020-0",
        "preview",
        {"interpolation": 0.7, "progress": 0.88, "image": "data:image/webp;base64,UklGR…"},
    ),
    ("1767605421730-0", "done", {"status": "succeeded", "edit": EDIT}),
]

EVENT_LINES = "".join(
    f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\nid: {event_id}\n\n"
    for event_id, kind, data in EVENTS
)

_RUNNING: dict[str, Any] = {
    **QUEUED,
    "status": "running",
    "stage": "loading",
    "started_at": "2026-01-05T09:30:00.480Z",
    "queue_position": None,
}
_ENDED: dict[str, Any] = {**_RUNNING, "stage": None, "completed_at": "2026-01-05T09:30:21.730Z"}
_ERROR = {
    "type": "/docs/problems/out_of_memory",
    "title": "Out of memory",
    "status": 503,
    "detail": "The worker's device has no room for this edit. Ask for fewer outputs or try again "
    "later.",
    "code": "out_of_memory",
}
_TOLD: dict[str, dict[str, Any]] = {
    "edit.started": _RUNNING,
    "edit.progress": {**_RUNNING, "stage": "editing", "progress": 0.8},
    "edit.succeeded": EDIT,
    "edit.failed": {**_ENDED, "status": "failed", "error": _ERROR},
    "edit.canceled": {**_ENDED, "status": "canceled"},
}
HOOKS: dict[str, dict[str, Any]] = {
    event: {"type": event, "timestamp": "2026-01-05T09:30:21.730Z", "data": edit}
    for event, edit in _TOLD.items()
}

DELIVERY: dict[str, Any] = {
    "id": f"msg_{_ID.removeprefix('edit_')}_succeeded",
    "object": "delivery",
    "type": "edit.succeeded",
    "url": "https://hooks.example/baret",
    "created_at": "2026-01-05T09:30:21.730Z",
    "status": "delivered",
    "next_attempt_at": None,
    "attempts": [
        {"at": "2026-01-05T09:30:21.9Z", "seconds": 15.0, "status": None, "error": "timeout"},
        {"at": "2026-01-05T09:30:41.8Z", "seconds": 0.12, "status": 204, "error": None},
    ],
}

SECRET: dict[str, Any] = {
    "object": "webhook_secret",
    "secret": "whsec_…",
    "previous_expires_at": None,
}
