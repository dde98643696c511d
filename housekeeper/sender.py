"""One attempt at a webhook: Standard Webhooks 1.0.0, to public addresses only."""

import asyncio
import time
from datetime import UTC, datetime
from http import HTTPStatus

import httpx
from standardwebhooks import Webhook

from core.errors import AddressNotAllowed, BatchNotFound, EditUnavailable, StoreDamaged
from core.images.signed_urls import LinkSigner
from core.outbound.ip_policy import IpPolicy, check_url
from core.schema import BatchEvent, WebhookEvent
from core.store.batches import Batches
from core.store.edits import EditStore
from core.webhooks.queue import Delivery, Outcome
from core.webhooks.schema import DeliveryAttempt, DeliveryError, DeliveryStatus
from core.webhooks.secrets import HookSecrets
from housekeeper.payload import batch_webhook_body, webhook_body
from housekeeper.retry import FINAL_ERRORS, retry_after

TIMEOUT = 15.0  # seconds, for a whole attempt

# Why there is no response, by the error; the first that fits.
_REASONS: dict[type[Exception], DeliveryError] = {
    EditUnavailable: DeliveryError.EDIT_GONE,
    BatchNotFound: DeliveryError.EDIT_GONE,
    StoreDamaged: DeliveryError.EDIT_GONE,
    AddressNotAllowed: DeliveryError.URL_NOT_ALLOWED,
    TimeoutError: DeliveryError.TIMEOUT,
    httpx.TimeoutException: DeliveryError.TIMEOUT,
    httpx.RemoteProtocolError: DeliveryError.INVALID_ANSWER,
    httpx.HTTPError: DeliveryError.UNREACHABLE,
    httpx.InvalidURL: DeliveryError.UNREACHABLE,
    UnicodeError: DeliveryError.UNREACHABLE,  # a name that IDNA rejects, such as xn--a.example
}


class WebhookSender:
    """Makes attempts and decides what follows from each; `core.webhooks.queue` stores it."""

    def __init__(
        self,
        store: EditStore,
        batches: Batches,
        secrets: HookSecrets,
        client: httpx.AsyncClient,
        policy: IpPolicy,
        *,
        timeout: float = TIMEOUT,
    ):
        """Use what an attempt needs.

        Args:
            store: of the edits.
            batches: of the batches.
            secrets: the callers' signing secrets.
            client: connects to allowed addresses only.
            policy: which addresses are allowed.
            timeout: seconds for a whole attempt, however slowly the receiver's bytes arrive.
        """
        self._store, self._batches, self._secrets = store, batches, secrets
        self._client, self._policy, self._timeout = client, policy, timeout

    async def send(self, delivery: Delivery) -> Outcome:
        """Send a delivery once.

        Raises:
            StoreUnavailable: Redis does not answer; nothing was sent.
        """
        at, started = datetime.now(UTC), time.monotonic()
        result = await self._post(delivery)
        response = result if isinstance(result, httpx.Response) else None
        error = None if isinstance(result, httpx.Response) else result
        pause = None
        if delivery.type is not WebhookEvent.PROGRESS and error not in FINAL_ERRORS:
            pause = retry_after(delivery.tries, response)
        return Outcome(
            DeliveryAttempt(
                at=at,
                seconds=round(time.monotonic() - started, 3),
                status=response.status_code if response is not None else None,
                error=error,
            ),
            _status(response, pause),
            retry_after=pause,
            gone=response is not None and response.status_code == HTTPStatus.GONE,
        )

    async def _post(self, delivery: Delivery) -> httpx.Response | DeliveryError:
        """Return the receiver's response, its body unread, or why there is none."""
        try:
            check_url(delivery.url, self._policy)
            body, headers = await asyncio.to_thread(self._signed, delivery)
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(
                    "POST", delivery.url, content=body, headers=headers
                ) as response,
            ):
                return response
        except tuple(_REASONS) as error:
            return next(reason for kind, reason in _REASONS.items() if isinstance(error, kind))

    def _signed(self, delivery: Delivery) -> tuple[bytes, dict[str, str]]:
        """Return a delivery's body and headers, signed with every secret that is valid now."""
        caller, body = self._body(delivery)
        now = datetime.now(UTC)
        signatures = [
            Webhook(secret).sign(delivery.id, now, body)
            for secret in self._secrets.signing(caller, now=now)
        ]
        headers = {
            "content-type": "application/json",
            "user-agent": "baret-webhooks",
            "webhook-id": delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return body.encode(), headers

    def _body(self, delivery: Delivery) -> tuple[str, str]:
        """Return whose edit or batch a delivery is about, and its body."""
        if isinstance(delivery.type, BatchEvent):
            batch = self._batches.get(delivery.subject_id)
            return batch.new.caller, batch_webhook_body(delivery, batch)
        record = self._store.get(delivery.subject_id)
        signer = LinkSigner(self._store.secret("links"))
        return record.submission.caller, webhook_body(delivery, record, signer)


def _status(response: httpx.Response | None, pause: float | None) -> DeliveryStatus:
    if response is not None and response.is_success:
        return DeliveryStatus.DELIVERED
    return DeliveryStatus.FAILED if pause is None else DeliveryStatus.PENDING
