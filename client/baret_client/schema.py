"""The service's resources as frozen dataclasses.

Fields that a newer service adds are passed over; `EditData.json` has the whole answer.
"""

import base64
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self, TypedDict

Json = dict[str, Any]
Status = Literal["queued", "running", "succeeded", "failed", "canceled"]
Priority = Literal["interactive", "batch"]


class EditParams(TypedDict, total=False):
    """The parameters of an edit; docs/api.md has their ranges. Those left out take the defaults."""

    preset: str
    strength: float | Sequence[float]  # 0 keeps the photo, 1 follows the text; one output each
    self_attention_until: float
    cross_attention_until: float
    num_inference_steps: int
    guidance_scale: float
    inner_steps: int
    seed: int
    detail: Literal["off", "auto", "full"]
    output_format: Literal["png", "webp", "jpeg"]
    quality: int
    artifacts: bool
    previews: bool
    webhook_url: str
    webhook_events: Sequence[str]


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of a request."""

    pointer: str  # JSON pointer, such as /strength
    detail: str


@dataclass(frozen=True)
class Problem:
    """An error as the service reports it (RFC 9457)."""

    code: str
    title: str
    status: int  # HTTP
    detail: str  # what to do
    type: str = ""  # address of a page that explains it
    errors: tuple[FieldError, ...] = ()

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Read a problem object."""
        errors = tuple(FieldError(one["pointer"], one["detail"]) for one in data.get("errors", ()))
        return cls(**_known(cls, data) | {"errors": errors})


@dataclass(frozen=True)
class InputImage:
    """The photo of an edit, as shown: turned and cropped."""

    width: int
    height: int
    content_type: str
    sha256: str  # of the bytes that were sent


@dataclass(frozen=True)
class Output:
    """One edited image."""

    strength: float
    url: str  # signed: needs no key, valid for an hour
    width: int
    height: int
    content_type: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class EditWarning:
    """Why the images may not show what the prompt says."""

    code: str
    detail: str  # a sentence for the prompt's author
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Metrics:
    """What an edit took."""

    queue_seconds: float | None = None
    run_seconds: float | None = None
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    reconstruction_psnr: float | None = None  # dB
    inner_steps: int | None = None
    inversion_reused: bool = False
    attempts: int = 0


@dataclass(frozen=True, kw_only=True)
class EditData:
    """An edit as the service returned it. It does not change: ask again to see it later."""

    id: str
    created_at: datetime
    status: Status
    user: str | None = None  # whose token made it; None if a key did
    prompt: str
    model: str
    params: Mapping[str, Any]
    metadata: Mapping[str, str]
    input: InputImage
    metrics: Metrics
    urls: Mapping[str, str]
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    stage: str | None = None  # while running
    progress: float = 0.0  # 0–1
    queue_position: int | None = None  # edits ahead of it, while queued
    eta_seconds: float | None = None  # until it ends, if known
    priority: Priority = "interactive"
    outputs: tuple[Output, ...] = ()  # one per strength
    artifacts: Mapping[str, str] = field(default_factory=dict)  # kind → signed address
    warnings: tuple[EditWarning, ...] = ()
    error: Problem | None = None
    json: Json = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """Whether it has succeeded, failed or been canceled."""
        return self.status in ("succeeded", "failed", "canceled")

    @classmethod
    def from_json(cls, data: Json, **more: Any) -> Self:
        """Read an edit; `more` are fields of a subclass."""
        times = ("created_at", "started_at", "completed_at", "expires_at")
        read = {name: _time(data.get(name)) for name in times} | {
            "input": InputImage(**_known(InputImage, data["input"])),
            "metrics": Metrics(**_known(Metrics, data["metrics"])),
            "outputs": tuple(Output(**_known(Output, one)) for one in data["outputs"]),
            "artifacts": {k: url for k, url in (data["artifacts"] or {}).items() if url},
            "warnings": tuple(
                EditWarning(one["code"], one["detail"], tuple(one["words"]))
                for one in data["warnings"]
            ),
            "error": Problem.from_json(data["error"]) if data["error"] else None,
            "json": data,
        }
        return cls(**_known(cls, data) | read | more)


@dataclass(frozen=True)
class Model:
    """A model that the service has, or had, a worker for."""

    id: str
    default: bool
    state: str  # "ready"; or "loading", "sleeping" or "failed": then edits wait
    native_size: tuple[int, int]  # width, height in pixels
    licence: str
    default_parameters: Mapping[str, Any]
    presets: Mapping[str, Mapping[str, Any]]
    json: Json = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Read a model."""
        size = data["native_size"]
        own = {"native_size": (size["width"], size["height"]), "json": data}
        # An older service lists no other models than ready ones.
        return cls(**{"state": "ready", **_known(cls, data), **own})


@dataclass(frozen=True)
class WebhookSecret:
    """The secret that signs the caller's webhooks."""

    secret: str
    previous_expires_at: datetime | None  # until when a replaced one signs too

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Read a secret."""
        return cls(data["secret"], _time(data["previous_expires_at"]))


@dataclass(frozen=True)
class Token:
    """A token with which one of the caller's users makes and sees edits of their own."""

    id: str
    token: str = field(repr=False)  # to send as a key
    user: str
    edits: int | None  # that it may make
    expires_at: datetime

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Read a token."""
        return cls(**_known(cls, data) | {"expires_at": _time(data["expires_at"])})


@dataclass(frozen=True)
class SignedUpload:
    """Where to send one image, ahead of its edit and without a key."""

    id: str
    url: str = field(repr=False)  # whoever has it can send an image
    method: str
    headers: dict[str, str]  # to be sent with the image
    max_bytes: int
    expires_at: datetime  # until when the URL works, and an edit may use the image

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Read an upload."""
        return cls(**_known(cls, data) | {"expires_at": _time(data["expires_at"])})


@dataclass(frozen=True)
class RequestCounts:
    """How many edits of a batch have ended."""

    total: int
    completed: int  # succeeded
    failed: int  # or were not accepted
    canceled: int


@dataclass(frozen=True)
class Batch:
    """A batch of edits."""

    id: str
    status: str  # "in_progress", "canceling"; "completed", "canceled" or "expired" once it ended
    created_at: datetime
    started_at: datetime | None  # when its first edit was queued
    canceling_at: datetime | None
    completed_at: datetime | None  # when its last edit ended
    deadline_at: datetime  # what has not ended by then is canceled
    expires_at: datetime | None  # when it is deleted
    request_counts: RequestCounts
    progress: float
    eta_seconds: float | None
    blocked: Problem | None  # why its next edit cannot be queued now
    webhook_url: str | None
    metadata: Mapping[str, str]
    urls: Mapping[str, str]
    json: Json = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """Whether all of its edits have ended."""
        return self.completed_at is not None

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Read a batch."""
        times = ("created", "started", "canceling", "completed", "deadline", "expires")
        read = {f"{name}_at": _time(data[f"{name}_at"]) for name in times} | {
            "request_counts": RequestCounts(**_known(RequestCounts, data["request_counts"])),
            "blocked": Problem.from_json(data["blocked"]) if data["blocked"] else None,
            "json": data,
        }
        return cls(**_known(cls, data) | read)


@dataclass(frozen=True)
class BatchResult:
    """What became of one edit of a batch."""

    index: int  # its place in the batch
    custom_id: str | None
    edit: EditData | None  # None if it was not accepted, or has been deleted
    error: Problem | None  # why there is no image
    json: Json = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> Self:
        """Read a line of a batch's results."""
        edit, error = data["edit"], data["error"]
        read = {
            "edit": EditData.from_json(edit) if edit else None,
            "error": Problem.from_json(error) if error else None,
            "json": data,
        }
        return cls(**_known(cls, data) | read)


@dataclass(frozen=True)
class Event:
    """One event of an edit's stream: `status`, `progress`, `preview` or `done`."""

    type: str
    data: Json
    id: str

    @property
    def preview(self) -> bytes | None:
        """The small WebP image of a `preview`; None in other events."""
        _, _, encoded = str(self.data.get("image", "")).partition(",")
        return base64.b64decode(encoded) if self.type == "preview" else None


def _known(cls: type, data: Json) -> Json:
    """Return the values of the fields that a dataclass has."""
    names = {one.name for one in dataclasses.fields(cls)}
    return {name: value for name, value in data.items() if name in names}


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
