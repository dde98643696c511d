"""When a webhook is tried again: the schedule, its jitter and the receiver's Retry-After."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from core.webhooks.schema import DeliveryError

# Seconds until the next attempt after the first, second, … (the schedule that Standard Webhooks
# recommends). An edit's webhook is tried once more often than this has pauses.
RETRY_SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.1

# Another attempt would fail in the same way.
FINAL_ERRORS = (DeliveryError.URL_NOT_ALLOWED, DeliveryError.EDIT_GONE)


def retry_after(tries: int, response: httpx.Response | None) -> float | None:
    """Return the seconds until the next attempt, or None if there is none.

    Args:
        tries: attempts made so far.
        response: the receiver's; None if it could not be reached.
    """
    if response is not None and (response.is_success or response.status_code == HTTPStatus.GONE):
        return None
    if tries > len(RETRY_SCHEDULE):
        return None
    pause = RETRY_SCHEDULE[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    requested = _retry_after_header(response) if response is not None else 0
    return max(pause, min(requested, RETRY_SCHEDULE[-1]))


def _retry_after_header(response: httpx.Response) -> float:
    """Return the seconds that `Retry-After` requests (RFC 9110, 10.2.3); 0 without a valid one."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return (parsedate_to_datetime(value).astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return 0
