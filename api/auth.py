"""Who calls, how often they may, and where a service without keys may listen.

Without any key everybody is the same caller, and the service listens on loopback alone. From the
first key on each caller has one; keys that replace one another speak for the same caller.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.problems.errors import RateLimited, Unauthenticated
from api.server.middleware import add_headers
from api.server.origins import check_origin
from api.services import Services, ServicesDep
from core.access.api_keys import ApiKey, Keyring
from core.access.rate_limiter import WINDOW_SECONDS, Allowance
from core.errors import StoreFull, StoreUnavailable
from core.settings import Settings

ANONYMOUS = "local"  # the one caller of a service without keys

_bearer = HTTPBearer(
    scheme_name="key",
    bearerFormat="baret_sk_…",
    description="Made by the operator with `baret keys create`. A service without any key, which "
    "listens on loopback alone, asks for none.",
    auto_error=False,
)
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


@dataclass(frozen=True)
class Caller:
    """A request that may be served: whose edits it sees, and how many of them may be in flight."""

    caller: str
    max_in_flight: int = 0  # 0: any number


def authenticate(request: Request, services: ServicesDep, bearer: Bearer) -> Caller:
    """Check a request's key and count the request.

    Raises:
        Unauthenticated: it has none although one is needed.
        Forbidden: none is needed, and it comes from a foreign web page.
        KeyRefused: it has one that is not valid.
        RateLimited: the key has made too many requests.
    """
    if not services.keys.configured() and may_be_open(services.settings):
        check_origin(request, services.settings)
        return Caller(ANONYMOUS)
    if bearer is None:
        raise Unauthenticated("Send a key: `Authorization: Bearer baret_sk_…`.")
    key = services.keys.authenticate(bearer.credentials)
    _count(request, services, key)
    return Caller(key.caller, key.edits_in_flight or services.settings.edits_per_key)


CallerDep = Annotated[Caller, Depends(authenticate)]


async def caller_name(caller: CallerDep) -> str:
    """The caller that a request comes from; async, for else FastAPI takes a thread to call it."""
    return caller.caller


CallerNameDep = Annotated[str, Depends(caller_name)]


def _count(request: Request, services: Services, key: ApiKey) -> None:
    quota = key.requests_per_minute or services.settings.requests_per_minute
    try:
        allowance = services.rates.take(key.id, quota)
    except StoreFull:  # no edit is accepted then, and what reads and frees must go on
        return
    add_headers(request, rate_headers(allowance))
    if not allowance.allowed:
        raise RateLimited(
            f"The key has made {quota} requests within a minute.", retry_after=allowance.resets_in
        )


def rate_headers(allowance: Allowance) -> dict[str, str]:
    """Structured fields of draft-ietf-httpapi-ratelimit-headers-11."""
    return {
        "RateLimit-Policy": f'"requests";q={allowance.quota};w={WINDOW_SECONDS}',
        "RateLimit": f'"requests";r={allowance.remaining};t={allowance.resets_in}',
    }


def check_exposure(settings: Settings, keys: Keyring) -> None:
    """Refuse to listen where strangers could call a service that asks for no key.

    Raises:
        RuntimeError: the message says what to do.
    """
    if may_be_open(settings):
        return
    try:
        if keys.configured():
            return
        why = "no key was made yet"
    except StoreUnavailable:
        why = "Redis, which would know whether there are keys, does not answer"
    raise RuntimeError(
        f"BARET_HOST={settings.host} is reachable from other machines, and {why}. Make a key "
        "(`baret keys create NAME`, with the same REDIS_URL or BARET_DATA_DIR), or listen on "
        "127.0.0.1, or set BARET_TRUSTED_NETWORK=true where a firewall or a container network "
        "protects the port."
    )


def may_be_open(settings: Settings) -> bool:
    """Whether strangers cannot reach the port, so that no key is needed while there is none."""
    return settings.trusted_network or _is_loopback(settings.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
