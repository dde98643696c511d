"""Parsing a batch: a list of edits as JSON or JSON lines, each validated before any is accepted.

A line is the body of `POST /v1/edits` in JSON, or that body inside the line of OpenAI's Batch API.
What can be checked without fetching or waiting is checked here; the rest when an edit's turn comes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import BeforeValidator, Field, StringConstraints, ValidationError
from starlette.concurrency import run_in_threadpool

from api.auth import Caller
from api.problems.errors import (
    FieldProblem,
    InvalidRequest,
    ValidationFailed,
    blame_field,
    field_failure,
)
from api.problems.field_errors import body_errors
from api.server.memory_limiter import Reservation
from api.services import Services
from api.submission.accept import check_webhook, choose_model, known_models, resolved_params
from api.submission.body import JSON, MULTIPART, bounded, parse_json
from api.submission.form import Form, read_form
from api.submission.parsing import MAX_ERRORS, CreateEditRequest, RawBody, validated
from core.errors import AddressNotAllowed
from core.outbound.ip_policy import check_url
from core.schema import MAX_BATCH_EDITS, FieldError, Metadata, Model, Priority, Strict, Url

JSON_LINES = ("application/jsonl", "application/x-ndjson")
MAX_BATCH_BYTES = 20_000_000
MAX_LINE_BYTES = 64 * 1024
MAX_VALUES = 400_000  # of the JSON form: forty for each edit
HINT = "Name photos by `url`, `upload` or `source`, or send several batches."
MAX_BODY_BYTES = dict.fromkeys((JSON, *JSON_LINES, MULTIPART), MAX_BATCH_BYTES)

CustomId = Annotated[str, StringConstraints(min_length=1, max_length=512)]


def _as_sent(value: object) -> object:
    """Return a value as it was sent: each line is validated by itself, later."""
    return value


_EDIT = BeforeValidator(_as_sent, json_schema_input_type=CreateEditRequest)


class BatchLine(Strict):
    """An edit of a batch as OpenAI's Batch API writes it."""

    custom_id: CustomId = Field(description="your name for the edit, once in a batch")
    method: Literal["POST"] = Field("POST", description="always `POST`")
    url: Literal["/v1/edits"] = Field("/v1/edits", description="always `/v1/edits`")
    body: Annotated[dict[str, Any], _EDIT] = Field(description="as for `POST /v1/edits` in JSON")


_LINE = BeforeValidator(_as_sent, json_schema_input_type=CreateEditRequest | BatchLine)


class CreateBatchRequest(Strict):
    """The fields of a batch in JSON."""

    edits: Annotated[
        list[Annotated[Any, _LINE]], Field(min_length=1, max_length=MAX_BATCH_EDITS)
    ] = Field(description="bodies of `POST /v1/edits`, or lines of OpenAI's Batch API")
    webhook_url: Url | None = Field(None, description="address that is called when the batch ends")
    metadata: Metadata = Field(default_factory=dict, description="your own keys and values, flat")


@dataclass(frozen=True)
class RawLine:
    """A line as sent: its place for errors, and its text or its JSON."""

    pointer: str
    prefix: str  # of what is said of an error
    value: Any = None
    text: bytes | None = None


@dataclass(frozen=True)
class ParsedBatch:
    """A validated batch; `lines` are as they will be stored, JSON each."""

    lines: list[bytes]
    webhook_url: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Return a hash of the batch, independent of the form it was sent in."""
        digest = hashlib.sha256(json.dumps([self.webhook_url, self.metadata]).encode())
        for line in self.lines:
            digest.update(b"\n" + line)
        return f"batch {digest.hexdigest()}"


async def parse_batch(
    request: Request, services: Services, caller: Caller, reservation: Reservation
) -> ParsedBatch:
    """Read and validate the body of a POST of a batch.

    Raises:
        MediaTypeUnsupported, BodyTooLarge, InvalidRequest, Overloaded: the body cannot be read.
        ValidationFailed: fields are wrong; it names the first of them, by line and field.
        NoWorker, StoreFull: no edit could be accepted.
        FieldProblem: the batch's webhook is not allowed.
    """
    media_type, request = bounded(
        request, services.body_timeouts, reservation, accepted=MAX_BODY_BYTES, hint=HINT
    )
    if media_type == MULTIPART:
        fields, lines = _of_form(await read_form(request))
    elif media_type == JSON:
        fields, lines = await run_in_threadpool(_of_json, await request.body())
    else:
        fields, lines = {"edits": [None]}, _of_text(await request.body())
    return await run_in_threadpool(_validated, fields, lines, services, caller)


def _of_json(body: bytes) -> tuple[dict[str, Any], Iterable[RawLine]]:
    fields = parse_json(body, max_values=MAX_VALUES)
    if not isinstance(fields, dict):
        raise field_failure("", "Send a JSON object, or JSON lines as `application/jsonl`.")
    fields = {name: value for name, value in fields.items() if value is not None}
    edits = fields.get("edits")
    if not isinstance(edits, list):
        return fields, ()
    lines = (RawLine(f"/edits/{number}", "", value) for number, value in enumerate(edits))
    return fields, lines


def _of_form(form: Form) -> tuple[dict[str, Any], Iterable[RawLine]]:
    """Return the fields of a form, and the lines of its `file`."""
    fields: dict[str, Any] = {}
    for part in form.parts:
        if part.name in fields or (part.name == "file" and "edits" in fields):
            raise field_failure(f"/{part.name}", "Given more than once.")
        if part.name == "file":
            fields["edits"], lines = [None], _of_text(part.content())
        elif part.name == "metadata":
            fields["metadata"] = parse_json(part.text(form.charset))
        else:
            fields[part.name] = part.text(form.charset)
    if "edits" not in fields:
        raise field_failure("/file", "Send the edits as a file of JSON lines.")
    return fields, lines


def _of_text(text: bytes) -> Iterator[RawLine]:
    """Yield the lines of JSON lines that are not blank."""
    for number, line in enumerate(text.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if line.strip():
            yield RawLine(f"/{number - 1}", f"Line {number}: ", text=line)


def _validated(
    fields: dict[str, Any], lines: Iterable[RawLine], services: Services, caller: Caller
) -> ParsedBatch:
    """Validate a batch and each of its lines, up to `MAX_ERRORS` wrong ones.

    Raises:
        as `parse_batch`.
    """
    try:
        outer = CreateBatchRequest.model_validate(fields)
    except ValidationError as error:
        raise ValidationFailed(body_errors(error, fields, set())[:MAX_ERRORS]) from error
    if outer.webhook_url is not None:
        with blame_field("/webhook_url", AddressNotAllowed):
            check_url(outer.webhook_url, services.ip_policy)
    check = _LineCheck(services, caller, known_models(services))
    found: list[bytes] = []
    errors: list[FieldError] = []
    for line in islice(lines, MAX_BATCH_EDITS + 1):
        try:
            found.append(check.stored(line))
        except ValidationFailed as error:
            errors += [
                FieldError(pointer=line.pointer + one.pointer, detail=line.prefix + one.detail)
                for one in error.errors
            ]
        if len(errors) >= MAX_ERRORS:
            break
    if errors:
        raise ValidationFailed(errors[:MAX_ERRORS])
    if not 1 <= len(found) <= MAX_BATCH_EDITS:
        raise field_failure("", f"Send 1 to {MAX_BATCH_EDITS} edits, a line for each.")
    return ParsedBatch(found, outer.webhook_url, outer.metadata)


class _LineCheck:
    """Checks the lines of one batch."""

    def __init__(self, services: Services, caller: Caller, known: Mapping[str, Model]):
        self._services, self._caller, self._known = services, caller, known
        self._custom_ids: set[str] = set()

    def stored(self, line: RawLine) -> bytes:
        """Return a line as it is stored.

        Raises:
            ValidationFailed: the line is wrong; pointers are relative to it.
            NoWorker: no model was ever announced.
        """
        value = line.value
        if line.text is not None:
            _check_length(line.text)
            try:
                value = parse_json(line.text)
            except InvalidRequest as error:
                raise field_failure("", str(error)) from error
        if not isinstance(value, dict):
            raise field_failure("", "Send a JSON object.")
        custom_id, place, body = None, "", value
        if "body" in value or "custom_id" in value:
            custom_id, place, body = self._custom_id(value), "/body", value["body"]
        try:
            self._check_edit(body)
        except (ValidationFailed, FieldProblem) as error:
            raise ValidationFailed(
                [FieldError(pointer=place + one.pointer, detail=one.detail) for one in error.errors]
            ) from error
        body = {**body, "priority": Priority.BATCH.value}
        text = json.dumps({"custom_id": custom_id, "body": body}, separators=(",", ":")).encode()
        _check_length(text)
        return text

    def _custom_id(self, value: dict[str, Any]) -> str:
        """Return the name that OpenAI's form of a line gives its edit."""
        try:
            given = {name: part for name, part in value.items() if part is not None}
            custom_id = BatchLine.model_validate(given).custom_id
        except ValidationError as error:
            raise ValidationFailed(body_errors(error, value, set())) from error
        if custom_id in self._custom_ids:
            raise field_failure("/custom_id", "An earlier edit of this batch has the same one.")
        self._custom_ids.add(custom_id)
        return custom_id

    def _check_edit(self, body: dict[str, Any]) -> None:
        """Check a body as `POST /v1/edits` does, as far as that fetches nothing."""
        parsed = validated(RawBody(body))
        if body.get("priority") not in (None, Priority.BATCH.value):
            raise field_failure("/priority", "Edits of a batch have the priority `batch`.")
        check_webhook(parsed, self._services, self._caller)
        image = parsed.fields.image
        if image is not None and image.url is not None:
            with blame_field(parsed.image_pointer, AddressNotAllowed):
                check_url(image.url, self._services.ip_policy)
        model = choose_model(self._services, self._known, parsed.fields)
        resolved_params(parsed, model)


def _check_length(text: bytes) -> None:
    if len(text) > MAX_LINE_BYTES:
        raise field_failure("", f"A line may have at most {MAX_LINE_BYTES} bytes. {HINT}")
