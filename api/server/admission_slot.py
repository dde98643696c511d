"""A request's turn to compute, taken before it is routed or its key is looked at.

One event loop and one lock serve all requests, so those that compute at the same time slow each
other down. Few do; the others have cost no more than the reading of their head. What computes again
later, once a body has come or a list's turn, takes a turn of its own for that.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from fastapi.security.utils import get_authorization_scheme_param
from starlette.types import Receive, Scope

from api.server.disconnects import raise_if_disconnected
from api.server.fair_share import FairShare
from api.server.over_quota import OverQuota
from api.server.shares import ANONYMOUS, RecentSenders, Shares, share_of
from core.access.credentials import hash_of

# The key in a request's scope of its `AdmissionSlot`; a request that needs no key has none.
ADMISSION = "baret.admission"

UNKNOWN_TURNS = 64  # of an address, for keys that were not valid lately

# What a slot costs its sender's share, whatever it is used for: how long it is held says more of
# the others that compute meanwhile.
SLOT_SECONDS = 0.01


class AdmissionSlot:
    """A request's slot of admission, which it takes and gives back as it goes on."""

    def __init__(self, admission: FairShare, sender: str):
        self._admission, self._sender = admission, sender
        self._is_held = self._was_held = False

    async def take(self) -> bool:
        """Take the slot if it is not held, and return whether the request had to wait for it.

        Raises:
            RateLimited, Overloaded: too many requests wait for one.
        """
        if self._is_held:
            return False
        waits = not self._admission.try_acquire(self._sender)
        if waits:
            # What has begun goes first: it may hold slots of other pools, which others wait for.
            await self._admission.acquire(self._sender, is_first=self._was_held)
        self._is_held = self._was_held = True
        self._admission.charge(self._sender, SLOT_SECONDS)
        return waits

    def give_back(self) -> None:
        """Give the slot back, if it is held."""
        if self._is_held:
            self._is_held = False
            self._admission.release(self._sender)


async def enter_admission(
    scope: Scope,
    receive: Receive,
    *,
    shares: Shares,
    known_senders: RecentSenders,
    over_quota: OverQuota,
) -> None:
    """Take a slot of admission for a request, which holds it until `leave_admission`.

    Raises:
        RateLimited, Overloaded: too many requests wait for one, or the key was refused meanwhile.
        ClientDisconnect: the client has gone while its request waited.
    """
    request = Request(scope, receive)
    slot = scope[ADMISSION] = AdmissionSlot(shares.admission, _sender(request, known_senders))
    if await slot.take():
        # What changed while the request waited is looked at before it computes anything.
        await raise_if_disconnected(request)
        await over_quota.check(scope, is_held=False)


def leave_admission(scope: Scope) -> None:
    """Give back a request's slot of admission, before it waits for anything but Redis."""
    slot: AdmissionSlot | None = scope.get(ADMISSION)
    if slot is not None:
        slot.give_back()


@asynccontextmanager
async def computing(scope: Scope) -> AsyncIterator[None]:
    """Hold a slot of admission inside, for what a request computes after it has left.

    Raises:
        RateLimited, Overloaded: too many requests wait for one.
    """
    slot: AdmissionSlot | None = scope.get(ADMISSION)
    if slot is not None:
        await slot.take()
    try:
        yield
    finally:
        leave_admission(scope)


def _sender(request: Request, known_senders: RecentSenders) -> str:
    """Return whose turn a request takes before its key is checked.

    A key that was valid lately has its own. Others share the few turns of their address: made-up
    keys must not each have one.
    """
    address = share_of(request, ANONYMOUS)
    scheme, key = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer":
        return address
    sender = hash_of(key)
    return sender if sender in known_senders else f"{address} {int(sender, 16) % UNKNOWN_TURNS}"
