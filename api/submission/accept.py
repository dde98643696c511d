"""Accepting a parsed request as an edit on the queue; the cheapest checks come first."""

import base64
import binascii
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from urllib.parse import unquote_to_bytes

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.auth import Caller
from api.problems.errors import FieldProblem, Forbidden, blame_field, field_failure
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
    UploadNotFound,
)
from core.ids import new_edit_id
from core.images.inspection import MAX_BYTES
from core.images.keys import INPUT, new_photo_prefix, photo_prefix, upload_prefix
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
    if fields.webhook_url is not None and caller.token is not None:
        raise Forbidden("A token cannot choose a webhook. Leave `webhook_url` out, or send a key.")
    if fields.webhook_url is not None:
        with blame_field(parsed.pointer("webhook_url"), AddressNotAllowed):
            check_url(fields.webhook_url, services.ip_policy)
    model = await run_in_threadpool(_model, services, fields)
    with blame_field(parsed.pointer("preset"), UnknownPreset):
        params = Params.resolve(fields.params, model.presets, model.default_parameters)
        if parsed.variations > 1:
            params = params.spread(parsed.variations)
    share = share_of(request, caller.name)
    photo = await unless_disconnected(request, _photo(parsed, services, caller, share=share))
    _check_size(parsed, photo.image)
    edit_id = new_edit_id()
    submission = Submission(
        id=edit_id,
        created_at=datetime.now(UTC),
        caller=caller.name,
        base_url=base_url(request, services.settings),
        prompt=fields.prompt,
        model=model.id,
        params=params,
        metadata=fields.metadata,
        input=photo.image,
        photo=photo.stored_at or new_photo_prefix(edit_id),
        keep_seconds=services.settings.retention,
        traceparent=services.tracer.traceparent(),
        user=caller.user,
        priority=fields.priority,
    )
    with edit_log_context(submission.id):
        submit = partial(_submit, services, submission, photo, lock=lock)
        with (
            blame_field("/source", SourceNotFound),
            blame_field(parsed.image_pointer, UploadNotFound),
        ):
            await run_in_threadpool(submit, caller=caller)
        log.info(
            "accepted",
            caller=caller.name,
            model=model.id,
            bytes=len(photo.data or b""),
            **photo.image.model_dump(exclude={"sha256"}),
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
    known = services.store.models_with_state()
    default = services.default_model(known)
    if default is None:
        raise NoWorker("No worker has announced a model yet; start one and try again.")
    name = default if fields.model is None else fields.model
    if name not in known:
        names = ", ".join(sorted(known))
        raise FieldProblem(
            "/model", UnknownModel(f"No worker has ever served this model. Known: {names}.")
        )
    return known[name]


def _check_size(parsed: ParsedSubmission, photo: InputImage) -> None:
    """Refuse a size that the outputs will not have.

    Raises:
        ValidationFailed: it names the size that they will have.
    """
    size = f"{photo.width}x{photo.height}"
    if parsed.size not in (None, size):
        detail = f"An edit has its photo's size, {size}. Leave `size` out, or send `auto`."
        raise field_failure("/size", detail)


@dataclass(frozen=True)
class _Photo:
    """The photo of a new edit: bytes to store, or where an earlier edit's are stored.

    `upload` is the id of the upload that the bytes were sent to, if they were sent to one.
    """

    image: InputImage
    data: bytes | None = None
    stored_at: str | None = None
    upload: str | None = None


async def _photo(
    parsed: ParsedSubmission, services: Services, caller: Caller, *, share: str
) -> _Photo:
    if parsed.fields.source is not None:
        with blame_field("/source", SourceNotFound):
            return await run_in_threadpool(_source, services, parsed.fields.source, caller.owner)
    with blame_field("/image", InputImageError):
        image, data = parsed.fields.image, parsed.upload or b""
        if image is not None and image.upload is not None:
            with blame_field(parsed.image_pointer, UploadNotFound):
                data = await _uploaded(services, image.upload, caller.owner, share=share)
        elif image is not None:
            with blame_field(parsed.image_pointer, FetchError):
                data = await _referenced_image(image, services, caller.name)
        inspect = partial(services.sandbox.inspect, data)
        inspected = await services.shares.decoding.run(share, inspect)
        return _Photo(inspected, data, upload=image.upload if image else None)


def _source(services: Services, edit_id: str, owner: str) -> _Photo:
    """Return the photo of an earlier edit, which was inspected then; the two share it.

    A photo of an edit that an earlier version accepted is deleted with it, so it is copied.
    """
    message = "You have no edit with this id and an image."
    try:
        record = services.store.get(edit_id, caller=owner)
    except EditUnavailable as error:
        raise SourceNotFound(message) from error
    submission = record.submission
    if submission.photo is not None:
        return _Photo(submission.input, stored_at=submission.photo)
    data = services.images.get(edit_id, INPUT)
    if data is None:
        raise SourceNotFound(message)
    return _Photo(submission.input, data)


async def _uploaded(services: Services, upload_id: str, owner: str, *, share: str) -> bytes:
    """Return the image that was sent to one of the owner's uploads.

    Raises:
        UploadNotFound: there is no such upload, or nothing was sent to it.
        InputImageError: what the image storage took is longer or shorter than what was announced.
    """
    pending = await run_in_threadpool(services.uploads.get, upload_id, owner=owner)
    get = partial(services.images.get, max_bytes=pending.max_bytes)
    async with services.shares.downloads.slot(share):
        data = await run_in_threadpool(get, upload_prefix(upload_id), INPUT)
    if data is None:
        raise UploadNotFound("Nothing has come to this upload yet: send the image to its `url`.")
    if pending.is_exact and len(data) != pending.max_bytes:
        raise InvalidImage(f"The upload has {len(data)} of {pending.max_bytes} bytes.")
    return data


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


def _store_photo(services: Services, submission: Submission, data: bytes) -> None:
    prefix = photo_prefix(submission)
    limit = services.settings.image_mb_per_key * 10**6
    services.store.reserve_upload(prefix, caller=submission.caller, size=len(data), limit=limit)
    try:
        services.images.put(prefix, INPUT, data)
    except StoreUnavailable:
        with suppress(StoreUnavailable):  # else it counts until its reservation is over
            services.store.discard_upload(prefix)
        raise


def _submit(
    services: Services,
    submission: Submission,
    photo: _Photo,
    *,
    caller: Caller,
    lock: IdempotencyLock | None,
) -> None:
    """Store the photo first, so that a quick worker finds it; then queue the edit and signal."""
    _ = services.signer  # asked for now: the answer needs it, whatever happens to Redis then
    if photo.data is not None:
        _store_photo(services, submission, photo.data)
    try:
        services.store.submit(
            submission,
            limit=services.settings.queue_limit,
            in_flight=caller.max_in_flight,
            record_bytes=services.settings.record_mb_per_key * 10**6,
            lock=lock,
            user_token=caller.token.id if caller.token else None,
            upload=photo.upload,
        )
    except StoreUnavailable:
        raise  # it may have been accepted: the photo stays until that is known (`reserve_upload`)
    except CoreError:
        if photo.data is not None:
            with suppress(StoreUnavailable):
                services.images.delete(photo_prefix(submission))
                services.store.confirm_deletion(photo_prefix(submission))
        raise
    try:
        signal_waiting(services.celery, submission.model, submission.id)
    except Exception:
        # Whatever the broker's client raises, the edit is on the queue, and the housekeeper
        # signals again for edits that wait without a message.
        log.warning("could not signal a waiting edit", exc_info=True)
