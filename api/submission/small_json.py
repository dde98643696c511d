"""Reading a small JSON body: the fields of one model, without an image."""

from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from api.problems.errors import ValidationFailed, field_failure
from api.problems.field_errors import body_errors
from api.services import Services
from api.submission.body import JSON, bounded, json_of
from api.submission.parsing import MAX_ERRORS

M = TypeVar("M", bound=BaseModel)

MAX_SMALL_BYTES = 64 * 1024


async def read_small(request: Request, services: Services, model: type[M], *, caller: str) -> M:
    """Read and validate the body.

    Args:
        request: with its body unread.
        services: of the application.
        model: of its fields; null counts as not given.
        caller: whose memory it takes.

    Raises:
        MediaTypeUnsupported, BodyTooLarge, InvalidRequest, Overloaded: it cannot be read.
        ValidationFailed: fields are wrong; it names each of them.
    """
    with services.memory_limiter.reservation(caller) as reservation:
        _, request = bounded(
            request, services.body_timeouts, reservation, accepted={JSON: MAX_SMALL_BYTES}
        )
        fields = await json_of(request)
    if not isinstance(fields, dict):
        raise field_failure("", "Send a JSON object.")
    known = model.model_fields
    fields = {
        name: value for name, value in fields.items() if name not in known or value is not None
    }
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise ValidationFailed(body_errors(error, fields, set())[:MAX_ERRORS]) from error
