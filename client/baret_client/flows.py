"""The logic that both clients share, written once.

A flow is a generator. It yields what is to be done, a request or a pause, is sent the answer, and
returns a result; httpx writes authentication the same way. `run` does what a flow yields with an
`httpx.Client`, `run_async` with an `httpx.AsyncClient`.
"""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, TypeVar

import httpx

from baret_client.errors import (
    EditCanceled,
    EditFailed,
    EditNotEnded,
    ProblemError,
    ServiceUnreachable,
    problem_class,
)
from baret_client.schema import EditData, Json, Problem
from baret_client.uploads import Upload

T = TypeVar("T")
OnProgress = Callable[[EditData], object]

MAX_WAIT = 60  # seconds that the service waits for an edit's end, at most
FIRST_PAUSE, MAX_PAUSE = 0.5, 60.0  # seconds between tries, if the service does not say how long
# Answers that a later try may not get: too early, too many, and those of servers in trouble. Every
# request can be sent again: an edit is created under an idempotency key.
RETRIED_STATUS = frozenset({429, 502, 503, 504})
RETRIED_CODES = frozenset({"idempotency_in_progress"})


@dataclass(frozen=True)
class Send:
    """A request."""

    method: str
    path: str  # below the service's address; or an absolute, signed address
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Json | None = None
    data: Mapping[str, str] | None = None
    content: bytes | None = None
    files: Mapping[str, tuple[str, bytes]] | None = None
    wait: float = 0.0  # seconds for which the service may hold the answer back

    def arguments(self, timeout: float) -> dict[str, Any]:
        """Return the arguments of `request` of httpx's clients."""
        given: dict[str, Any] = {
            "content": self.content,
            "data": self.data,
            "files": self.files,
            "json": self.json,
        }
        return {
            "method": self.method,
            "url": self.path,
            "params": self.params or None,  # an empty one would drop a signed address's own
            "headers": dict(self.headers),
            "timeout": httpx.Timeout(timeout, read=timeout + self.wait),
        } | {name: value for name, value in given.items() if value is not None}


class Pause(NamedTuple):
    """A pause."""

    seconds: float


Flow = Generator[Send | Pause, httpx.Response | None, T]


@dataclass(frozen=True)
class Settings:
    """What all requests of a client share."""

    api_key: str | None = field(default=None, repr=False)
    timeout: float = 30.0  # seconds for each part of a request: to connect, to send, to answer
    max_retries: int = 3

    @property
    def headers(self) -> dict[str, str]:
        """The header with the key. Signed addresses do not get it."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


def run(flow: Flow[T], http: httpx.Client, timeout: float) -> T:
    """Run a flow with a synchronous client."""
    try:
        step = next(flow)
        while True:
            try:
                answer = _do(step, http, timeout)
            except httpx.TransportError as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(flow: Flow[T], http: httpx.AsyncClient, timeout: float) -> T:
    """Run a flow with an asynchronous client."""
    try:
        step = next(flow)
        while True:
            try:
                answer = await _do_async(step, http, timeout)
            except httpx.TransportError as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def _do(step: Send | Pause, http: httpx.Client, timeout: float) -> httpx.Response | None:
    if isinstance(step, Send):
        return http.request(**step.arguments(timeout))
    time.sleep(step.seconds)
    return None


async def _do_async(
    step: Send | Pause, http: httpx.AsyncClient, timeout: float
) -> httpx.Response | None:
    if isinstance(step, Send):
        return await http.request(**step.arguments(timeout))
    await asyncio.sleep(step.seconds)
    return None


def request(send: Send, settings: Settings) -> Flow[httpx.Response]:
    """Send a request, again if that may help, and return the answer if it is a success.

    Raises:
        ServiceUnreachable: no answer came.
        ProblemError: the service refused.
    """
    tries = 0
    while True:
        pause = FIRST_PAUSE * 2**tries
        tries += 1
        last = tries > settings.max_retries
        try:
            response = yield send
        except httpx.TransportError as error:
            if last:
                raise unreachable(error) from error
        else:
            if response is None or response.is_success:
                return _answered(response)
            refusal = error_of(response)
            if last or not _may_help(refusal):
                raise refusal
            pause = refusal.retry_after or pause
        yield Pause(min(MAX_PAUSE, pause) * random.uniform(1.0, 1.1))


def _answered(response: httpx.Response | None) -> httpx.Response:
    if response is None:
        raise TypeError("A request was answered with a pause.")
    return response


def _may_help(refusal: ProblemError) -> bool:
    """Return whether the same request may succeed within a minute."""
    problem = refusal.problem
    temporary = problem.status in RETRIED_STATUS or problem.code in RETRIED_CODES
    return temporary and (refusal.retry_after or 0) <= MAX_PAUSE


def unreachable(error: httpx.TransportError) -> ServiceUnreachable:
    """Return our error for one of httpx's."""
    reason = str(error) or type(error).__name__
    try:
        origin = f"{error.request.url.scheme}://{error.request.url.netloc.decode()}"
    except RuntimeError:  # an error without a request
        origin = "The service"
    return ServiceUnreachable(f"{origin} does not answer: {reason}")


def error_of(response: httpx.Response) -> ProblemError:
    """Return the error for an answer that is not a success. Its body must have been read."""
    try:
        problem = Problem.from_json(response.json())
    except (ValueError, TypeError, KeyError, AttributeError):
        # From a proxy, or from something that is not this service.
        title = f"{response.request.url.host} answered {response.status_code}"
        problem = Problem(
            "", title, response.status_code, "It is not an answer of BARET. Check the address."
        )
    return problem_class(problem.code, response.status_code)(
        problem,
        retry_after=_retry_after(response),
        request_id=response.headers.get("X-Request-Id", ""),
    )


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of `Retry-After`, which may be a date."""
    text = response.headers.get("Retry-After", "")
    with suppress(ValueError):
        return max(0.0, float(text))
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return None


def call(
    settings: Settings,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    json: Json | None = None,
) -> Flow[Json]:
    """Send a request; return the JSON of the answer, empty if it has none."""
    send = Send(method, path, params or {}, settings.headers, json)
    response = yield from request(send, settings)
    data: Json = response.json() if response.content else {}
    return data


def create(
    settings: Settings,
    upload: Upload,
    fields: Mapping[str, Any],
    idempotency_key: str | None,
) -> Flow[Json]:
    """Create an edit. Every try has the same idempotency key, so that none makes a second edit.

    Args:
        settings: of the client.
        upload: the image.
        fields: `prompt`, `model`, `metadata` and parameters; None is left out.
        idempotency_key: None makes one.
    """
    headers = settings.headers | {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    given = {name: value for name, value in fields.items() if value is not None}
    if upload.file is None:
        send = Send("POST", "/v1/edits", headers=headers, json=given | upload.json)
    else:
        form = {name: v if isinstance(v, str) else json.dumps(v) for name, v in given.items()}
        files = {"image": upload.file}
        send = Send("POST", "/v1/edits", headers=headers, data=form, files=files)
    response = yield from request(send, settings)
    data: Json = response.json()
    return data


def wait(
    settings: Settings,
    edit_id: str,
    *,
    timeout: float | None,
    on_progress: OnProgress | None,
) -> Flow[Json]:
    """Wait until an edit succeeds.

    Args:
        settings: of the client.
        edit_id: the edit.
        timeout: seconds; None waits for as long as it takes.
        on_progress: called with the edit once a second.

    Raises:
        EditFailed, EditCanceled: it ended without images.
        EditNotEnded: it did not end in time.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    longest = 1 if on_progress else MAX_WAIT
    while True:
        left = longest if deadline is None else max(0.0, deadline - time.monotonic())
        held = min(longest, int(left + 0.999))
        send = Send(
            "GET", f"/v1/edits/{edit_id}", {"wait": held}, settings.headers, wait=float(held)
        )
        response = yield from request(send, settings)
        edit = EditData.from_json(response.json())
        if on_progress is not None:
            on_progress(edit)
        if edit.ended:
            return _succeeded(edit)
        if deadline is not None and time.monotonic() >= deadline:
            raise EditNotEnded(f"{edit_id} has not ended within {timeout:g} s.", edit)


def _succeeded(edit: EditData) -> Json:
    if edit.status == "failed":
        reason = f"{edit.error.title}. {edit.error.detail}" if edit.error else "No reason is known."
        raise EditFailed(reason, edit)
    if edit.status == "canceled":
        raise EditCanceled(f"{edit.id} was canceled.", edit)
    return edit.json


def image(
    settings: Settings, edit_id: str, *, strength: float | None, form: str | None
) -> Flow[bytes]:
    """Return the bytes of an output."""
    given = {"strength": strength, "format": form}
    params = {name: value for name, value in given.items() if value is not None}
    send = Send("GET", f"/v1/edits/{edit_id}/image", params, settings.headers)
    response = yield from request(send, settings)
    return response.content


def artifact(settings: Settings, edit_id: str, kind: str) -> Flow[bytes]:
    """Return the bytes of one of an edit's artifacts, at a fresh address.

    Raises:
        KeyError: the edit has none of this kind.
    """
    edit = EditData.from_json((yield from call(settings, "GET", f"/v1/edits/{edit_id}")))
    response = yield from request(Send("GET", edit.artifacts[kind]), settings)
    return response.content
