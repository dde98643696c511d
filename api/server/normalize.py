"""What proxies send differently, brought into one form before anything looks at a request."""

import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)


class NormalizedRequests:
    """An ASGI application whose requests have a plain path and one forwarded scheme."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            headers = MutableHeaders(scope=scope)
            _make_origin_form(scope, headers)
            _keep_first_scheme(headers)
        await self._app(scope, receive, send)


class BelowRoot:
    """An ASGI application below the path of the public address, which a proxy drops or leaves.

    Its requests are copies: the server itself looks at the method and path of its own.
    """

    def __init__(self, app: ASGIApp, *, root: str):
        self._app, self._root = app, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with a path that begins with the root's, as ASGI has it."""
        if scope["type"] == "http":
            scope, path = {**scope, "root_path": self._root}, scope["path"]
            if path == self._root:  # without its slash
                scope |= {"path": f"{path}/", "raw_path": scope["raw_path"] + b"/"}
            elif not path.startswith(f"{self._root}/"):
                scope["path"] = self._root + path
                scope["raw_path"] = self._root.encode() + scope["raw_path"]
        await self._app(scope, receive, send)


def route_path(scope: Scope) -> str:
    """Return a request's path below the root."""
    path: str = scope["path"]
    return path.removeprefix(scope["root_path"])


def _make_origin_form(scope: Scope, headers: MutableHeaders) -> None:
    """Turn `GET http://host/path` into `GET /path` to that host (RFC 9112, 3.2.2).

    Its host replaces the Host header. Its scheme says nothing about this connection.
    """
    match = _ABSOLUTE.match(scope["raw_path"])
    if match is None:
        return
    scope["raw_path"] = scope["raw_path"][match.end() :] or b"/"
    scope["path"] = re.sub(r"(?i)^https?://[^/?#]*", "", scope["path"]) or "/"
    headers["host"] = match[1].decode("ascii", "replace")


def _keep_first_scheme(headers: MutableHeaders) -> None:
    """Keep the first of several forwarded schemes: each proxy in a row adds its own."""
    schemes = ",".join(headers.getlist("x-forwarded-proto"))
    if schemes:
        headers["x-forwarded-proto"] = schemes.partition(",")[0].strip().lower()
