"""From a request to an edit on the queue. Cheap checks come first, the picture's pixels last."""

import base64
import binascii
import re
from contextlib import suppress
from datetime import UTC, datetime

from anyio import fail_after, to_thread
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.auth import ANONYMOUS, Caller
from api.problems.errors import FieldProblem, blame_field
from api.server.origins import base_url
from api.services import Services
from api.submission.parsing import CreateEditRequest, ImageInput, ParsedSubmission
from core.broker.app import signal_waiting
from core.errors import (
    AddressNotAllowed,
    DecoderUnavailable,
    EditUnavailable,
    FetchError,
    InputImageError,
    InvalidImage,
    JobsError,
    NoWorker,
    SourceNotFound,
    StoreUnavailable,
    UnknownModel,
    UnknownPreset,
)
from core.ids import new_edit_id
from core.images.inspection import MAX_BYTES
from core.outbound.ip_policy import check_url
from core.schema import InputImage, Model, Params, Submission
from core.store.idempotency import IdempotencyLock
from core.telemetry.logs import about_edit, get_logger

INPUT = "input"  # the name of an edit's own picture in the picture store

_BREAKS = b" \t\r\n"
_DATA_URI = re.compile(r"data:[^,]{0,200},")

log = get_logger("baret.api")


async def accept_edit(
    parsed: ParsedSubmission,
    request: Request,
    services: Services,
    *,
    admitted: Caller,
    lock: IdempotencyLock | None,
) -> str:
    """Accept the edit that a POST asks for.

    Args:
        asked: its body.
        request: for the address under which the caller knows the service.
        services: as ever.
        admitted: who asks.
        hold: the idempotency key that the edit is accepted under.

    Returns:
        Its id.

    Raises:
        ApiError, JobsError: what is wrong with the request, or what stands in the way.
    """
    fields = parsed.fields
    if fields.webhook_url is not None:
        with blame_field("/webhook_url", AddressNotAllowed):
            check_url(fields.webhook_url, services.settings.allow_networks)
    model = await run_in_threadpool(_model, services, fields)
    with blame_field(parsed.pointer("preset"), UnknownPreset):
        params = Params.resolve(fields.params, model.presets)
    data, image = await _image(parsed, services, admitted.caller)
    submission = Submission(
        id=new_edit_id(),
        created_at=datetime.now(UTC),
        caller=admitted.caller,
        base_url=base_url(request, services.settings),
        prompt=fields.prompt,
        model=model.id,
        params=params,
        metadata=fields.metadata,
        input=image,
        keep_seconds=services.settings.retention,
        traceparent=services.tracer.traceparent(),
    )
    with about_edit(submission.id):
        in_flight = admitted.max_in_flight
        await run_in_threadpool(_submit, services, submission, data, in_flight=in_flight, lock=lock)
        log.info(
            "accepted",
            caller=admitted.caller,
            model=model.id,
            bytes=len(data),
            **image.model_dump(),
        )
    return submission.id


def _model(services: Services, parsed: CreateEditRequest) -> Model:
    """The model asked for, else the default one.

    Raises:
        StoreFull: no edit can be accepted, so no picture need be judged.
        NoWorker: no model was ever announced.
        FieldProblem: this one was not.
    """
    services.store.check_writable()
    known = services.store.models()
    if not known:
        raise NoWorker("No worker has announced a model yet; start one and try again.")
    name = services.settings.model_name if parsed.model is None else parsed.model
    if parsed.model is None and name not in known:
        # As GET /v1/models says: where the configured model is unknown, a live one is the default.
        name = services.default_of(services.store.live_models()) or name
    if name not in known:
        names = ", ".join(sorted(known))
        raise FieldProblem("/model", UnknownModel(f"No worker serves this model. Known: {names}."))
    return known[name]


async def _image(
    parsed: ParsedSubmission, services: Services, caller: str
) -> tuple[bytes, InputImage]:
    if parsed.fields.source is not None:
        with blame_field("/source", SourceNotFound):
            return await run_in_threadpool(_source, services, parsed.fields.source, caller)
    with blame_field("/image", InputImageError):
        data = parsed.upload or b""
        if parsed.fields.image is not None:
            data = await _referenced_image(parsed.fields.image, services, caller)
        return data, await _judged(data, services)


async def _judged(data: bytes, services: Services) -> InputImage:
    """What is waited for is a free decoder; decoding itself is not cut short, but bounded."""
    try:
        with fail_after(services.decoder_wait):
            return await to_thread.run_sync(
                services.decoding.inspect, data, limiter=services.decoders
            )
    except TimeoutError as error:
        raise DecoderUnavailable("Too many pictures wait to be judged. Try again.") from error


def _source(services: Services, edit_id: str, caller: str) -> tuple[bytes, InputImage]:
    """The picture of an earlier edit: it was judged then."""
    message = "No edit of yours with a picture has this id."
    try:
        record = services.store.get(edit_id, caller=caller)
    except EditUnavailable as error:
        raise SourceNotFound(message) from error
    data = services.files.get(edit_id, INPUT)
    if data is None:
        raise SourceNotFound(message)
    return data, record.submission.input


async def _referenced_image(image: ImageInput, services: Services, caller: str) -> bytes:
    if image.url is not None:
        key = None if caller == ANONYMOUS else caller
        with blame_field("/image/url", FetchError):
            return await services.fetcher.fetch(image.url, max_bytes=MAX_BYTES, key=key)
    return await run_in_threadpool(_decoded, image.base64 or "")


def _decoded(text: str) -> bytes:
    """The bytes of base64 text, with or without a data URI's prefix and line breaks."""
    prefix = _DATA_URI.match(text)
    try:
        payload = text[prefix.end() if prefix else 0 :].encode("ascii").translate(None, _BREAKS)
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage("This is no base64; encode the file's bytes.") from error


def _submit(
    services: Services,
    submission: Submission,
    data: bytes,
    *,
    in_flight: int,
    lock: IdempotencyLock | None,
) -> None:
    """Picture first, so that a quick worker finds it; then record and queue, then signal."""
    services.store.reserve_upload(submission.id)
    services.files.put(submission.id, INPUT, data)
    try:
        services.store.submit(
            submission, limit=services.settings.queue_limit, in_flight=in_flight, lock=lock
        )
    except StoreUnavailable:
        raise  # it may have been accepted: its picture stays until that is known (`reserve_upload`)
    except JobsError:
        with suppress(StoreUnavailable):
            services.files.delete(submission.id)
            services.store.confirm_deletion(submission.id)
        raise
    try:
        signal_waiting(services.celery, submission.model, submission.id)
    except Exception:
        # Whatever the broker's client raises: the edit is on the queue, and the housekeeper
        # signals for edits that wait without a message.
        log.warning("could not signal that an edit waits", exc_info=True)
