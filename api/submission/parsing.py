"""Parsing a POST: JSON or multipart, validated field by field."""

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from fastapi import Request
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from starlette.concurrency import run_in_threadpool

from api.problems.errors import InvalidRequest, ValidationFailed, field_failure
from api.problems.field_errors import GIVEN_TWICE, UNKNOWN, body_errors, pointer
from api.server.admission_slot import computing
from api.server.limits import BodyTimeouts
from api.server.memory_limiter import Reservation
from api.submission.body import MULTIPART, bounded, json_of, parse_json
from api.submission.form import Form, FormPart, read_form
from core.schema import FieldError, Metadata, ParamsInput, Priority, Prompt, Strict, Trimmed, Url

UPLOAD = "upload"  # what a form names an upload's id; in JSON it is in `image`
# Form fields that hold JSON text.
JSON_FIELDS = ("metadata", "params")
# Form fields that may be lists: one JSON text, or a part for each value.
LIST_FIELDS = ("strength", "interpolation", "webhook_events")

MAX_ERRORS = 32  # reported for one request
MAX_TEXT_BYTES = 1024 * 1024  # of a form's field

# `data:` does not begin an address, and a drive letter is not a scheme.
_ADDRESS = re.compile(r"(?!data:)[a-z][a-z0-9+.-]+:", re.IGNORECASE)
_DATA_URL = re.compile(r"data:", re.IGNORECASE)


class ImageInput(Strict):
    """An image in a JSON body, as one of these fields."""

    url: Url | None = Field(
        None, description="http:// or https://, public, answering 200 with the image"
    )
    base64: str | None = Field(
        None,
        description="the image's bytes, in the standard or the URL-safe alphabet, padded or not; "
        "a `data:` prefix and line breaks are allowed",
    )

    upload: Trimmed | None = Field(
        None, description="id of an upload that the image was sent to: `POST /v1/uploads`"
    )

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if [self.url, self.base64, self.upload].count(None) != 2:
            raise ValueError("Give exactly one of `url`, `base64` and `upload`.")
        return self


def _image_fields(value: object) -> object:
    """Return an image that was given as text as the fields of `ImageInput`.

    A `data:` URL is base64, and an address an address, whichever field it is in.
    """
    if isinstance(value, str):
        return {"url" if _ADDRESS.match(value.lstrip()) else "base64": value}
    if isinstance(value, dict):
        url, text = value.get("url"), value.get("base64")
        others = {name: value[name] for name in value.keys() - {"url", "base64"}}
        if text is None and isinstance(url, str) and _DATA_URL.match(url.lstrip()):
            return {**others, "base64": url}
        if url is None and isinstance(text, str) and _ADDRESS.match(text.lstrip()):
            return {**others, "url": text}
    elif value is not None:
        raise ValueError("Give an address, a `data:` URL, base64, or an object with one of them.")
    return value


Image = Annotated[
    ImageInput,
    BeforeValidator(
        _image_fields,
        json_schema_input_type=Annotated[
            str, Field(description="an http:// or https:// address, a `data:` URL, or base64")
        ]
        | ImageInput,
    ),
]


class CreateEditRequest(ParamsInput):
    """The fields of a POST, with those of `params` among them."""

    prompt: Prompt
    image: Image | None = Field(None, description="exactly one of `image` and `source`")
    source: Trimmed | None = Field(
        None, description="id of an earlier edit of yours, whose image is used again"
    )
    model: Trimmed | None = Field(None, description="id from GET /v1/models; default: its default")
    priority: Priority = Field(
        Priority.INTERACTIVE,
        description="batch: nobody waits for it, so interactive edits go first",
    )
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
    image_pointer: str = "/image"  # where the caller sent the image, its address or its upload
    variations: int = 1  # outputs; several have strengths spread below that of the parameters
    size: str | None = None  # WIDTHxHEIGHT that the outputs must have

    def pointer(self, name: str) -> str:
        """Return the JSON pointer to a parameter, as the caller sent it."""
        return pointer(["params", name] if name in self.under_params else [name])

    def drop_image(self) -> None:
        """Free the image's memory: the request may still wait for a minute."""
        self.fields = self.fields.model_copy(update={"image": None})
        self.upload = None


KNOWN = frozenset({*CreateEditRequest.model_fields, "params", "interpolation"})
KNOWN_IN_FORMS = KNOWN | {UPLOAD}


@dataclass(frozen=True)
class RawBody:
    """A body as sent, before validation."""

    fields: dict[str, Any]
    upload: bytes | None = None
    errors: list[FieldError] = field(default_factory=list)
    upload_id: str | None = None  # of a form

    @property
    def image_pointer(self) -> str:
        """Return the JSON pointer to what the image is got by."""
        image = self.fields.get("image")
        if self.upload_id is not None:
            return f"/{UPLOAD}"
        if not isinstance(image, dict):
            return "/image"
        return next((f"/image/{name}" for name in ("url", UPLOAD) if name in image), "/image")


async def parse_submission(
    request: Request, body_timeouts: BodyTimeouts, reservation: Reservation
) -> ParsedSubmission:
    """Read and validate a POST's body.

    Raises:
        MediaTypeUnsupported, BodyTooLarge, InvalidRequest, Overloaded: the body cannot be read.
        ValidationFailed: fields are wrong; it names each of them.
    """
    body = await read_body(request, body_timeouts, reservation, from_form=form_body)
    # In a thread: a body has room for millions of wrong fields.
    async with computing(request.scope):
        return await run_in_threadpool(validated, body)


async def read_body(
    request: Request,
    body_timeouts: BodyTimeouts,
    reservation: Reservation,
    *,
    from_form: Callable[[Form], RawBody],
    from_json: Callable[[dict[str, Any]], RawBody] = RawBody,
) -> RawBody:
    """Read a body that is a form or a JSON object.

    Raises:
        MediaTypeUnsupported, BodyTooLarge, InvalidRequest, Overloaded: it cannot be read.
        ValidationFailed: it is JSON, but no object.
    """
    media_type, request = bounded(request, body_timeouts, reservation)
    if media_type == MULTIPART:
        form = await read_form(request)
        async with computing(request.scope):
            return await run_in_threadpool(from_form, form)
    await request.body()  # which the request keeps
    async with computing(request.scope):
        fields = await json_of(request)
    if not isinstance(fields, dict):
        raise field_failure("", "Send a JSON object.")
    return from_json(fields)


def form_body(form: Form, known: Collection[str] = KNOWN_IN_FORMS) -> RawBody:
    """Return a form as a body of these fields; the others are errors."""
    fields: dict[str, Any] = {}
    errors: list[FieldError] = []
    upload = None
    seen = set()
    for part in form.parts:
        if part.name == "image" and part.is_empty_file_input:
            continue
        if part.name in seen and part.name not in LIST_FIELDS:
            errors.append(FieldError(pointer=pointer([part.name]), detail=GIVEN_TWICE))
        elif part.name != "image":
            errors += _read_field(part, form.charset, fields, known)
        elif part.is_file:
            upload = part.content()
        else:
            detail = "Send `image` as a file part: with a file name, or with an image's type."
            errors.append(FieldError(pointer="/image", detail=detail))
        seen.add(part.name)
    upload_id = fields.pop(UPLOAD, None)
    if upload_id is not None and upload is not None:
        detail = "Give `image` or `upload`, not both."
        errors.append(FieldError(pointer=f"/{UPLOAD}", detail=detail))
    if upload_id is not None:
        fields["image"] = {"upload": upload_id}
    return RawBody(fields, upload, errors, upload_id)


def _read_field(
    part: FormPart, charset: str, fields: dict[str, Any], known: Collection[str]
) -> Iterator[FieldError]:
    """Add a form's field, which may have been sent as a file; yield what is wrong with it."""
    name = part.name
    if name not in known or len(part.data) > MAX_TEXT_BYTES:
        detail = f"A field may have at most {MAX_TEXT_BYTES} bytes; the photo goes into `image`."
        yield FieldError(pointer=pointer([name]), detail=detail if name in known else UNKNOWN)
        return
    text = part.text(charset)
    if name != "prompt" and text.strip() in ("", "null"):
        return  # an input that nobody filled in, or a null that a client wrote out
    try:
        value = _form_value(name, text)
        fields[name] = [*_listed(fields[name]), *_listed(value)] if name in fields else value
    except InvalidRequest as error:
        yield FieldError(pointer=pointer([name]), detail=str(error))
    except ValidationFailed as error:
        for inner in error.errors:
            yield FieldError(pointer=pointer([name]) + inner.pointer, detail=inner.detail)


def _form_value(name: str, text: str) -> Any:
    if name in JSON_FIELDS or (name in LIST_FIELDS and text.lstrip().startswith("[")):
        return parse_json(text)
    return [text] if name == "webhook_events" else text


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def validated(body: RawBody) -> ParsedSubmission:
    """Validate a body.

    Raises:
        ValidationFailed: fields are wrong; it names each of them.
    """
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
    under = frozenset(under_params)
    return ParsedSubmission(parsed, body.upload, under, body.image_pointer)


def _flatten(body: dict[str, Any]) -> tuple[dict[str, Any], set[str], list[FieldError]]:
    """Move the fields of `params` to the body's own.

    Returns:
        The fields, the names of those that were in `params`, and what is wrong there.
    """
    known = {*ParamsInput.model_fields, "interpolation"}
    outer = _given({name: value for name, value in body.items() if name != "params"})
    inner = {} if body.get("params") is None else body["params"]
    if not isinstance(inner, dict):
        return outer, set(), [FieldError(pointer="/params", detail="Send an object.")]
    inner = _given(inner)
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


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out the known fields that are null: they count as not given."""
    return {name: value for name, value in fields.items() if value is not None or name not in KNOWN}


def _image_errors(body: RawBody) -> list[FieldError]:
    image = body.upload is not None or body.fields.get("image") is not None
    source = body.fields.get("source") is not None
    if image and source:
        return [FieldError(pointer="/source", detail="Give `image` or `source`, not both.")]
    if not image and not source:
        return [FieldError(pointer="/image", detail="Send an image, or name an edit as `source`.")]
    return []
