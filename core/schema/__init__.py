"""The models of the contract: requests, edits, their statuses, and problems.

Field names are those of the HTTP contract (docs/api.md). Models forbid unknown fields.
"""

from core.schema.base import FormerName, Strict, Trimmed, Unit, Url
from core.schema.batch import (
    LINES_PER_PAGE,
    MAX_BATCH_EDITS,
    Batch,
    BatchEvent,
    BatchPlace,
    BatchRecord,
    BatchResult,
    BatchStatus,
    BatchUrls,
    NewBatch,
    RequestCounts,
)
from core.schema.edit import (
    Artifacts,
    Edit,
    EditWarning,
    InputImage,
    Metrics,
    Output,
    Urls,
    WarningCode,
)
from core.schema.model import Model, ModelState, Size
from core.schema.params import (
    FINAL_EVENTS,
    Metadata,
    OutputFormat,
    Params,
    ParamsInput,
    PresetName,
    PresetValues,
    Prompt,
    WebhookEvent,
)
from core.schema.problem import FieldError, Problem
from core.schema.record import (
    KEEP_SECONDS,
    Record,
    Result,
    StoredImage,
    Submission,
    is_seen_by,
    owner_of,
)
from core.schema.status import LEGAL_MOVES, EditStatus, Priority, Stage

__all__ = [
    "FINAL_EVENTS",
    "KEEP_SECONDS",
    "LEGAL_MOVES",
    "LINES_PER_PAGE",
    "MAX_BATCH_EDITS",
    "Artifacts",
    "Batch",
    "BatchEvent",
    "BatchPlace",
    "BatchRecord",
    "BatchResult",
    "BatchStatus",
    "BatchUrls",
    "Edit",
    "EditStatus",
    "EditWarning",
    "FieldError",
    "FormerName",
    "InputImage",
    "Metadata",
    "Metrics",
    "Model",
    "ModelState",
    "NewBatch",
    "Output",
    "OutputFormat",
    "Params",
    "ParamsInput",
    "PresetName",
    "PresetValues",
    "Priority",
    "Problem",
    "Prompt",
    "Record",
    "RequestCounts",
    "Result",
    "Size",
    "Stage",
    "StoredImage",
    "Strict",
    "Submission",
    "Trimmed",
    "Unit",
    "Url",
    "Urls",
    "WarningCode",
    "WebhookEvent",
    "is_seen_by",
    "owner_of",
]
