"""A webhook's body: the edit as it stands, in under 20 kB whatever the edit holds."""

import json
from typing import Any

from core.images.signed_urls import LinkSigner
from core.schema import Record
from core.serializer import edit_resource
from core.webhooks.queue import Delivery
from core.webhooks.schema import WebhookBody

MAX_BYTES = 20_000 - 1

# What gives way, in this order, and what is left of it. All of it is in the edit's own resource.
GIVES_WAY: tuple[tuple[str, Any], ...] = (
    ("metadata", {}),
    ("warnings", []),
    ("prompt", ""),
    ("artifacts", None),
    ("outputs", []),
)
MAX_BASE_URL = 300  # characters: DNS names have 253 at most, a Host header may say anything


def hook_body(delivery: Delivery, record: Record, signer: LinkSigner) -> str:
    """The body of a delivery, as JSON."""
    base_url = record.submission.base_url
    body = WebhookBody(
        type=delivery.type,
        timestamp=delivery.created_at,
        data=edit_resource(
            record, signer=signer, base_url=base_url if len(base_url) <= MAX_BASE_URL else ""
        ),
    ).model_dump(mode="json")
    del body["omitted"]
    omitted: list[str] = []
    for name, rest in GIVES_WAY:
        if len(_json(body).encode()) <= MAX_BYTES:
            break
        body["data"][name] = rest
        omitted.append(name)
        body["omitted"] = omitted
    return _json(body)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
