"""Who calls, how often they may, and where a service without keys may listen.

As long as no key exists, everyone is the same caller and the service listens on loopback only. Once
there is a key, every caller needs one; a key that replaces another belongs to the same caller.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from api.problems.errors import RateLimited, Unauthenticated
from api.server.headers import RATE_LIMIT, RATE_LIMIT_POLICY, add_headers
from api.server.origins import check_origin
from api.server.query import check_query
from api.server.shares import ANONYMOUS, enter_admission, share_of
from api.services import Services, ServicesDep
from core.access.api_keys import ApiKey, Keyring, hash_of
from core.access.rate_limiter import WINDOW_SECONDS, Allowance
from core.errors import StoreFull, StoreUnavailable
from core.settings import Settings

UNKNOWN_TURNS = 64  # of an address, for keys that were not valid lately

_bearer = HTTPBearer(
    scheme_name="key",
    bearerFormat="baret_sk_…",
    description="Created by the operator with `baret keys create`. A service without keys listens "
    "on loopback only and requires none.",
    auto_error=False,
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


@dataclass(frozen=True)
class Caller:
    """The caller of an authenticated request."""

    name: str  # whose edits the request sees
    max_in_flight: int = 0  # edits; 0 for no limit


async def authenticate(request: Request, services: ServicesDep, bearer: Bearer) -> Caller:
    """Check a request's key and count the request, in turn with those of other callers.

    Raises:
        as `_authenticate`; RateLimited, Overloaded: too many requests wait for this.
    """
    sender = _sender(request, services, bearer)
    await enter_admission(request.scope, services.shares.admission, sender)
    caller = await run_in_threadpool(_authenticate, request, services, bearer)
    if bearer is not None and caller.name != ANONYMOUS:
        services.known_senders.note(hash_of(bearer.credentials))
    return caller


def _sender(
    request: Request, services: Services, bearer: HTTPAuthorizationCredentials | None
) -> str:
    """Return whose turn a request takes before its key is checked.

    A key that was valid lately has its own. Others share the few turns of their address: made-up
    keys must not each have one.
    """
    address = share_of(request, ANONYMOUS)
    if bearer is None:
        return address
    sender = hash_of(bearer.credentials)
    known = sender in services.known_senders
    return sender if known else f"{address} {int(sender, 16) % UNKNOWN_TURNS}"


def _authenticate(
    request: Request, services: Services, bearer: HTTPAuthorizationCredentials | None
) -> Caller:
    """Check a request's key and count the request.

    Raises:
        Unauthenticated: a key is required, but was not sent.
        Forbidden: no key is required, and the request comes from a foreign web page.
        KeyRefused: the key is not valid.
        RateLimited: the key has made too many requests.
        ValidationFailed: the operation has no such query parameter.
    """
    if not services.keys.configured() and may_be_open(services.settings):
        check_origin(request, services.settings)
        check_query(request)
        return Caller(ANONYMOUS)
    if bearer is None:
        raise Unauthenticated("Send a key: `Authorization: Bearer baret_sk_…`.")
    key = services.keys.authenticate(bearer.credentials)
    _count(request, services, key)
    check_query(request)
    return Caller(key.caller, key.edits_in_flight or services.settings.edits_per_key)


CallerDep = Annotated[Caller, Depends(authenticate)]


async def caller_name(caller: CallerDep) -> str:
    """Return the caller's name. Async: FastAPI runs plain functions in a thread."""
    return caller.name


CallerNameDep = Annotated[str, Depends(caller_name)]


async def follower_name(
    request: Request,
    edit_id: str,
    services: ServicesDep,
    bearer: Bearer,
    ticket: Annotated[
        str, Query(description="of the edit's `urls.events`; takes the place of a key")
    ] = "",
) -> str | None:
    """Return the caller that follows an edit's events; None for a client with a ticket.

    Raises:
        Unauthenticated: the ticket is not valid.
        as `authenticate`, if there is a key, or no ticket.
    """
    if ticket and bearer is None:
        sender = share_of(request, ANONYMOUS)
        async with services.shares.admission.slot(sender):
            is_accepted = await run_in_threadpool(_accept_ticket, services, ticket, edit_id)
        if is_accepted:
            check_query(request)
            return None
    return (await authenticate(request, services, bearer)).name


def _accept_ticket(services: Services, ticket: str, edit_id: str) -> bool:
    """Return whether the ticket takes the place of a key: not in a service without keys.

    Raises:
        Unauthenticated: it is not valid.
    """
    if not services.keys.configured():
        return False
    if not services.signer.accepts(ticket, edit_id):
        raise Unauthenticated(
            "The ticket is not valid or has expired. Get the edit for a fresh one, or send a key."
        )
    return True


FollowerNameDep = Annotated[str | None, Depends(follower_name)]


def _count(request: Request, services: Services, key: ApiKey) -> None:
    quota = key.requests_per_minute or services.settings.requests_per_minute
    try:
        allowance = services.rate_limiter.take(key.id, quota)
    except StoreFull:  # no edits are accepted then, but reading and deleting must still work
        return
    add_headers(request, rate_headers(allowance))
    if not allowance.allowed:
        raise RateLimited(
            f"This key has made {quota} requests within a minute, its maximum.",
            retry_after=allowance.resets_in,
        )


def rate_headers(allowance: Allowance) -> dict[str, str]:
    """Return the structured fields of draft-ietf-httpapi-ratelimit-headers-11."""
    return {
        RATE_LIMIT_POLICY: f'"requests";q={allowance.quota};w={WINDOW_SECONDS}',
        RATE_LIMIT: f'"requests";r={allowance.remaining};t={allowance.resets_in}',
    }


def check_exposure(settings: Settings, keys: Keyring) -> None:
    """Refuse to listen where strangers could call a service without keys.

    Raises:
        RuntimeError: the message says what to do.
    """
    if may_be_open(settings):
        return
    try:
        if keys.configured():
            return
        reason = "no key exists yet"
    except StoreUnavailable:
        reason = "Redis, which stores the keys, does not answer"
    raise RuntimeError(
        f"BARET_HOST={settings.host} is reachable from other machines, and {reason}. Create a key "
        "(`baret keys create NAME`, with the same REDIS_URL or BARET_DATA_DIR), or listen on "
        "127.0.0.1, or set BARET_TRUSTED_NETWORK=true if a firewall or a container network "
        "protects the port."
    )


def may_be_open(settings: Settings) -> bool:
    """Return whether strangers cannot reach the port, so that the service may have no keys."""
    return settings.trusted_network or _is_loopback(settings.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
