"""Accepting a parsed request as an edit on the queue; the cheapest checks come first."""

import base64
import binascii
import re
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from urllib.parse import unquote_to_bytes

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.auth import Caller
from api.problems.errors import FieldProblem, blame_field
from api.server.disconnects import unless_disconnected
from api.server.origins import base_url
from api.server.shares import ANONYMOUS, share_of
from api.services import Services
from api.submission.parsing import CreateEditRequest, ImageInput, ParsedSubmission
from core.broker.app import signal_waiting
from core.errors import (
    AddressNotAllowed,
    CoreError,
    EditUnavailable,
    FetchError,
    InputImageError,
    InvalidImage,
    NoWorker,
    SourceNotFound,
    StoreUnavailable,
    UnknownModel,
    UnknownPreset,
)
from core.ids import new_edit_id
from core.images.inspection import MAX_BYTES
from core.images.keys import INPUT
from core.outbound.ip_policy import check_url
from core.schema import InputImage, Model, Params, Submission
from core.store.idempotency import IdempotencyLock
from core.telemetry.logs import edit_log_context, get_logger

_SPACE = b" \t\r\n\f\v"
_STANDARD = bytes.maketrans(b"-_", b"+/")  # from the URL-safe alphabet of base64
_DATA_URL = re.compile(r"(?:data:[^,]{0,200}|[^,:]{0,200};\s{0,9}base64\s{0,9}),", re.IGNORECASE)

log = get_logger("baret.api")


async def accept_edit(
    parsed: ParsedSubmission,
    request: Request,
    services: Services,
    *,
    caller: Caller,
    lock: IdempotencyLock | None,
) -> Submission:
    """Accept the edit that a POST requests.

    Args:
        parsed: the validated body.
        request: for the address at which the caller reached the service.
        services: of the application.
        caller: who sent the request.
        lock: on the idempotency key that the edit is accepted under, if there is one.

    Returns:
        What was accepted, under the edit's new id.

    Raises:
        ApiError, CoreError: why the edit cannot be accepted.
        ClientDisconnect: the client has gone before it was.
    """
    fields = parsed.fields
    if fields.webhook_url is not None:
        with blame_field(parsed.pointer("webhook_url"), AddressNotAllowed):
            check_url(fields.webhook_url, services.settings.allow_networks)
    model = await run_in_threadpool(_model, services, fields)
    with blame_field(parsed.pointer("preset"), UnknownPreset):
        params = Params.resolve(fields.params, model.presets)
    share = share_of(request, caller.name)
    data, image = await unless_disconnected(
        request, _image(parsed, services, caller.name, share=share)
    )
    submission = Submission(
        id=new_edit_id(),
        created_at=datetime.now(UTC),
        caller=caller.name,
        base_url=base_url(request, services.settings),
        prompt=fields.prompt,
        model=model.id,
        params=params,
        metadata=fields.metadata,
        input=image,
        keep_seconds=services.settings.retention,
        traceparent=services.tracer.traceparent(),
    )
    with edit_log_context(submission.id):
        in_flight = caller.max_in_flight
        await run_in_threadpool(_submit, services, submission, data, in_flight=in_flight, lock=lock)
        log.info(
            "accepted",
            caller=caller.name,
            model=model.id,
            bytes=len(data),
            **image.model_dump(),
        )
    return submission


def _model(services: Services, fields: CreateEditRequest) -> Model:
    """Return the requested model, or the default one.

    Raises:
        StoreFull: no edit can be accepted, so the image need not be inspected.
        NoWorker: no model was ever announced.
        FieldProblem: the requested model was not announced.
    """
    services.store.check_writable()
    known = services.store.models()
    if not known:
        raise NoWorker("No worker has announced a model yet; start one and try again.")
    name = services.settings.model_name if fields.model is None else fields.model
    if fields.model is None and name not in known:
        # As in GET /v1/models: if the configured model is unknown, a live one is the default.
        name = services.default_model(services.store.live_models()) or name
    if name not in known:
        names = ", ".join(sorted(known))
        raise FieldProblem("/model", UnknownModel(f"No worker serves this model. Known: {names}."))
    return known[name]


async def _image(
    parsed: ParsedSubmission, services: Services, caller: str, *, share: str
) -> tuple[bytes, InputImage]:
    if parsed.fields.source is not None:
        with blame_field("/source", SourceNotFound):
            return await run_in_threadpool(_source, services, parsed.fields.source, caller)
    with blame_field("/image", InputImageError):
        data = parsed.upload or b""
        if parsed.fields.image is not None:
            image = parsed.fields.image
            with blame_field(parsed.image_pointer, FetchError):
                data = await _referenced_image(image, services, caller)
        inspect = partial(services.sandbox.inspect, data)
        return data, await services.shares.decoding.run(share, inspect)


def _source(services: Services, edit_id: str, caller: str) -> tuple[bytes, InputImage]:
    """Return the image of an earlier edit; it was inspected then."""
    message = "You have no edit with this id and an image."
    try:
        record = services.store.get(edit_id, caller=caller)
    except EditUnavailable as error:
        raise SourceNotFound(message) from error
    data = services.images.get(edit_id, INPUT)
    if data is None:
        raise SourceNotFound(message)
    return data, record.submission.input


async def _referenced_image(image: ImageInput, services: Services, caller: str) -> bytes:
    if image.url is not None:
        key = None if caller == ANONYMOUS else caller
        return await services.fetcher.fetch(image.url, max_bytes=MAX_BYTES, key=key)
    return await run_in_threadpool(_decoded, image.base64 or "")


def _decoded(text: str) -> bytes:
    """Decode base64 text or a `data:` URL (RFC 2397).

    Either alphabet, with or without padding, and white space anywhere are taken.
    """
    text = text.lstrip()
    prefix = _DATA_URL.match(text)
    head = prefix[0].lower() if prefix else ""
    try:
        payload = text[prefix.end() if prefix else 0 :].encode("ascii")
        if head and b"%" in payload:
            payload = unquote_to_bytes(payload)
            if "base64" not in head:
                return payload
        payload = payload.translate(_STANDARD, _SPACE).rstrip(b"=")
        return base64.b64decode(payload + b"=" * (-len(payload) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(
            "This is neither an http:// or https:// address nor a `data:` URL nor base64."
        ) from error


def _submit(
    services: Services,
    submission: Submission,
    data: bytes,
    *,
    in_flight: int,
    lock: IdempotencyLock | None,
) -> None:
    """Store the image first, so that a quick worker finds it; then queue the edit and signal."""
    _ = services.signer  # asked for now: the answer needs it, whatever happens to Redis then
    services.store.reserve_upload(submission.id)
    services.images.put(submission.id, INPUT, data)
    try:
        services.store.submit(
            submission, limit=services.settings.queue_limit, in_flight=in_flight, lock=lock
        )
    except StoreUnavailable:
        raise  # it may have been accepted: the image stays until that is known (`reserve_upload`)
    except CoreError:
        with suppress(StoreUnavailable):
            services.images.delete(submission.id)
            services.store.confirm_deletion(submission.id)
        raise
    try:
        signal_waiting(services.celery, submission.model, submission.id)
    except Exception:
        # Whatever the broker's client raises, the edit is on the queue, and the housekeeper
        # signals again for edits that wait without a message.
        log.warning("could not signal a waiting edit", exc_info=True)
