"""An edit as its caller sees it: the public resource and its parts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from core.schema.base import FormerName, ShowsStrength, Strict, Unit
from core.schema.params import Params
from core.schema.status import EditStatus, Priority, Stage


class InputImage(Strict):
    """The input image, measured after its EXIF rotation was applied."""

    width: int
    height: int
    content_type: str
    sha256: str


class Output(ShowsStrength):
    """One edited image."""

    strength: float
    interpolation: FormerName[float]
    url: str
    width: int
    height: int
    content_type: str
    sha256: str
    bytes: int


class Artifacts(Strict):
    """Addresses of images that show how the edit came about."""

    photo: str | None = Field(None, description="the photo as it was read: upright, in sRGB")
    reconstruction: str | None = Field(None, description="the photo, rebuilt from its inversion")
    transition: str | None = Field(None, description="the branch between the photo and the edit")
    attention: str | None = Field(None, description="where each word of the prompt acted")
    mask: str | None = Field(None, description="white where the first output shows the edit")


class Metrics(Strict):
    """What the edit took."""

    queue_seconds: float | None = None
    run_seconds: float | None = None
    stage_seconds: dict[Stage, float] = Field(default_factory=dict)
    reconstruction_psnr: float | None = Field(None, description="dB, at the model's working size")
    inner_steps: int | None = Field(None, description="tuning (TTIS) steps spent")
    inversion_reused: bool = False
    attempts: int = 0


class WarningCode(StrEnum):
    """Reasons why a succeeded edit may not show what its prompt says."""

    LOOKS_LIKE_INSTRUCTION = "looks_like_instruction"
    UNKNOWN_WORDS = "unknown_words"
    PROMPT_TRUNCATED = "prompt_truncated"
    OUTSIDE_THE_MODELS_WORLD = "outside_the_models_world"
    DETAIL_NOT_LEARNED = "detail_not_learned"
    TEXT_NOT_SHOWN = "text_not_shown"


class EditWarning(Strict):
    """A doubt about an edit that succeeded nevertheless: prompt, photo, parameter or output."""

    code: WarningCode = Field(description="more codes may come")
    detail: str = Field(description="for people: what happened and what to do about it")
    words: list[str] = Field(
        description="words of the prompt, in lower case, each once, at most 20: "
        "those unknown to the model, those it did not read, or the one that begins an "
        "instruction; none if the photo, a parameter or an output is in doubt"
    )


class Urls(Strict):
    """Addresses of the edit and of what can be done with it."""

    self: str
    cancel: str
    events: str = Field(description="signed: works without a key for an hour, as images' do")


class Edit(Strict):
    """The public resource."""

    id: str
    object: Literal["edit"] = "edit"
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = Field(
        None, description="once it has ended: when its record and its images are deleted"
    )
    status: EditStatus
    stage: Stage | None = None
    progress: Unit = 0.0
    queue_position: Annotated[int, Field(ge=0)] | None = Field(
        None, description="while queued: how many edits of the same model are claimed before it"
    )
    eta_seconds: Annotated[float, Field(ge=0)] | None = Field(
        None, description="until it ends, estimated from recent runs; null if unknown"
    )
    user: str | None = Field(
        None, description="whose token made it (POST /v1/tokens); null if a key did"
    )
    priority: Priority = Field(
        Priority.INTERACTIVE, description="batch: it lets interactive edits go first"
    )
    prompt: str
    model: str
    params: Params
    metadata: dict[str, str]
    input: InputImage
    outputs: list[Output] = Field(default_factory=list)
    artifacts: Artifacts | None = None
    warnings: list[EditWarning] = Field(
        default_factory=list, description="of a succeeded edit; often empty"
    )
    metrics: Metrics
    error: dict[str, Any] | None = None
    urls: Urls
