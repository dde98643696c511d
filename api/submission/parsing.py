"""Parsing a POST: JSON or multipart, validated field by field."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from fastapi import Request
from pydantic import Field, StringConstraints, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from api.problems.errors import InvalidRequest, ValidationFailed, field_failure
from api.problems.field_errors import body_errors, pointer
from api.server.limits import BodyTimeouts
from api.server.memory_limiter import Reservation
from api.submission.body import MULTIPART, bounded, form_of, json_of, parse_json
from core.schema import FieldError, Metadata, ParamsInput, Prompt, Strict

# Form fields that hold JSON text. `interpolation` does too if it is a list.
JSON_FIELDS = ("metadata", "params", "webhook_events")

MAX_ERRORS = 32  # reported for one request


class ImageInput(Strict):
    """An image in a JSON body, as one of these fields."""

    url: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        None, description="http:// or https://, public, answering 200 with the image"
    )
    base64: str | None = Field(None, description="the image's bytes; a `data:` prefix is allowed")

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if (self.url is None) == (self.base64 is None):
            raise ValueError("Give exactly one of `url` and `base64`.")
        return self


class CreateEditRequest(ParamsInput):
    """The fields of a POST, with those of `params` among them."""

    prompt: Prompt
    image: ImageInput | None = Field(None, description="exactly one of `image` and `source`")
    source: str | None = Field(
        None, description="id of an earlier edit of yours, whose image is used again"
    )
    model: str | None = Field(None, description="id from GET /v1/models; default: its default")
    metadata: Metadata = Field(default_factory=dict, description="your own keys and values, flat")

    @property
    def params(self) -> ParamsInput:
        """The parameters, without the other fields."""
        return ParamsInput(**self.model_dump(include=set(ParamsInput.model_fields)))


@dataclass
class ParsedSubmission:
    """A validated request; `upload` is the file part of a multipart body."""

    fields: CreateEditRequest
    upload: bytes | None
    under_params: frozenset[str]  # names of the fields that the caller sent inside `params`

    def pointer(self, name: str) -> str:
        """Return the JSON pointer to a parameter, as the caller sent it."""
        return pointer(["params", name] if name in self.under_params else [name])

    def drop_image(self) -> None:
        """Free the image's memory: the request may still wait for a minute."""
        self.fields = self.fields.model_copy(update={"image": None})
        self.upload = None


@dataclass(frozen=True)
class _RawBody:
    """A body as sent, before validation."""

    fields: dict[str, Any]
    upload: bytes | None = None
    errors: list[FieldError] = field(default_factory=list)


async def parse_submission(
    request: Request, body_timeouts: BodyTimeouts, reservation: Reservation
) -> ParsedSubmission:
    """Read and validate a POST's body.

    Raises:
        MediaTypeUnsupported, BodyTooLarge, InvalidRequest, Overloaded: the body cannot be read.
        ValidationFailed: fields are wrong; it names each of them.
    """
    media_type, request = bounded(request, body_timeouts, reservation)
    if media_type == MULTIPART:
        async with form_of(request) as form:
            body = await _form_body(form)
    else:
        fields = await json_of(request)
        if not isinstance(fields, dict):
            raise field_failure("", "Send a JSON object.")
        body = _RawBody(fields)
    # In a thread: a body has room for millions of wrong fields.
    return await run_in_threadpool(_validated, body)


async def _form_body(form: FormData) -> _RawBody:
    fields: dict[str, Any] = {}
    errors = []
    upload = None
    for name, value in form.multi_items():
        if name in fields or (name == "image" and upload is not None):
            errors.append(FieldError(pointer=pointer([name]), detail="Given more than once."))
        elif isinstance(value, UploadFile) and name == "image":
            upload = await value.read()
        elif isinstance(value, UploadFile) or name == "image":
            detail = "Send `image`, and nothing else, as a file part with a file name."
            errors.append(FieldError(pointer=pointer([name]), detail=detail))
        else:
            try:
                fields[name] = _form_value(name, value)
            except InvalidRequest as error:
                errors.append(FieldError(pointer=pointer([name]), detail=str(error)))
    return _RawBody(fields, upload, errors)


def _form_value(name: str, text: str) -> Any:
    if name in JSON_FIELDS or (name == "interpolation" and text.lstrip().startswith("[")):
        return parse_json(text)
    return text


def _validated(body: _RawBody) -> ParsedSubmission:
    fields, under_params, misplaced = _flatten(body.fields)
    errors = [*body.errors, *misplaced, *_image_errors(body)]
    parsed = None
    try:
        parsed = CreateEditRequest.model_validate(fields)
    except ValidationError as error:
        errors += body_errors(error, fields, under_params)
    by_field: dict[str, FieldError] = {}
    for field_error in errors:
        by_field.setdefault(field_error.pointer, field_error)  # a field's first error is enough
    if parsed is None or by_field:
        raise ValidationFailed(list(by_field.values())[:MAX_ERRORS])
    return ParsedSubmission(parsed, body.upload, frozenset(under_params))


def _flatten(body: dict[str, Any]) -> tuple[dict[str, Any], set[str], list[FieldError]]:
    """Move the fields of `params` to the body's own.

    Returns:
        The fields, the names of those that were in `params`, and what is wrong there.
    """
    known = ParamsInput.model_fields.keys()
    outer = {name: value for name, value in body.items() if name != "params"}
    inner = body.get("params", {})
    if not isinstance(inner, dict):
        return outer, set(), [FieldError(pointer="/params", detail="Send an object.")]
    problems = {name: "There is no such parameter." for name in inner if name not in known}
    problems |= {
        name: "Given twice: inside `params` and outside." for name in inner if name in outer
    }
    errors = [
        FieldError(pointer=pointer(["params", name]), detail=detail)
        for name, detail in problems.items()
    ]
    params = {name: value for name, value in inner.items() if name in known}
    return outer | params, set(params), errors


def _image_errors(body: _RawBody) -> list[FieldError]:
    image = body.upload is not None or body.fields.get("image") is not None
    source = body.fields.get("source") is not None
    if image and source:
        return [FieldError(pointer="/source", detail="Give `image` or `source`, not both.")]
    if not image and not source:
        return [FieldError(pointer="/image", detail="Send an image, or name an edit as `source`.")]
    return []
