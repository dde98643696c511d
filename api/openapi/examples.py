"""The example edit, queued and succeeded. A test checks the examples against the schema."""

from typing import Any

from core.schema import Params

_ID = "edit_019ab1f27c3a7d4e8a55c0de12345678"
_HOME = f"https://photos.example/v1/edits/{_ID}"

_PARAMS = Params.model_validate(
    {
        "preset": "non_rigid",
        "strength": 0.7,
        "self_attention_until": 0.4,
        "cross_attention_until": 0.6,
    }
).model_dump(mode="json")

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
    "priority": "interactive",
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
    "urls": {
        "self": _HOME,
        "cancel": f"{_HOME}/cancel",
        "events": f"{_HOME}/events?ticket=1767609000.5d41…",
    },
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
            "strength": 0.7,
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
            "detail": "Unknown to the model: “fence”. The image shows the nearest thing that it "
            "knows; try other words.",
            "words": ["fence"],
        }
    ],
    "metrics": {
        "queue_seconds": 0.36,
        "run_seconds": 7.25,
        "stage_seconds": {"loading": 0.1, "tuning": 4.7, "inverting": 0.9, "editing": 1.5},
        "reconstruction_psnr": 31.4,
        "inner_steps": 8,
        "inversion_reused": False,
        "attempts": 1,
    },
}

BATCH: dict[str, Any] = {
    "id": "batch_019ab1f27c3a7d4e8a55c0de87654321",
    "object": "batch",
    "status": "in_progress",
    "created_at": "2026-01-05T09:30:00Z",
    "started_at": "2026-01-05T09:30:00.600Z",
    "canceling_at": None,
    "completed_at": None,
    "deadline_at": "2026-01-12T09:30:00Z",
    "expires_at": None,
    "request_counts": {"total": 1000, "completed": 248, "failed": 2, "canceled": 0},
    "progress": 0.25,
    "eta_seconds": 1800.0,
    "blocked": None,
    "webhook_url": "https://hooks.example/baret",
    "metadata": {"campaign": "spring"},
    "urls": {
        "self": "https://baret.example/v1/batches/batch_019ab1f27c3a7d4e8a55c0de87654321",
        "cancel": "https://baret.example/v1/batches/batch_019ab1f27c3a7d4e8a55c0de87654321/cancel",
        "results": "https://baret.example/v1/batches/batch_019ab1f27c3a7d4e8a55c0de87654321/results",
    },
}
