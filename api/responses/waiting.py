"""Waiting for an edit to end, in a share of what all callers may wait at once."""

import re

from fastapi import Request
from starlette.requests import ClientDisconnect

from api.auth import Caller
from api.server.admission_slot import leave_admission
from api.server.disconnects import unless_disconnected
from api.server.shares import share_of
from api.services import Services

_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)', re.IGNORECASE)


def preferred_wait(request: Request, *, at_most: int) -> int | None:
    """Return the seconds of `Prefer: wait=N` (RFC 7240), `at_most` so many; None without one."""
    match = _WAIT.search(",".join(request.headers.getlist("prefer")))
    return min(int(match[1]), at_most) if match else None


async def wait_for_end(
    services: Services, request: Request, edit_id: str, *, caller: Caller, seconds: float
) -> None:
    """Wait until an edit has ended, the time is over, or the client has gone.

    Raises:
        RateLimited, Overloaded: too many wait already.
        StoreUnavailable: Redis does not answer.
        KeyRevoked: the caller's key has been revoked meanwhile.
    """
    leave_admission(request.scope)
    async with services.shares.streams.slot(share_of(request, caller.name)):
        waiting = services.follower.wait_until_final(edit_id, seconds, key_id=caller.key_id)
        try:
            await unless_disconnected(request, waiting)
        except ClientDisconnect:
            return
