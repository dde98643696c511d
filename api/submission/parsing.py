"""What a POST asks for, from either kind of body, validated field by field."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from fastapi import Request
from pydantic import Field, StringConstraints, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from api.problems.errors import InvalidRequest, ValidationFailed, field_failure
from api.problems.field_errors import body_errors, pointer
from api.server.memory_limiter import Reservation
from api.submission.body import MULTIPART, BodyTimeouts, bounded, form_of, json_of, parse_json
from core.schema import FieldError, Metadata, ParamsInput, Prompt, Strict

# Form fields that hold JSON text. `interpolation` does too where it is a list.
_JSON_FIELDS = ("metadata", "params", "webhook_events")

MAX_ERRORS = 32  # told of one request


class ImageInput(Strict):
    """A picture in a JSON body: one of its fields."""

    url: Annotated[str, StringConstraints(max_length=2048)] | None = Field(
        None, description="http:// or https://, public, answering 200 with the picture"
    )
    base64: str | None = Field(None, description="the bytes; a `data:` prefix may stand before")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.url is None) == (self.base64 is None):
            raise ValueError("Give exactly one of `url` and `base64`.")
        return self


class CreateEditRequest(ParamsInput):
    """The fields of a POST, those of `params` among them."""

    prompt: Prompt
    image: ImageInput | None = Field(None, description="exactly one of `image` and `source`")
    source: str | None = Field(
        None, description="id of an earlier edit of yours, whose picture is taken again"
    )
    model: str | None = Field(None, description="id from GET /v1/models; default: its default")
    metadata: Metadata = Field(default_factory=dict, description="your own, flat")

    @property
    def params(self) -> ParamsInput:
        """The parameters alone."""
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
        """Give its memory back: whoever asked may wait for a minute yet."""
        self.fields = self.fields.model_copy(update={"image": None})
        self.upload = None


@dataclass(frozen=True)
class _Body:
    """A body as sent, before anything is judged."""

    fields: dict[str, Any]
    upload: bytes | None = None
    errors: list[FieldError] = field(default_factory=list)


async def parse_submission(
    request: Request, body_timeouts: BodyTimeouts, reservation: Reservation
) -> ParsedSubmission:
    """Read and validate a POST's body.

    Raises:
        MediaTypeUnsupported, BodyTooLarge, InvalidRequest, Overloaded: the body cannot be taken.
        ValidationFailed: it can, but names every field that is wrong.
    """
    media_type, request = bounded(request, body_timeouts, reservation)
    if media_type == MULTIPART:
        async with form_of(request) as form:
            body = await _form_body(form)
    else:
        fields = await json_of(request)
        if not isinstance(fields, dict):
            raise field_failure("", "Give a JSON object.")
        body = _Body(fields)
    # In a thread: millions of wrong fields fit into a body.
    return await run_in_threadpool(_validated, body)


async def _form_body(form: FormData) -> _Body:
    fields: dict[str, Any] = {}
    errors = []
    upload = None
    for name, value in form.multi_items():
        if name in fields or (name == "image" and upload is not None):
            errors.append(FieldError(pointer=pointer([name]), detail="Given more than once."))
        elif isinstance(value, UploadFile) and name == "image":
            upload = await value.read()
        elif isinstance(value, UploadFile) or name == "image":
            detail = "`image`, and nothing else, is sent as a file part with a file name."
            errors.append(FieldError(pointer=pointer([name]), detail=detail))
        else:
            try:
                fields[name] = _form_value(name, value)
            except InvalidRequest as error:
                errors.append(FieldError(pointer=pointer([name]), detail=str(error)))
    return _Body(fields, upload, errors)


def _form_value(name: str, text: str) -> Any:
    if name in _JSON_FIELDS or (name == "interpolation" and text.lstrip().startswith("[")):
        return parse_json(text)
    return text


def _validated(body: _Body) -> ParsedSubmission:
    fields, under_params, misplaced = _flat(body.fields)
    errors = [*body.errors, *misplaced, *_image_errors(body)]
    parsed = None
    try:
        parsed = CreateEditRequest.model_validate(fields)
    except ValidationError as error:
        errors += body_errors(error, fields, under_params)
    told: dict[str, FieldError] = {}
    for wrong in errors:
        told.setdefault(wrong.pointer, wrong)  # the first thing wrong with a field is enough
    if parsed is None or told:
        raise ValidationFailed(list(told.values())[:MAX_ERRORS])
    return ParsedSubmission(parsed, body.upload, frozenset(under_params))


def _flat(body: dict[str, Any]) -> tuple[dict[str, Any], set[str], list[FieldError]]:
    """The body with the fields of `params` among its own, and the names of those."""
    known = ParamsInput.model_fields.keys()
    outer = {name: value for name, value in body.items() if name != "params"}
    inner = body.get("params", {})
    if not isinstance(inner, dict):
        return outer, set(), [FieldError(pointer="/params", detail="Give an object.")]
    wrong = {name: "There is no such parameter." for name in inner if name not in known}
    wrong |= {name: "Given twice: here and beside `params`." for name in inner if name in outer}
    errors = [
        FieldError(pointer=pointer(["params", name]), detail=detail)
        for name, detail in wrong.items()
    ]
    taken = {name: value for name, value in inner.items() if name in known}
    return outer | taken, set(taken), errors


def _image_errors(body: _Body) -> list[FieldError]:
    image = body.upload is not None or body.fields.get("image") is not None
    source = body.fields.get("source") is not None
    if image and source:
        return [FieldError(pointer="/source", detail="Give `image` or `source`, not both.")]
    if not image and not source:
        return [FieldError(pointer="/image", detail="Give a picture, or an edit as `source`.")]
    return []
