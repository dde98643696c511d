"""What an edit is: the public resource, what may be asked, and the status machine.

Field names are those of the HTTP contract (docs/api.md). Every model here forbids unknown fields.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints


class EditStatus(StrEnum):
    """Where an edit stands. `LEGAL_MOVES` says what may follow what."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return not LEGAL_MOVES[self]


LEGAL_MOVES: dict[EditStatus, frozenset[EditStatus]] = {
    EditStatus.QUEUED: frozenset({EditStatus.RUNNING, EditStatus.CANCELED, EditStatus.FAILED}),
    # Back to queued: only when the attempt's lease has run out (its worker is lost).
    EditStatus.RUNNING: frozenset(
        {EditStatus.QUEUED, EditStatus.SUCCEEDED, EditStatus.FAILED, EditStatus.CANCELED}
    ),
    EditStatus.SUCCEEDED: frozenset(),
    EditStatus.FAILED: frozenset(),
    EditStatus.CANCELED: frozenset(),
}


class Stage(StrEnum):
    """What a running edit is doing, in order."""

    LOADING = "loading"
    INVERTING = "inverting"
    TUNING = "tuning"
    EDITING = "editing"
    DECODING = "decoding"


class Preset(StrEnum):
    """Named settings of interpolation and injection windows."""

    AUTO = "auto"
    NON_RIGID = "non_rigid"
    OBJECT = "object"
    STYLE = "style"
    BACKGROUND = "background"


class OutputFormat(StrEnum):
    """Encodings an output can have."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"

    @property
    def content_type(self) -> str:
        """The media type."""
        return f"image/{self.value}"


class WebhookEvent(StrEnum):
    """Events a webhook can ask for."""

    STARTED = "edit.started"
    PROGRESS = "edit.progress"
    SUCCEEDED = "edit.succeeded"
    FAILED = "edit.failed"
    CANCELED = "edit.canceled"


KEEP_SECONDS = 4 * 24 * 3600.0  # that an ended edit is kept, where the operator says nothing

FINAL_EVENTS = (WebhookEvent.SUCCEEDED, WebhookEvent.FAILED, WebhookEvent.CANCELED)

Unit = Annotated[float, Field(ge=0, le=1)]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Metadata = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=512)],
        Annotated[str, StringConstraints(max_length=512)],
    ],
    Field(max_length=16),
]


class Strict(BaseModel):
    """Unknown fields are errors: a misspelt parameter must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


class ParamsInput(Strict):
    """Parameters as a caller gives them; `None` is filled in by the preset."""

    preset: Preset = Preset.AUTO
    interpolation: Unit | Annotated[list[Unit], Field(min_length=1, max_length=8)] | None = Field(
        None, description="η: 0 keeps the photo, 1 follows the text; each value is one output"
    )
    self_attention_until: Unit | None = Field(None, description="τ_s, share of the steps")
    cross_attention_until: Unit | None = Field(None, description="τ_c, share of the steps")
    num_inference_steps: Annotated[int, Field(ge=10, le=100)] = 50
    guidance_scale: Annotated[float, Field(ge=1, le=20)] = 7.5
    inner_steps: Annotated[int, Field(ge=0, le=50)] = Field(
        10, description="most TTIS optimisation steps a timestep"
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    output_format: OutputFormat = OutputFormat.PNG
    quality: Annotated[int, Field(ge=1, le=100)] = 95
    artifacts: bool = False
    previews: bool = False
    webhook_url: Annotated[str, StringConstraints(max_length=2048)] | None = None
    webhook_events: Annotated[list[WebhookEvent], Field(min_length=1)] = Field(
        default_factory=lambda: list(FINAL_EVENTS)
    )


class PresetValues(Strict):
    """What a preset fills in."""

    interpolation: Unit
    self_attention_until: Unit
    cross_attention_until: Unit


class Params(ParamsInput):
    """Parameters with every default filled in, as stored and shown."""

    interpolation: Unit | Annotated[list[Unit], Field(min_length=1, max_length=8)]
    self_attention_until: Unit
    cross_attention_until: Unit

    @classmethod
    def resolve(cls, asked: ParamsInput, presets: dict[Preset, PresetValues]) -> Self:
        """Fill in what the preset decides; what was given wins."""
        values = presets[asked.preset].model_dump() | asked.model_dump(exclude_none=True)
        return cls.model_validate(values)

    @property
    def interpolations(self) -> tuple[float, ...]:
        """One value per requested output, in the order asked."""
        value = self.interpolation
        return tuple(value) if isinstance(value, list) else (value,)

    @property
    def work(self) -> float:
        """What the edit costs beside others, roughly, in rows of the UNet."""
        rows = 2 + 2.1 * self.inner_steps + 5 * len(self.interpolations)
        return self.num_inference_steps * rows


class InputImage(Strict):
    """The picture as understood: EXIF-rotated."""

    width: int
    height: int
    content_type: str
    sha256: str


class Output(Strict):
    """One edited picture."""

    interpolation: float
    url: str
    width: int
    height: int
    content_type: str
    sha256: str
    bytes: int


class StoredImage(Strict):
    """A picture in the object store: an output before its address is signed, or an artifact."""

    name: str
    interpolation: float | None = None
    width: int
    height: int
    content_type: str
    sha256: str
    bytes: int


class Artifacts(Strict):
    """Addresses of what shows how the edit came about."""

    reconstruction: str | None = None
    transition: str | None = None
    attention: str | None = None


class Metrics(Strict):
    """What the edit took."""

    queue_seconds: float | None = None
    run_seconds: float | None = None
    stage_seconds: dict[Stage, float] = Field(default_factory=dict)
    reconstruction_psnr: float | None = Field(None, description="dB, at the model's working size")
    inner_steps: int | None = Field(
        None, description="TTIS optimisation steps spent, all timesteps"
    )
    inversion_reused: bool = False
    attempts: int = 0


class WarningCode(StrEnum):
    """Why a succeeded edit may not show what its prompt says."""

    UNKNOWN_WORDS = "unknown_words"
    PROMPT_TRUNCATED = "prompt_truncated"


class EditWarning(Strict):
    """Something about the prompt that its author should know; the edit was made all the same."""

    code: WarningCode = Field(description="more codes may come")
    detail: str = Field(description="for people: what happened and what to do about it")
    words: list[str] = Field(
        description="of the prompt, in lower case, each once, at most 20: "
        "those unknown to the model, or those it did not read"
    )


class FieldError(Strict):
    """One thing wrong with a request."""

    pointer: str = Field(description="JSON pointer (RFC 6901) into the request body")
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    errors: list[FieldError] | None = None


class Urls(Strict):
    """Where to go from here."""

    self: str
    cancel: str
    events: str


class Edit(Strict):
    """The public resource."""

    id: str
    object: Literal["edit"] = "edit"
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = Field(
        None, description="once it has ended: when record and pictures are deleted"
    )
    status: EditStatus
    stage: Stage | None = None
    progress: Unit = 0.0
    queue_position: Annotated[int, Field(ge=0)] | None = Field(
        None, description="while queued: how many edits of the same model are before it"
    )
    eta_seconds: Annotated[float, Field(ge=0)] | None = Field(
        None, description="while queued or running: until its end, by recent runs; null if unknown"
    )
    prompt: str
    model: str
    params: Params
    metadata: dict[str, str]
    input: InputImage
    outputs: list[Output] = Field(default_factory=list)
    artifacts: Artifacts | None = None
    warnings: list[EditWarning] = Field(
        default_factory=list, description="on success; empty where there is nothing to say"
    )
    metrics: Metrics
    error: dict[str, Any] | None = None
    urls: Urls


class Submission(Strict):
    """What does not change about an edit, from its acceptance on."""

    id: str
    created_at: datetime
    caller: str
    base_url: str = Field(
        description="the service's public address, else the one the caller used, for webhooks"
    )
    prompt: str
    model: str
    params: Params
    metadata: dict[str, str]
    input: InputImage
    keep_seconds: float = Field(KEEP_SECONDS, description="from its end until it expires")
    traceparent: str | None = Field(None, description="the request's span, where traces are kept")


class Result(Strict):
    """What a worker hands in with the final status."""

    outputs: list[StoredImage] = Field(default_factory=list)
    artifacts: dict[str, StoredImage] = Field(default_factory=dict)
    warnings: list[EditWarning] = Field(default_factory=list)
    metrics: Metrics = Field(default_factory=Metrics)


class Record(Strict):
    """An edit as the store holds it."""

    submission: Submission
    status: EditStatus
    stage: Stage | None = None
    progress: Unit = 0.0
    attempt: int = 0
    queued_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    result: Result | None = None
    error: dict[str, Any] | None = None
    version: int = 0


class Size(Strict):
    """Pixels."""

    width: int
    height: int


class Model(Strict):
    """A model that workers serve, as they announce it."""

    id: str
    object: Literal["model"] = "model"
    default: bool = False
    native_size: Size
    licence: str
    default_parameters: dict[str, Any] = Field(description="of a request that gives none")
    presets: dict[Preset, PresetValues]
