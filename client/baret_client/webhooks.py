"""Verification of webhooks, after Standard Webhooks 1.0.0."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from baret_client.errors import WebhookRejected
from baret_client.schema import Batch, EditData

TOLERANCE = 300.0  # seconds that a webhook's clock may differ from ours


@dataclass(frozen=True)
class WebhookEvent:
    """A webhook that the service sent."""

    id: str  # the same on every attempt: pass over one that was handled already
    # edit.started, edit.progress, edit.succeeded, edit.failed, edit.canceled; or of a batch's end:
    # batch.completed, batch.canceled, batch.expired
    type: str
    timestamp: datetime  # of the event
    data: EditData | Batch
    omitted: tuple[str, ...] = ()  # fields of `data` that were emptied to keep it small

    @property
    def edit(self) -> EditData:
        """The edit that it is about.

        Raises:
            TypeError: it is about a batch.
        """
        if not isinstance(self.data, EditData):
            raise TypeError(f"{self.type} is about a batch: read `batch`.")
        return self.data

    @property
    def batch(self) -> Batch:
        """The batch that it is about.

        Raises:
            TypeError: it is about an edit.
        """
        if not isinstance(self.data, Batch):
            raise TypeError(f"{self.type} is about an edit: read `edit`.")
        return self.data


def verify_webhook(
    headers: Mapping[str, str], body: bytes | str, secret: str, *, tolerance: float = TOLERANCE
) -> WebhookEvent:
    """Return a webhook's event if the service signed it, with this secret, a short time ago.

    Args:
        headers: of the request, in any case.
        body: of the request, exactly as it came: not parsed and written again.
        secret: `whsec_…`, as `client.webhooks.secret()` returns it.
        tolerance: seconds that its time may differ from this machine's.

    Raises:
        WebhookRejected: it is not signed with this secret, altered, or too old.
    """
    given = {name.lower(): value for name, value in headers.items()}
    data = body.encode() if isinstance(body, str) else body
    message, sent_at = given.get("webhook-id", ""), given.get("webhook-timestamp", "")
    signed = b".".join((message.encode(), sent_at.encode(), data))
    expected = hmac.new(_key_of(secret), signed, hashlib.sha256).digest()
    signatures = [_decoded(one) for one in given.get("webhook-signature", "").split()]
    if not any(hmac.compare_digest(expected, one) for one in signatures):
        raise WebhookRejected("The webhook is not signed with this secret.")
    if abs(time.time() - _seconds(sent_at)) > tolerance:
        raise WebhookRejected("The webhook is too old, or this machine's clock is wrong.")
    event = json.loads(data)
    kind = Batch if event["type"].startswith("batch.") else EditData
    return WebhookEvent(
        message,
        event["type"],
        datetime.fromisoformat(event["timestamp"]),
        kind.from_json(event["data"]),
        tuple(event.get("omitted") or ()),
    )


def _key_of(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError("A webhook secret begins with whsec_ and is base64.") from None


def _decoded(signature: str) -> bytes:
    """Return the bytes of a signature `v1,base64`; empty if it is of another kind."""
    version, _, encoded = signature.partition(",")
    if version == "v1":
        with suppress(binascii.Error):
            return base64.b64decode(encoded, validate=True)
    return b""


def _seconds(text: str) -> float:
    with suppress(ValueError):
        return float(text)
    raise WebhookRejected("The webhook has no valid time.")
