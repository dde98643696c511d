"""An edit's images as clients of OpenAI's API read them: one JSON object, or events."""

import base64
import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from fastapi.sse import format_sse_event
from PIL import Image
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from api.problems.errors import AddressUnknown
from api.problems.openai_errors import openai_error
from api.problems.types import NOT_FINISHED, WAIT_TIMEOUT
from api.responses.stored_images import load_image
from api.services import Services
from core.images.sandbox import SandboxControl
from core.problems import make_problem
from core.schema import Edit, EditStatus, EditWarning, OutputFormat, Problem, Record

# Nothing is counted in tokens here, but clients read these fields.
USAGE: dict[str, Any] = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}


class OpenAIImage(BaseModel):
    """One image: its bytes, or where they are."""

    b64_json: str | None = Field(None, description="with `response_format` `b64_json`")
    url: str | None = Field(None, description="with `response_format` `url`: signed for an hour")


class OpenAIImages(BaseModel):
    """The images of an edit, the strongest first if `n` asked for several."""

    created: int = Field(description="Unix time of the edit's end")
    data: list[OpenAIImage]
    output_format: OutputFormat
    size: str = Field(description="WIDTHxHEIGHT")
    usage: dict[str, Any] = Field(description="zeros: nothing is counted in tokens")
    warnings: list[EditWarning] = Field(description="of the edit; often empty")


class ImageEvent(BaseModel):
    """An event of a stream; an error comes as `error` with an object of that name."""

    type: Literal["image_edit.partial_image", "image_edit.completed"]
    b64_json: str
    created_at: int
    output_format: OutputFormat
    size: str
    background: Literal["auto"] = "auto"
    quality: Literal["auto"] = "auto"
    partial_image_index: int | None = Field(None, description="of an unfinished image")
    usage: dict[str, Any] | None = Field(None, description="of a finished image: zeros")

    def line(self) -> bytes:
        """Return the event as it is sent."""
        text = self.model_dump_json(exclude_none=True)
        return format_sse_event(event=self.type, data_str=text)


def images_head(edit: Edit) -> dict[str, Any]:
    """Return the answer's fields except the images."""
    head = OpenAIImages(
        created=int((edit.completed_at or datetime.now(UTC)).timestamp()),
        data=[],
        output_format=edit.params.output_format,
        size=f"{edit.input.width}x{edit.input.height}",
        usage=USAGE,
        warnings=edit.warnings,
    )
    return head.model_dump(mode="json", exclude={"data"})


def images_by_url(edit: Edit) -> dict[str, Any]:
    """Return the answer with the images' addresses."""
    return {**images_head(edit), "data": [{"url": one.url} for one in edit.outputs]}


async def images_inline(edit: Edit, images: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """Yield the answer with the images in base64, of which one at a time is in memory."""
    yield json.dumps(images_head(edit)).removesuffix("}").encode() + b', "data": ['
    separator = b""
    async for image in images:
        yield separator + b'{"b64_json": "' + image.encode() + b'"}'
        separator = b", "
    yield b"]}"


async def encoded_images(services: Services, record: Record, *, share: str) -> AsyncIterator[str]:
    """Yield the outputs of an edit in base64.

    Raises:
        AddressUnknown: one no longer exists.
        RateLimited, Overloaded, StoreUnavailable: as `load_image`.
    """
    for output in record.result.outputs if record.result else ():
        data = await load_image(services, record.submission.id, output.name, share=share)
        if data is None:
            raise AddressUnknown("This image no longer exists.")
        yield await run_in_threadpool(_text_of, data)


def _text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def failure_of(record: Record) -> Problem | None:
    """Return why an edit has no images: it failed, was canceled, or goes on after the wait."""
    edit_id = record.submission.id
    if record.status is EditStatus.SUCCEEDED:
        return None
    if record.status is EditStatus.FAILED and record.error:
        return Problem.model_validate(record.error)
    if record.status.final:
        kind, detail = NOT_FINISHED, f"The edit {edit_id} was canceled."
    else:
        kind = WAIT_TIMEOUT
        detail = (
            f"The edit {edit_id} has not ended yet and goes on. Get it from /v1/edits/{edit_id}, "
            "or send the request again if it had an Idempotency-Key."
        )
    return make_problem(kind.code, kind.title, status=kind.status, detail=detail)


# --- events


def completed(record: Record, image: str) -> bytes:
    """Return the event of a finished image in base64."""
    submission = record.submission
    event = ImageEvent(
        type="image_edit.completed",
        b64_json=image,
        created_at=int(datetime.now(UTC).timestamp()),
        output_format=submission.params.output_format,
        size=f"{submission.input.width}x{submission.input.height}",
        usage=USAGE,
    )
    return event.line()


def failed(problem: Problem) -> bytes:
    """Return the event of an error, which ends the stream."""
    error = openai_error(problem).model_dump()
    return format_sse_event(event="error", data_str=json.dumps({"type": "error", **error}))


@dataclass
class PartialImages:
    """Chooses, of all previews of the first output, so many as are wanted, evenly spread."""

    count: int
    _sent: int = 0
    _first: dict[str, Any] = field(default_factory=dict)

    def take(self, preview: dict[str, Any]) -> int | None:
        """Return the index that a preview is sent under; None if it is not sent."""
        first = self._first = self._first or preview
        if self._sent == self.count or preview["strength"] != first["strength"]:
            return None
        due = first["progress"] + (1 - first["progress"]) * self._sent / self.count
        if preview["progress"] < due:
            return None
        self._sent += 1
        return self._sent - 1


async def partial_image(
    services: Services, record: Record, preview: dict[str, Any], index: int, *, share: str
) -> bytes:
    """Return the event of an unfinished image, in the format of the edit's outputs."""
    params, model = record.submission.params, record.submission.model
    form = params.output_format
    data = base64.b64decode(preview["image"].partition(",")[2])

    def convert(control: SandboxControl) -> bytes:
        encode = partial(services.sandbox.encode, quality=params.quality, control=control)
        return encode(data, form, marking=services.marking, model=model)

    if form is not OutputFormat.WEBP:  # as which previews come
        data = await services.shares.encoding.run(share, convert, is_slow=False)
    event = ImageEvent(
        type="image_edit.partial_image",
        b64_json=_text_of(data),
        created_at=int(datetime.now(UTC).timestamp()),
        output_format=form,
        size="x".join(map(str, Image.open(io.BytesIO(data)).size)),
        partial_image_index=index,
    )
    return event.line()
