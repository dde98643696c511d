"""The Python client of BARET: edit photos by a sentence, over HTTP.

    from baret_client import Client

    with Client("http://127.0.0.1:8000") as client:
        edit = client.edits.create("photo.jpg", prompt="a dog sitting on a beach")
        Path("after.png").write_bytes(edit.wait().image())

`AsyncClient` has the same methods to await. docs/client.md has the whole guide.

client       `Client` and `AsyncClient`
edits        what can be done with edits; `async_edits` has the same to await
flows        the logic that both share: generators of requests and pauses
arguments    the arguments that both share, as flows take them
stream       an edit's server-sent events
batches      what can be done with batches
uploads      the kinds of images that can be sent
webhooks     verification of webhooks
schema       the resources as dataclasses
errors       the error tree
"""

from baret_client.async_edits import AsyncEdit
from baret_client.client import AsyncClient, Client
from baret_client.edits import Edit
from baret_client.errors import (
    BatchNotEnded,
    ClientError,
    Conflict,
    EditCanceled,
    EditFailed,
    EditNotEnded,
    Expired,
    FetchFailed,
    Forbidden,
    IdempotencyMismatch,
    ImageTooLarge,
    InvalidImage,
    InvalidRequest,
    NotFinished,
    NotFound,
    NoWorker,
    ProblemError,
    QueueFull,
    QuotaExceeded,
    RateLimited,
    ServiceError,
    ServiceUnavailable,
    ServiceUnreachable,
    TokenSpent,
    Unauthenticated,
    UnsupportedImage,
    UrlNotAllowed,
    ValidationFailed,
    WebhookRejected,
)
from baret_client.schema import (
    Batch,
    BatchResult,
    EditData,
    EditParams,
    EditWarning,
    Event,
    FieldError,
    InputImage,
    Metrics,
    Model,
    Output,
    Problem,
    RequestCounts,
    SignedUpload,
    Token,
    WebhookSecret,
)
from baret_client.webhooks import WebhookEvent, verify_webhook

__all__ = [
    "AsyncClient",
    "AsyncEdit",
    "Batch",
    "BatchNotEnded",
    "BatchResult",
    "Client",
    "ClientError",
    "Conflict",
    "Edit",
    "EditCanceled",
    "EditData",
    "EditFailed",
    "EditNotEnded",
    "EditParams",
    "EditWarning",
    "Event",
    "Expired",
    "FetchFailed",
    "FieldError",
    "Forbidden",
    "IdempotencyMismatch",
    "ImageTooLarge",
    "InputImage",
    "InvalidImage",
    "InvalidRequest",
    "Metrics",
    "Model",
    "NoWorker",
    "NotFinished",
    "NotFound",
    "Output",
    "Problem",
    "ProblemError",
    "QueueFull",
    "QuotaExceeded",
    "RateLimited",
    "RequestCounts",
    "ServiceError",
    "ServiceUnavailable",
    "ServiceUnreachable",
    "SignedUpload",
    "Token",
    "TokenSpent",
    "Unauthenticated",
    "UnsupportedImage",
    "UrlNotAllowed",
    "ValidationFailed",
    "WebhookEvent",
    "WebhookRejected",
    "WebhookSecret",
    "verify_webhook",
]
