"""Which web pages of other origins may read answers: those that send a key, and none without keys.

A key travels in a header that a page sets itself, never in a cookie, so a page can use no key but
the one it has. A service without keys answers no foreign page (`api.server.origins`).
"""

from collections.abc import Collection

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from api.server.headers import (
    IDEMPOTENT_REPLAYED,
    RATE_LIMIT,
    RATE_LIMIT_POLICY,
    REQUEST_ID,
)
from api.server.normalize import route_path
from core.access.api_keys import Keyring
from core.errors import StoreUnavailable

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")
# Those that scripts may read besides the ones that they always may (Fetch, 2.2.6).
EXPOSED = (
    *("Location", "ETag", "Retry-After", "Preference-Applied", "WWW-Authenticate", "Allow"),
    *(IDEMPOTENT_REPLAYED, RATE_LIMIT, RATE_LIMIT_POLICY, REQUEST_ID, "Accept-Encoding", "Vary"),
)
MAX_AGE = 7200  # seconds that a browser may keep a preflight's answer; Chrome keeps none longer


class KeyedCors:
    """Adds CORS headers once the service has keys, and answers preflights then."""

    def __init__(self, app: ASGIApp, *, keys: Keyring, origins: Collection[str]):
        """Wrap an application.

        Args:
            app: the application.
            keys: of the service.
            origins: those whose pages are allowed; empty for all.
        """
        self._app, self._keys = app, keys
        self._cors = CORSMiddleware(
            app,
            allow_origins=origins or ("*",),
            allow_methods=METHODS,
            allow_headers=("*",),  # those that are asked for: no cookie makes them dangerous
            expose_headers=EXPOSED,
            max_age=MAX_AGE,
        )
        self._has_keys = False  # once true, always true

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is not None and _is_for_programs(scope) and await self._allows(origin):
            await self._cors(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _allows(self, origin: str) -> bool:
        if not self._has_keys:
            try:
                self._has_keys = await run_in_threadpool(self._keys.configured)
            except StoreUnavailable:
                return False
        return self._has_keys and self._cors.is_allowed_origin(origin)


def _is_for_programs(scope: Scope) -> bool:
    path = route_path(scope)
    return path.startswith("/v1/") or path == "/openapi.json"
