"""A request for an edit in the shape of OpenAI's image API, as a submission of our own.

Its own fields are read here; every other field is one of ours (`api.submission.parsing`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import AfterValidator, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from api.problems.field_errors import body_errors, pointer
from api.server.limits import BodyTimeouts
from api.server.memory_limiter import Reservation
from api.submission.form import Form, FormPart
from api.submission.parsing import (
    KNOWN,
    LIST_FIELDS,
    ParsedSubmission,
    RawBody,
    form_body,
    read_body,
    validated,
)
from core.schema import FieldError, Strict

MAX_PARTIAL_IMAGES = 3

# How the form encoding of the official clients writes a list's items and an object's fields.
_LIST_ITEM = re.compile(r"(\w+)\[\]")
_OBJECT_FIELD = re.compile(r"metadata\[([^\]]+)\]")

_NO_MASK = (
    "BARET needs no mask: it finds from `prompt` what to change. Leave `mask` out, and say in "
    "`prompt` what the edited picture should show."
)
_ONE_IMAGE = "Send one image: an edit has one photo."


def _as_asked(size: str) -> str | None:
    return None if size == "auto" else size


class ImageEditFields(Strict):
    """The fields of OpenAI's `POST /v1/images/edits` that are not ours."""

    n: Annotated[int, Field(ge=1, le=8)] | None = Field(
        None,
        description="how many images, of evenly spread strengths: the preset's, which is the "
        "first, and weaker ones down to half of it. They share one inversion",
    )
    size: (
        Annotated[
            str, Field(pattern=r"^(auto|[1-9]\d{0,5}x[1-9]\d{0,5})$"), AfterValidator(_as_asked)
        ]
        | None
    ) = Field(None, description="`auto`, or the photo's own: an edit keeps its photo's size")
    response_format: Literal["b64_json", "url"] = "b64_json"
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = Field(
        None, description="`quality` of the encoder, for JPEG and WebP; default: 95"
    )
    stream: bool = Field(False, description="answer with server-sent events")
    partial_images: Annotated[int, Field(ge=0, le=MAX_PARTIAL_IMAGES)] = Field(
        0, description="with `stream`: how many unfinished images of at most 96 pixels to send"
    )
    user: Annotated[str, Field(max_length=512)] | None = Field(
        None, description="becomes an entry of `metadata`"
    )
    safety_identifier: Annotated[str, Field(max_length=512)] | None = Field(
        None, description="becomes an entry of `metadata`"
    )
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = (
        Field(None, description="ignored; `output_compression` sets the encoder's quality")
    )
    background: Any = Field(None, description="ignored")
    input_fidelity: Any = Field(None, description="ignored")
    moderation: Any = Field(None, description="ignored")

    @property
    def metadata(self) -> dict[str, str]:
        """What becomes metadata of the edit."""
        given = {"user": self.user, "safety_identifier": self.safety_identifier}
        return {name: value for name, value in given.items() if value}


_OWN = frozenset(ImageEditFields.model_fields)


@dataclass(frozen=True)
class ImageEditRequest:
    """A validated request: the edit, and how its images are wanted."""

    submission: ParsedSubmission
    fields: ImageEditFields


async def parse_image_edit(
    request: Request, body_timeouts: BodyTimeouts, reservation: Reservation
) -> ImageEditRequest:
    """Read and validate a request's body.

    Raises:
        MediaTypeUnsupported, BodyTooLarge, InvalidRequest, Overloaded: the body cannot be read.
        ValidationFailed: fields are wrong; it names each of them.
    """
    body = await read_body(
        request, body_timeouts, reservation, from_form=_form_body, from_json=_json_body
    )
    return await run_in_threadpool(_validated, body)


# --- reading


def _form_body(form: Form) -> RawBody:
    errors = [*_masks(part.name for part in form.parts if part.data)]
    metadata: dict[str, Any] = {}
    parts: list[FormPart] = []
    images = 0
    for part in form.parts:
        if match := _OBJECT_FIELD.fullmatch(part.name):
            metadata[match[1]] = part.text(form.charset)
        elif part.name not in _MASKS:
            parts.append(_plainly_named(part))
            images += parts[-1].name == "image" and not parts[-1].is_empty_file_input
    if images > 1:
        errors.append(FieldError(pointer="/image", detail=_ONE_IMAGE))
    body = form_body(Form(parts, form.charset), KNOWN | _OWN)
    if metadata:
        body.fields["metadata"] = metadata
    return replace(body, errors=[*errors, *body.errors])


def _plainly_named(part: FormPart) -> FormPart:
    """Return a part `name[]` of a field that may have several as one of `name`."""
    match = _LIST_ITEM.fullmatch(part.name)
    if match is None or match[1] not in ("image", *LIST_FIELDS):
        return part
    return replace(part, renamed=match[1])


def _json_body(fields: dict[str, Any]) -> RawBody:
    """Return a JSON body, whose `images` hold one image."""
    fields = dict(fields)
    errors = [*_masks(name for name, value in fields.items() if value is not None)]
    images = fields.pop("images", None)
    if isinstance(images, list) and len(images) == 1 and fields.get("image") is None:
        image = images[0]
        fields["image"] = image.get("image_url", image) if isinstance(image, dict) else image
    elif images is not None:
        errors.append(FieldError(pointer="/images", detail=_ONE_IMAGE))
    for name in _MASKS:
        fields.pop(name, None)
    return RawBody(fields, errors=errors)


_MASKS = ("mask", "markup")


def _masks(names: Iterable[str]) -> Iterator[FieldError]:
    for name in dict.fromkeys(names):
        if name in _MASKS:
            yield FieldError(pointer=pointer([name]), detail=_NO_MASK)


# --- validation


def _validated(body: RawBody) -> ImageEditRequest:
    own = {name: value for name, value in body.fields.items() if name in _OWN}
    ours = {name: value for name, value in body.fields.items() if name not in _OWN}
    errors = list(body.errors)
    fields = ImageEditFields()
    try:
        fields = ImageEditFields.model_validate(
            {name: value for name, value in own.items() if value is not None}
        )
    except ValidationError as error:
        errors += body_errors(error, own, set())
    errors += _conflicts(fields, ours)
    metadata = ours.get("metadata") or {}
    if fields.metadata and isinstance(metadata, dict):
        ours["metadata"] = {**metadata, **fields.metadata}
    submission = validated(replace(body, fields=ours, errors=errors))
    return ImageEditRequest(_submission(submission, fields), fields)


def _conflicts(fields: ImageEditFields, ours: dict[str, Any]) -> Iterator[FieldError]:
    """Yield what is wrong with fields that are right by themselves."""
    strength = ours.get("strength", ours.get("interpolation"))
    if strength is not None and fields.n is not None:
        count = len(strength) if isinstance(strength, list) else 1
        if count != fields.n:
            detail = f"Leave it out: `strength` already says how many images, {count}."
            yield FieldError(pointer="/n", detail=detail)
    if fields.partial_images and not fields.stream:
        detail = "Send it with `stream`; other answers have finished images only."
        yield FieldError(pointer="/partial_images", detail=detail)
    if fields.stream and fields.response_format == "url":
        detail = "Leave it out: the events of `stream` carry the images themselves."
        yield FieldError(pointer="/response_format", detail=detail)
    metadata = ours.get("metadata")
    for name in fields.metadata:
        if isinstance(metadata, dict) and name in metadata:
            detail = f"Given twice: here and in `metadata`. Leave out `metadata.{name}`."
            yield FieldError(pointer=pointer([name]), detail=detail)


def _submission(parsed: ParsedSubmission, fields: ImageEditFields) -> ParsedSubmission:
    """Return a submission with what the other fields say of the edit."""
    updates: dict[str, Any] = {}
    if fields.output_compression is not None:
        updates["quality"] = max(1, fields.output_compression)  # 0 is the encoder's lowest, too
    if fields.partial_images:
        updates["previews"] = True
    return replace(
        parsed,
        fields=parsed.fields.model_copy(update=updates),
        variations=1 if parsed.fields.strength is not None else fields.n or 1,
        size=fields.size,
    )
