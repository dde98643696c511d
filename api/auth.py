"""Who calls, how often they may, and where a service without keys may listen.

As long as no key exists, everyone is the same caller and the service listens on loopback only. Once
there is a key, every caller needs one; a key that replaces another belongs to the same caller. A
user token takes a key's place for one of the caller's users, and may do less.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from api.problems.errors import Forbidden, RateLimited, Unauthenticated
from api.server.headers import EXTRA_HEADERS, RATE_LIMIT, RATE_LIMIT_POLICY, add_headers
from api.server.origins import check_origin, is_loopback
from api.server.query import check_query, is_spelled
from api.server.shares import ANONYMOUS
from api.services import Services, ServicesDep
from core.access.api_keys import ApiKey, Keyring
from core.access.credentials import hash_of
from core.access.rate_limiter import WINDOW_SECONDS, Allowance
from core.access.user_tokens import TOKEN_PREFIX, UserToken
from core.errors import StoreFull, StoreUnavailable
from core.schema import owner_of
from core.settings import Settings

_bearer = HTTPBearer(
    scheme_name="key",
    bearerFormat="baret_sk_…",
    description="A key, created by the operator with `baret keys create`, or a token, created from "
    "a key for one user with `POST /v1/tokens`. A service without keys listens on loopback only "
    "and requires none.",
    auto_error=False,
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


@dataclass(frozen=True)
class Caller:
    """The caller of an authenticated request."""

    name: str  # of the key's caller, whose limits hold
    max_in_flight: int = 0  # edits; 0 for no limit
    key_id: str = ""  # of the key; empty for a service without keys
    token: UserToken | None = None  # if the request came with one in the key's place
    reads_metrics: bool = False  # whether it may see figures of the whole service

    @property
    def user(self) -> str | None:
        """The one user of the caller that the request is limited to."""
        return self.token.user if self.token else None

    @property
    def owner(self) -> str:
        """Whose edits the request makes and sees."""
        return owner_of(self.name, self.user)


async def authenticate(request: Request, services: ServicesDep, bearer: Bearer) -> Caller:
    """Check a request's key or user token.

    Raises:
        as `_authenticate`.
    """
    try:
        caller = await run_in_threadpool(_authenticate, request, services, bearer)
    except RateLimited as error:
        if bearer is not None:
            headers = dict(request.scope[EXTRA_HEADERS])
            services.over_quota.note(hash_of(bearer.credentials), error, headers)
        raise
    if bearer is not None and caller.name != ANONYMOUS:
        services.known_senders.note(hash_of(bearer.credentials))
    return caller


def _authenticate(
    request: Request, services: Services, bearer: HTTPAuthorizationCredentials | None
) -> Caller:
    """Check a request's key or user token, and count the request as one of the key's.

    Raises:
        Unauthenticated: a key is required, but was not sent.
        Forbidden: no key is required, and the request comes from a foreign web page.
        KeyRefused: the key, the token or the token's key is not valid.
        RateLimited: the key has made too many requests.
        ValidationFailed: the operation has no such query parameter.
    """
    if not services.keys.configured() and may_be_open(services.settings):
        check_origin(request, services.settings)
        check_query(request)
        request.state.key_id = ""
        return Caller(ANONYMOUS, reads_metrics=True)
    if bearer is None:
        raise Unauthenticated("Send a key: `Authorization: Bearer baret_sk_…`.")
    token = None
    if bearer.credentials.startswith(TOKEN_PREFIX):
        token = services.user_tokens.authenticate(bearer.credentials)
        key = services.keys.use(token.key)
    else:
        key = services.keys.authenticate(bearer.credentials)
    _count(request, services, key)
    check_query(request)
    request.state.key_id = key.id  # what is signed for this answer is signed for this key
    max_in_flight = key.edits_in_flight or services.settings.edits_per_key
    return Caller(key.caller, max_in_flight, key.id, token, key.metrics and token is None)


CallerDep = Annotated[Caller, Depends(authenticate)]


async def owner_name(caller: CallerDep) -> str:
    """Return whose edits the request sees. Async: FastAPI runs plain functions in a thread."""
    return caller.owner


OwnerDep = Annotated[str, Depends(owner_name)]


async def key_holder(caller: CallerDep) -> Caller:
    """Return the caller of a request that user tokens may not make.

    Raises:
        Forbidden: it came with one.
    """
    if caller.token is not None:
        raise Forbidden("A token makes edits and sees its user's alone. Send a key for this.")
    return caller


KeyHolderDep = Annotated[Caller, Depends(key_holder)]


async def check_metrics(caller: KeyHolderDep) -> None:
    """Check that a caller may see figures of the whole service, all callers' together.

    Raises:
        Forbidden: its key was not created for this, or it came with a token.
    """
    if not caller.reads_metrics:
        raise Forbidden(
            "This key does not read figures of the whole service. The operator creates one that "
            "does with `baret keys create NAME --metrics`."
        )


@dataclass(frozen=True)
class EventReader:
    """Who follows an edit's events."""

    caller: str | None  # whose edit it must be; None: the ticket names the edit
    key_id: str  # of the key, or of the one that the ticket was issued to; empty for none
    ticket: str = ""


async def event_reader(
    request: Request,
    edit_id: str,
    services: ServicesDep,
    bearer: Bearer,
    ticket: Annotated[
        str, Query(description="of the edit's `urls.events`; takes the place of a key")
    ] = "",
) -> EventReader:
    """Return who follows an edit's events, by a key or by a ticket.

    Raises:
        Unauthenticated: the ticket is not valid.
        KeyRevoked: the ticket was issued to a key that has been revoked.
        as `authenticate`, if there is a key, or no ticket.
    """
    if ticket and bearer is None:
        key_id = await run_in_threadpool(_key_of_ticket, request, services, ticket, edit_id)
        if key_id is not None:
            check_query(request)
            return EventReader(None, key_id, ticket)
    caller = await authenticate(request, services, bearer)
    return EventReader(caller.owner, caller.key_id)


def _key_of_ticket(request: Request, services: Services, ticket: str, edit_id: str) -> str | None:
    """Return the key that a ticket was issued to; None in a service without keys.

    Raises:
        Unauthenticated: the ticket is not valid.
        KeyRevoked: the key has been revoked.
    """
    if not services.keys.configured():
        return None
    key_id = services.signer.key_of(ticket, edit_id)
    if key_id is None or not is_spelled(request, f"/v1/edits/{edit_id}/events?ticket={ticket}"):
        raise Unauthenticated(
            "The ticket is not valid or has expired. Get the edit for a fresh one, or send a key."
        )
    services.keys.check(key_id)
    request.state.key_id = key_id
    return key_id


EventReaderDep = Annotated[EventReader, Depends(event_reader)]


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
    return settings.trusted_network or is_loopback(settings.host)
