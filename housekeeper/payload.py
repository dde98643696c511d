"""A webhook's body: the edit or the batch as it stands, always under 20 kB."""

import json
from typing import Any

from core.images.signed_urls import LinkSigner
from core.schema import BatchRecord, Record
from core.serializer import batch_resource, edit_resource
from core.webhooks.queue import Delivery
from core.webhooks.schema import BatchWebhookBody, WebhookBody

MAX_BYTES = 20_000 - 1

# Fields that are emptied, in this order, until the body fits; each with its empty value. The
# edit's own resource has all of them.
OMISSIBLE: tuple[tuple[str, Any], ...] = (
    ("metadata", {}),
    ("warnings", []),
    ("prompt", ""),
    ("artifacts", None),
    ("outputs", []),
)
MAX_BASE_URL = 300  # characters: DNS names have at most 253, but a Host header may hold anything


def webhook_body(delivery: Delivery, record: Record, signer: LinkSigner) -> str:
    """Return the body of a delivery about an edit, as JSON."""
    base_url = _short(record.submission.base_url)
    data = edit_resource(record, signer=signer, base_url=base_url)
    body = WebhookBody(type=delivery.type, timestamp=delivery.created_at, data=data)
    return _fitting(body.model_dump(mode="json"))


def batch_webhook_body(delivery: Delivery, record: BatchRecord) -> str:
    """Return the body of a delivery about a batch, as JSON."""
    data = batch_resource(record, base_url=_short(record.new.base_url))
    body = BatchWebhookBody(type=delivery.type, timestamp=delivery.created_at, data=data)
    return _fitting(body.model_dump(mode="json"))


def _short(base_url: str) -> str:
    return base_url if len(base_url) <= MAX_BASE_URL else ""


def _fitting(body: dict[str, Any]) -> str:
    """Return a body as JSON, with as many fields emptied as it takes to fit."""
    del body["omitted"]
    omitted: list[str] = []
    for name, empty in OMISSIBLE:
        if len(_json(body).encode()) <= MAX_BYTES:
            break
        if name not in body["data"]:
            continue
        body["data"][name] = empty
        omitted.append(name)
        body["omitted"] = omitted
    return _json(body)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
