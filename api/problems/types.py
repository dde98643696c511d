"""The one table from an error's class to its status, code, title and help text."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.problems import errors as api_errors
from core import errors as core_errors


@dataclass(frozen=True)
class ProblemType:
    """A kind of problem (RFC 9457)."""

    status: int
    code: str
    title: str
    help: str  # for the page at the problem's `type`
    retry_after: int | None = None  # seconds, unless the error knows better
    headers: Mapping[str, str] = field(default_factory=dict)


INVALID_REQUEST = ProblemType(
    400,
    "invalid_request",
    "The request cannot be read",
    "Send well-formed JSON or multipart/form-data, and cursors as you received them.",
)
INVALID_IMAGE = ProblemType(
    400,
    "invalid_image",
    "The image cannot be read",
    "The file is empty, truncated, broken or animated. Send one complete still image.",
)
UNAUTHENTICATED = ProblemType(
    401,
    "unauthenticated",
    "A valid key is required",
    "Send `Authorization: Bearer baret_sk_…` with a complete key that is not revoked, or a token "
    "(`baret_tk_…`) that has not expired. The service's operator creates keys with "
    "`baret keys create`.",
    headers={"WWW-Authenticate": "Bearer"},
)
FORBIDDEN = ProblemType(
    403,
    "forbidden",
    "Not allowed",
    "A token (`baret_tk_…`) makes edits without webhooks and sees its user's alone; everything "
    "else needs a key, and /metrics one that was created with `--metrics`. A service without keys "
    "makes no tokens and answers only its own web pages, under loopback's names and those in "
    "BARET_ALLOWED_HOSTS and BARET_PUBLIC_URL. To call it from elsewhere, create a key and send "
    "it.",
)
TOKEN_SPENT = ProblemType(
    403,
    "token_spent",
    "The token has made all its edits",
    "It still shows the edits that it made. To make more, request a new token.",
)
QUOTA_EXCEEDED = ProblemType(
    403,
    "quota_exceeded",
    "Your edits take too much space",
    "The images or records of your edits take as many bytes as the operator allows for one key. "
    "Delete edits that you no longer need, or wait until some expire. An image that is sent once "
    "and named as `source` afterwards counts once.",
)
NOT_FOUND = ProblemType(
    404,
    "not_found",
    "Not found",
    "Check the address and the id. Another caller's edit gets the same answer.",
)
EXPIRED = ProblemType(
    410,
    "expired",
    "The edit has expired",
    "Edits are deleted at their `expires_at`. Download images sooner, or create the edit again.",
)
DELETED = ProblemType(
    410,
    "deleted",
    "The edit was deleted",
    "The edit that was made with this Idempotency-Key has been deleted. Use a new key to make "
    "another edit.",
)
METHOD_NOT_ALLOWED = ProblemType(
    405,
    "method_not_allowed",
    "Method not allowed",
    "The `Allow` header lists the methods of this address.",
)
NOT_FINISHED = ProblemType(
    409,
    "not_finished",
    "The edit has no image",
    "Wait until its status is `succeeded`; a failed or canceled edit never has one.",
)
UPLOAD_USED = ProblemType(
    409,
    "upload_used",
    "Another image was sent to this upload",
    "An upload takes one image, which may be sent again if its answer was lost. Create a new "
    "upload for another one.",
)
IDEMPOTENCY_IN_PROGRESS = ProblemType(
    409,
    "idempotency_in_progress",
    "The first request with this Idempotency-Key is still in progress",
    "Send it again, unchanged, after the time in `Retry-After`.",
    retry_after=1,
)
IMAGE_TOO_LARGE = ProblemType(
    413,
    "image_too_large",
    "The image is too large",
    "The limits are 20 MB and 50.5 megapixels. Make the image smaller.",
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    415,
    "unsupported_media_type",
    "Unsupported format",
    "Images: JPEG, PNG, WebP, HEIC/HEIF or AVIF, judged by content, not by name. "
    "Bodies: multipart/form-data or application/json.",
)
VALIDATION_ERROR = ProblemType(
    422,
    "validation_error",
    "Some fields are not valid",
    "`errors` names each wrong field by a JSON pointer and says what it accepts.",
)
URL_NOT_ALLOWED = ProblemType(
    422,
    "url_not_allowed",
    "The URL is not allowed",
    "Give an http:// or https:// URL to a public address, without credentials. "
    "The operator can allow private networks with BARET_ALLOW_NETWORKS.",
)
FETCH_FAILED = ProblemType(
    422,
    "fetch_failed",
    "The image could not be fetched",
    "The URL must answer 200 with the image itself, without a redirect, within seconds. "
    "Or send the image in the request.",
)
IDEMPOTENCY_MISMATCH = ProblemType(
    422,
    "idempotency_mismatch",
    "The Idempotency-Key was used with a different body",
    "Use a new key for each new edit, and the same key only to send the same body again.",
)
RATE_LIMITED = ProblemType(
    429,
    "rate_limited",
    "Too many requests",
    "The key has made too many requests within a minute, or has too many edits in flight, or is "
    "fetching too many images from slow URLs, or its requests use up the caller's share of what "
    "all use together. Try again after the time in `Retry-After`; `RateLimit` says how many "
    "requests are left.",
    retry_after=30,
)
INTERNAL_ERROR = ProblemType(
    500,
    "internal_error",
    "Internal error",
    "The service has logged the error under the answer's X-Request-Id. Trying again may help.",
)
QUEUE_FULL = ProblemType(
    503,
    "queue_full",
    "The queue is full",
    "The edit was not accepted. Try again after the time in `Retry-After`.",
    retry_after=30,
)
NO_WORKER = ProblemType(
    503,
    "no_worker",
    "No worker has started yet",
    "No worker has announced a model since the service was set up. Start one and try again.",
    retry_after=10,
)
UNAVAILABLE = ProblemType(
    503,
    "unavailable",
    "Service unavailable",
    "A part of the service does not answer, or all callers together ask for too much. Try again "
    "after the time in `Retry-After`; /readyz names what is missing.",
    retry_after=5,
)

CANCELED = ProblemType(
    409,
    "canceled",
    "The edit was canceled",
    "The edit was canceled by its caller, or its batch was before this edit had ended. Send it "
    "again if you need it.",
)
WAIT_TIMEOUT = ProblemType(
    504,
    "wait_timeout",
    "The edit has not ended yet",
    "The request waited as long as it may for an edit, which goes on. Get the edit by its id, or "
    "send the request again with the Idempotency-Key that it had. To see how far an edit is, "
    "use `POST /v1/edits` and its events, or `stream`.",
)

PROBLEM_TYPES: dict[type[Exception], ProblemType] = {
    api_errors.Unauthenticated: UNAUTHENTICATED,
    api_errors.Forbidden: FORBIDDEN,
    api_errors.RateLimited: RATE_LIMITED,
    api_errors.InvalidRequest: INVALID_REQUEST,
    api_errors.ValidationFailed: VALIDATION_ERROR,
    api_errors.BodyTooLarge: IMAGE_TOO_LARGE,
    api_errors.MediaTypeUnsupported: UNSUPPORTED_MEDIA_TYPE,
    api_errors.AddressUnknown: NOT_FOUND,
    api_errors.NotFinished: NOT_FINISHED,
    api_errors.NotReady: UNAVAILABLE,
    api_errors.Overloaded: UNAVAILABLE,
    core_errors.EditNotFound: NOT_FOUND,
    core_errors.KeyMalformed: UNAUTHENTICATED,
    core_errors.KeyUnknown: UNAUTHENTICATED,
    core_errors.KeyRevoked: UNAUTHENTICATED,
    core_errors.TokenSpent: TOKEN_SPENT,
    core_errors.TooManyInFlight: RATE_LIMITED,
    core_errors.TooManyBatches: RATE_LIMITED,
    core_errors.TooManyFetches: RATE_LIMITED,
    core_errors.FetchersBusy: UNAVAILABLE,
    core_errors.IdempotencyInProgress: IDEMPOTENCY_IN_PROGRESS,
    core_errors.IdempotencyMismatch: IDEMPOTENCY_MISMATCH,
    core_errors.EditExpired: EXPIRED,
    core_errors.EditDeleted: DELETED,
    core_errors.BatchNotFound: NOT_FOUND,
    core_errors.BatchLineClosed: CANCELED,
    core_errors.DeliveryNotFound: NOT_FOUND,
    core_errors.QueueFull: QUEUE_FULL,
    core_errors.StoreUnavailable: UNAVAILABLE,
    core_errors.DecoderUnavailable: UNAVAILABLE,
    core_errors.StoreFull: UNAVAILABLE,
    core_errors.StoreDamaged: UNAVAILABLE,
    core_errors.NoWorker: NO_WORKER,
    core_errors.UnknownModel: VALIDATION_ERROR,
    core_errors.UnknownPreset: VALIDATION_ERROR,
    core_errors.QuotaExceeded: QUOTA_EXCEEDED,
    core_errors.SourceNotFound: VALIDATION_ERROR,
    core_errors.UploadNotFound: VALIDATION_ERROR,
    core_errors.UploadUsed: UPLOAD_USED,
    core_errors.InvalidImage: INVALID_IMAGE,
    core_errors.ImageTooLarge: IMAGE_TOO_LARGE,
    core_errors.UnsupportedImage: UNSUPPORTED_MEDIA_TYPE,
    core_errors.ImageOutOfRange: VALIDATION_ERROR,
    core_errors.AddressNotAllowed: URL_NOT_ALLOWED,
    core_errors.FetchFailed: FETCH_FAILED,
}

# The framework's own errors, by status.
FRAMEWORK_PROBLEM_TYPES = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 400: INVALID_REQUEST}

BY_CODE = {
    problem_type.code: problem_type
    for problem_type in (
        *PROBLEM_TYPES.values(),
        *FRAMEWORK_PROBLEM_TYPES.values(),
        INTERNAL_ERROR,
        WAIT_TIMEOUT,  # an answer that no error leads to
    )
}
