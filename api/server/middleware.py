"""Around every request: its id, its log line, and a 500 that reveals no internals."""

import re
import time
import uuid
from http import HTTPStatus

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems.errors import Overloaded, RateLimited
from api.problems.handlers import expected_response, problem_response
from api.problems.types import INTERNAL_ERROR, INVALID_REQUEST
from api.server.admission_slot import enter_admission, leave_admission
from api.server.headers import EXTRA_HEADERS, IS_HEAD, REQUEST_ID
from api.server.metrics import method_of, route_of
from api.server.normalize import route_path
from core.telemetry.logs import get_logger
from core.telemetry.redaction import redact
from core.telemetry.tracer import OnResponse, Tracer

_ACCEPTED_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
# Probes and images are requested often, and their log lines would say little.
_PROBES = ("/healthz", "/readyz", "/metrics")
_SILENT = (*_PROBES, "/v1/files/")
_KEYED = ("/v1/", "/metrics")  # answers depend on the key
_SIGNED = "/v1/files/"  # answers depend on the address alone, and say themselves how long they hold
_SENDS_UPLOAD = "PUT"  # to a signed address, too

MAX_DROPPED = 100_000_000  # bytes of a body that may still arrive after its answer
MAX_LOGGED = 500  # characters of a method or path; callers can make them very long

log = get_logger("baret.api")


class RequestMiddleware:
    """Gives each request an id (the caller's own if it is plain text) and logs one line."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        own_id = Headers(scope=scope).get(REQUEST_ID, "")
        acceptable = _ACCEPTED_ID.fullmatch(own_id) and redact(own_id) == own_id
        request_id = own_id if acceptable else uuid.uuid4().hex
        tracer: Tracer = scope["app"].state.services.tracer
        if route_path(scope) in _PROBES:
            tracer = Tracer()
        with (
            structlog.contextvars.bound_contextvars(request_id=request_id),
            tracer.request(method_of(scope), Headers(scope=scope)) as answered,
        ):
            await self._serve(scope, receive, send, request_id=request_id, answered=answered)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, *, request_id: str, answered: OnResponse
    ) -> None:
        started = time.monotonic()
        status = 0
        extra = scope.setdefault(EXTRA_HEADERS, {})
        body = _BodyWatch(Headers(scope=scope), receive)
        method = scope["method"]
        scope[IS_HEAD] = method == "HEAD"
        if scope[IS_HEAD]:
            scope["method"] = "GET"
            send = _bodiless(send)

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                leave_admission(scope)  # before the client decides how long this takes
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                headers.update(extra)
                _keep_private(scope, headers)
                if body.may_never_end:
                    headers["Connection"] = "close"
            await send(message)

        try:
            if _is_ambiguous(Headers(scope=scope)):
                await _refuse_ambiguous(scope, receive, send_with_id)
                return
            if _counts_for_key(scope):
                await _wait_for_turn(scope, body.receive)
            await self._app(scope, body.receive, send_with_id)
        except (RateLimited, Overloaded) as error:  # others are answered inside
            await expected_response(Request(scope), error)(scope, receive, send_with_id)
        except ClientDisconnect:
            log.info("client disconnected")
        except Exception:
            log.exception("unexpected error")
            if status:  # The answer has begun; only the server can cut it off now.
                raise
            problem = problem_response(Request(scope), INTERNAL_ERROR, INTERNAL_ERROR.help)
            await problem(scope, receive, send_with_id)
        finally:
            leave_admission(scope)
            seconds = time.monotonic() - started
            scope["method"] = method
            scope["app"].state.metrics.count(scope, status, seconds)
            answered(route_of(scope), status)
            _log_line(scope, status, seconds)


def _keep_private(scope: Scope, headers: MutableHeaders) -> None:
    """Let no cache give an answer to another caller, or after it has been deleted."""
    path = route_path(scope)
    if path.startswith(_KEYED) and not path.startswith(_SIGNED):
        headers.setdefault("Cache-Control", "private, no-cache")
        headers.add_vary_header("Authorization")


def _counts_for_key(scope: Scope) -> bool:
    """Return whether a request with a key is one of those that the key may make in a minute."""
    path = route_path(scope)
    is_signed = path.startswith(_SIGNED) or scope["method"] == _SENDS_UPLOAD
    return path.startswith(_KEYED) and not is_signed


async def _wait_for_turn(scope: Scope, receive: Receive) -> None:
    """Wait until a request may compute.

    Raises:
        as `OverQuota.check` and `enter_admission`.
    """
    services = scope["app"].state.services
    await services.over_quota.check(scope)
    await enter_admission(
        scope,
        receive,
        shares=services.shares,
        known_senders=services.known_senders,
        over_quota=services.over_quota,
    )


def _bodiless(send: Send) -> Send:
    """Return a `send` for HEAD: the head that GET would get, and nothing more (RFC 9110, 9.3.2).

    The answer is complete with its head, so a stream of events ends at once.
    """

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head


class _BodyWatch:
    """Watches how much of a request's body is still to come.

    The server reads and drops what a client still sends after its answer. That helps clients that
    read no answer before they have sent everything, but some clients never finish sending.
    """

    def __init__(self, headers: Headers, receive: Receive):
        length = headers.get("content-length", "0")
        self._bounded = length.isdecimal() and int(length[:20]) <= MAX_DROPPED
        self._bounded &= "transfer-encoding" not in headers
        self._receive = receive
        self._ended = False

    async def receive(self) -> Message:
        """Receive the next ASGI message."""
        message = await self._receive()
        self._ended |= not message.get("more_body", False)
        return message

    @property
    def may_never_end(self) -> bool:
        """Whether the rest of the body is very long, or has no stated length."""
        return not (self._ended or self._bounded)


def _is_ambiguous(headers: Headers) -> bool:
    """Return whether proxies may see a different end of the body (RFC 9112, 6.3).

    One side would take the rest of the body for the next request, perhaps someone else's.
    """
    return "transfer-encoding" in headers and "content-length" in headers


async def _refuse_ambiguous(scope: Scope, receive: Receive, send: Send) -> None:
    detail = "Send `Content-Length` or `Transfer-Encoding`, not both."
    close = {"Connection": "close"}
    problem = problem_response(Request(scope), INVALID_REQUEST, detail, headers=close)
    await problem(scope, receive, send)


def _log_line(scope: Scope, status: int, seconds: float) -> None:
    # As sent, percent-encoded: a path cannot break out of its line.
    path = scope.get("raw_path", b"")[:MAX_LOGGED].decode("ascii", "replace")
    if route_path(scope).startswith(_SILENT):
        return
    method = scope["method"][:MAX_LOGGED]
    # Clients poll, so a successful GET or HEAD is logged for debugging only.
    write = log.debug if method in ("GET", "HEAD") and status < HTTPStatus.BAD_REQUEST else log.info
    write("request", method=method, path=path, status=status, ms=round(seconds * 1000))
