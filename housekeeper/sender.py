"""One attempt at a webhook: Standard Webhooks 1.0.0, to public addresses only."""

import asyncio
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx
from standardwebhooks import Webhook

from core.errors import AddressNotAllowed, EditUnavailable, StoreDamaged
from core.images.signed_urls import LinkSigner
from core.outbound.ip_policy import check_url
from core.schema import WebhookEvent
from core.settings import Network
from core.store.edits import EditStore
from core.webhooks.queue import Delivery, Outcome
from core.webhooks.schema import DeliveryAttempt, DeliveryError, DeliveryStatus
from core.webhooks.secrets import HookSecrets
from housekeeper.payload import hook_body

TIMEOUT = 15.0  # seconds, for a whole attempt

# Seconds until the next attempt after the first, second, … (Standard Webhooks' own schedule).
RETRY_SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.1

# Trying again changes nothing about these.
_FINAL = (DeliveryError.URL_NOT_ALLOWED, DeliveryError.EDIT_GONE)


def retry_after(tries: int, answer: httpx.Response | None) -> float | None:
    """Seconds until the next attempt; None when there is none.

    Args:
        tries: attempts made so far.
        answer: what the receiver said; None where it could not be reached.
    """
    if answer is not None and (answer.is_success or answer.status_code == HTTPStatus.GONE):
        return None
    if tries > len(RETRY_SCHEDULE):
        return None
    pause = RETRY_SCHEDULE[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    wanted = _retry_after(answer) if answer is not None else 0
    return max(pause, min(wanted, RETRY_SCHEDULE[-1]))


def _retry_after(answer: httpx.Response) -> float:
    """Seconds that the receiver wants to be left alone (RFC 9110, 10.2.3); 0 without a wish."""
    value = answer.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return (parsedate_to_datetime(value).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0


class Sender:
    """Makes attempts. It decides what comes of them; `core.webhooks.queue` keeps it."""

    def __init__(
        self,
        store: EditStore,
        secrets: HookSecrets,
        client: httpx.AsyncClient,
        networks: tuple[Network, ...],
        *,
        timeout: float = TIMEOUT,
    ):
        """Take what an attempt needs.

        Args:
            store: of the edits.
            secrets: of their callers.
            client: that connects to allowed addresses only.
            networks: opened although not public.
            timeout: seconds for all of an attempt, however slowly the receiver's bytes drip.
        """
        self._store, self._secrets = store, secrets
        self._client, self._networks, self._timeout = client, networks, timeout

    async def send(self, delivery: Delivery) -> Outcome:
        """Send a delivery once.

        Raises:
            StoreUnavailable: Redis does not answer; nothing was sent.
        """
        at, started = datetime.now(UTC), time.monotonic()
        answer = await self._answer(delivery)
        got = answer if isinstance(answer, httpx.Response) else None
        error = None if isinstance(answer, httpx.Response) else answer
        pause = None
        if delivery.type is not WebhookEvent.PROGRESS and error not in _FINAL:
            pause = retry_after(delivery.tries, got)
        return Outcome(
            DeliveryAttempt(
                at=at,
                seconds=round(time.monotonic() - started, 3),
                status=got.status_code if got is not None else None,
                error=error,
            ),
            _status(got, pause),
            retry_after=pause,
            gone=got is not None and got.status_code == HTTPStatus.GONE,
        )

    async def _answer(self, delivery: Delivery) -> httpx.Response | DeliveryError:
        """The receiver's answer, its body unread, or why there is none."""
        try:
            check_url(delivery.url, self._networks)
            body, headers = await asyncio.to_thread(self._signed, delivery)
        except (EditUnavailable, StoreDamaged):
            return DeliveryError.EDIT_GONE
        except AddressNotAllowed:
            return DeliveryError.URL_NOT_ALLOWED
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", delivery.url, content=body, headers=headers) as answer,
            ):
                return answer
        except AddressNotAllowed:
            return DeliveryError.URL_NOT_ALLOWED
        except (TimeoutError, httpx.TimeoutException):
            return DeliveryError.TIMEOUT
        # UnicodeError: a name that IDNA does not know, such as xn--a.example.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
            return DeliveryError.UNREACHABLE

    def _signed(self, delivery: Delivery) -> tuple[bytes, dict[str, str]]:
        """The body and headers of a delivery, signed with every secret that is valid now."""
        record = self._store.get(delivery.edit_id)
        body = hook_body(delivery, record, LinkSigner(self._store.secret("links")))
        now = datetime.now(UTC)
        signatures = [
            Webhook(secret).sign(delivery.id, now, body)
            for secret in self._secrets.signing(record.submission.caller, now=now)
        ]
        headers = {
            "content-type": "application/json",
            "user-agent": "baret-webhooks",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return body.encode(), headers


def _status(answer: httpx.Response | None, pause: float | None) -> DeliveryStatus:
    if answer is not None and answer.is_success:
        return DeliveryStatus.DELIVERED
    return DeliveryStatus.FAILED if pause is None else DeliveryStatus.PENDING
