"""One attempt at a webhook: Standard Webhooks 1.0.0, to public addresses only."""

import asyncio
import json
import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx
from httpx_secure import SSRFProtectionError
from standardwebhooks import Webhook

from jobs.errors import AddressNotAllowed, EditGone
from jobs.links import LinkSigner
from jobs.net import check_url
from jobs.present import present
from jobs.settings import Network
from jobs.store import Delivery, EditStore

TIMEOUT = 15.0  # seconds, for a whole attempt

# Seconds until the next attempt after the first, second, … (Standard Webhooks' own schedule).
SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.1


def again_in(tries: int, answer: httpx.Response | None) -> float | None:
    """Seconds until the next attempt; None when there is none.

    Args:
        tries: attempts made so far.
        answer: what the receiver said; None where it could not be reached.
    """
    if answer is not None and (answer.is_success or answer.status_code == HTTPStatus.GONE):
        return None
    if tries > len(SCHEDULE):
        return None
    pause = SCHEDULE[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    wanted = _retry_after(answer) if answer is not None else 0
    return max(pause, min(wanted, SCHEDULE[-1]))


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the receiver wants to be left alone (RFC 9110, 10.2.3); 0 without a wish."""
    value = answer.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return (parsedate_to_datetime(value).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0


def signed_request(delivery: Delivery, store: EditStore) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a delivery.

    Raises:
        EditGone: the edit is gone; there is nothing to tell.
    """
    record = store.get(delivery.edit_id)
    signer = LinkSigner(store.secret("links"))
    edit = present(record, signer=signer, base_url=record.submission.base_url)
    body = json.dumps(
        {
            "type": delivery.type,
            "timestamp": delivery.created_at.isoformat().replace("+00:00", "Z"),
            "data": edit.model_dump(mode="json"),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
    now = datetime.now(UTC)
    hook = Webhook(store.secret(f"webhook:{record.submission.caller}"))
    headers = {
        "content-type": "application/json",
        "user-agent": "baret-webhooks",
        "webhook-id": delivery.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": hook.sign(delivery.id, now, body),
    }
    return body.encode(), headers


async def attempt(
    delivery: Delivery,
    store: EditStore,
    client: httpx.AsyncClient,
    networks: tuple[Network, ...],
    *,
    timeout: float = TIMEOUT,
) -> tuple[str, float | None]:
    """Send a delivery once.

    Args:
        delivery: as taken.
        store: of the edit.
        client: that connects to allowed addresses only.
        networks: opened although not public.
        timeout: seconds for all of it, however slowly the receiver's bytes drip.

    Returns:
        What came of it, for the log, and the seconds until the next attempt (None: none).
    """
    try:
        check_url(delivery.url, networks)
        body, headers = signed_request(delivery, store)
    except EditGone:
        return "the edit is gone", None
    except AddressNotAllowed:
        return "address not allowed", None
    try:
        async with (
            asyncio.timeout(timeout),
            client.stream("POST", delivery.url, content=body, headers=headers) as answer,
        ):
            return str(answer.status_code), again_in(delivery.tries, answer)
    except SSRFProtectionError:
        return "address not allowed", None
    # UnicodeError: a name that IDNA does not know, such as xn--a.example.
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, UnicodeError) as error:
        return type(error).__name__, again_in(delivery.tries, None)
