"""Accepting a parsed request as an edit on the queue; the cheapest checks come first."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from api.auth import Caller
from api.problems.errors import (
    FieldProblem,
    Forbidden,
    Overloaded,
    RateLimited,
    blame_field,
    field_failure,
)
from api.server.admission_slot import computing
from api.server.disconnects import unless_disconnected
from api.server.origins import base_url
from api.server.shares import share_of
from api.services import Services
from api.submission.parsing import CreateEditRequest, ParsedSubmission
from api.submission.photo import Photo, photo_of
from core.broker.app import signal_waiting
from core.errors import (
    AddressNotAllowed,
    CoreError,
    NoWorker,
    SourceNotFound,
    StoreUnavailable,
    UnknownModel,
    UnknownPreset,
    UploadNotFound,
)
from core.ids import new_edit_id
from core.images.keys import INPUT, new_photo_prefix, photo_prefix
from core.outbound.ip_policy import check_url
from core.schema import BatchPlace, InputImage, Model, Params, Submission
from core.store.idempotency import IdempotencyLock
from core.telemetry.logs import edit_log_context, get_logger

log = get_logger("baret.api")


@dataclass(frozen=True)
class Origin:
    """Where the request for an edit comes from."""

    caller: Caller
    base_url: str  # at which the caller reaches the service
    share: str  # whose share of the pools it takes
    # Runs what takes long for as long as somebody waits for it.
    watch: Callable[[Coroutine[Any, Any, Photo]], Awaitable[Photo]]
    # Entered by what computes: the turn of the request, if there is one.
    computing: Callable[[], AbstractAsyncContextManager[None]] = nullcontext

    @classmethod
    def of(cls, request: Request, services: Services, caller: Caller) -> Self:
        """Return the origin of a request, which ends when its client has gone."""
        return cls(
            caller,
            base_url(request, services.settings),
            share_of(request, caller.name),
            partial(unless_disconnected, request),
            partial(computing, request.scope),
        )


async def accept_edit(
    parsed: ParsedSubmission,
    services: Services,
    *,
    origin: Origin,
    lock: IdempotencyLock | BatchPlace | None = None,
) -> Submission:
    """Accept the edit that a POST, or a line of a batch, requests.

    Args:
        parsed: the validated body.
        services: of the application.
        origin: who requests it.
        lock: on the idempotency key that the edit is accepted under, or the line of a batch that
            requests it, if there is one.

    Returns:
        What was accepted, under the edit's new id.

    Raises:
        ApiError, CoreError: why the edit cannot be accepted.
        ClientDisconnect: the client has gone before it was.
    """
    caller = origin.caller
    async with origin.computing():
        check_webhook(parsed, services, caller)
        known = await run_in_threadpool(known_models, services)
        model = choose_model(services, known, parsed.fields)
        params = resolved_params(parsed, model)
    photo = await origin.watch(photo_of(parsed, services, caller, share=origin.share))
    _check_size(parsed, photo.image)
    edit_id, fields = new_edit_id(), parsed.fields
    submission = Submission(
        id=edit_id,
        created_at=datetime.now(UTC),
        caller=caller.name,
        base_url=origin.base_url,
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
    with edit_log_context(edit_id), _blame_photo(parsed):
        # The photo comes first, so that a quick worker finds it.
        await run_in_threadpool(_store_photo, services, submission, photo)
        submit = partial(_submit, services, submission, photo, lock=lock)
        try:
            async with origin.computing():
                await run_in_threadpool(submit, caller=caller)
        except (RateLimited, Overloaded):
            await run_in_threadpool(_discard_photo, services, submission, photo)
            raise
        seen = photo.image.model_dump(exclude={"sha256"})
        size = len(photo.data or b"")
        log.info("accepted", caller=caller.name, model=model.id, bytes=size, **seen)
    return submission


def check_webhook(parsed: ParsedSubmission, services: Services, caller: Caller) -> None:
    """Refuse a webhook that the caller may not choose, or that nothing may be sent to.

    Raises:
        Forbidden: the caller has a token.
        FieldProblem: the address is not allowed.
    """
    url = parsed.fields.webhook_url
    if url is None:
        return
    if caller.token is not None:
        raise Forbidden("A token cannot choose a webhook. Leave `webhook_url` out, or send a key.")
    with blame_field(parsed.pointer("webhook_url"), AddressNotAllowed):
        check_url(url, services.ip_policy)


def resolved_params(parsed: ParsedSubmission, model: Model) -> Params:
    """Return the parameters, with what the preset and the model fill in.

    Raises:
        FieldProblem: the model has no such preset.
    """
    with blame_field(parsed.pointer("preset"), UnknownPreset):
        params = Params.resolve(parsed.fields.params, model.presets, model.default_parameters)
    return params.spread(parsed.variations) if parsed.variations > 1 else params


@contextmanager
def _blame_photo(parsed: ParsedSubmission) -> Iterator[None]:
    """Name the field that the photo came by if it has gone meanwhile."""
    with (
        blame_field("/source", SourceNotFound),
        blame_field(parsed.image_pointer, UploadNotFound),
    ):
        yield


def known_models(services: Services) -> dict[str, Model]:
    """Return every model that was ever announced, by its id. Blocks to ask Redis.

    Raises:
        StoreFull: no edit can be accepted, so the image need not be inspected.
    """
    services.store.check_writable()
    return services.store.models_with_state()


def choose_model(
    services: Services, known: Mapping[str, Model], fields: CreateEditRequest
) -> Model:
    """Return the requested one of the known models, or the default one.

    Raises:
        NoWorker: no model was ever announced.
        FieldProblem: the requested model was not announced.
    """
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


def _store_photo(services: Services, submission: Submission, photo: Photo) -> None:
    """Store a new photo; one that an earlier edit has is stored."""
    _ = services.signer  # asked for now: the answer needs it, whatever happens to Redis then
    if photo.data is None:
        return
    prefix = photo_prefix(submission)
    limit = services.settings.image_mb_per_key * 10**6
    services.store.reserve_upload(
        prefix, caller=submission.caller, size=len(photo.data), limit=limit
    )
    try:
        services.images.put(prefix, INPUT, photo.data)
    except StoreUnavailable:
        with suppress(StoreUnavailable):  # else it counts until its reservation is over
            services.store.discard_upload(prefix)
        raise


def _discard_photo(services: Services, submission: Submission, photo: Photo) -> None:
    """Delete the photo of an edit that was not accepted, unless an earlier edit has it."""
    if photo.data is not None:
        with suppress(StoreUnavailable):
            services.images.delete(photo_prefix(submission))
            services.store.confirm_deletion(photo_prefix(submission))


def _submit(
    services: Services,
    submission: Submission,
    photo: Photo,
    *,
    caller: Caller,
    lock: IdempotencyLock | BatchPlace | None,
) -> None:
    """Queue an edit whose photo is stored, and signal."""
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
        _discard_photo(services, submission, photo)
        raise
    try:
        signal_waiting(services.celery, submission.model, submission.id)
    except Exception:
        # Whatever the broker's client raises, the edit is on the queue, and the housekeeper
        # signals again for edits that wait without a message.
        log.warning("could not signal a waiting edit", exc_info=True)
