"""The one table from an error's class to what HTTP says of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from api.problems import errors as api_errors
from core import errors as core_errors


@dataclass(frozen=True)
class ProblemType:
    """One kind of problem."""

    status: int
    code: str
    title: str
    help: str  # for the page that `type` leads to
    retry_after: int | None = None  # seconds, where the error itself knows no better
    headers: Mapping[str, str] = field(default_factory=dict)


INVALID_REQUEST = ProblemType(
    400,
    "invalid_request",
    "The request cannot be read",
    "Send well-formed JSON or multipart/form-data, and cursors as they were given.",
)
INVALID_IMAGE = ProblemType(
    400,
    "invalid_image",
    "The picture cannot be read",
    "The file is empty, truncated, broken or animated. Send one whole still picture.",
)
UNAUTHENTICATED = ProblemType(
    401,
    "unauthenticated",
    "A valid key is needed",
    "Send `Authorization: Bearer baret_sk_…` with a key that is whole and not revoked. The "
    "service's operator makes keys with `baret keys create`.",
    headers={"WWW-Authenticate": "Bearer"},
)
FORBIDDEN = ProblemType(
    403,
    "forbidden",
    "This may not be asked from here",
    "A service without keys answers no web pages of others, and only under its address or the name "
    "in BARET_PUBLIC_URL. Make a key, and send it.",
)
NOT_FOUND = ProblemType(
    404,
    "not_found",
    "Nothing is here",
    "Check the address and the id. Another caller's edit is answered in the same way.",
)
EXPIRED = ProblemType(
    410,
    "expired",
    "The edit is kept no longer",
    "Edits are deleted when their `expires_at` has come. Take the pictures sooner, or ask again.",
)
METHOD_NOT_ALLOWED = ProblemType(
    405,
    "method_not_allowed",
    "The address does not know this method",
    "The `Allow` header names the methods that it knows.",
)
NOT_FINISHED = ProblemType(
    409,
    "not_finished",
    "The edit has no picture",
    "Wait until its status is `succeeded`; a failed or canceled edit never has one.",
)
IDEMPOTENCY_IN_PROGRESS = ProblemType(
    409,
    "idempotency_in_progress",
    "The first request with this Idempotency-Key is still being taken",
    "Send it again, unchanged, after the time in `Retry-After`.",
    retry_after=1,
)
IMAGE_TOO_LARGE = ProblemType(
    413,
    "image_too_large",
    "The picture is too large",
    "At most 20 MB and 50 megapixels are taken. Make the picture smaller.",
)
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    415,
    "unsupported_media_type",
    "This kind of content is not accepted",
    "Pictures: JPEG, PNG, WebP, HEIC/HEIF or AVIF, known by content, not by name. "
    "Bodies: multipart/form-data or application/json.",
)
VALIDATION_ERROR = ProblemType(
    422,
    "validation_error",
    "Fields of the request are wrong",
    "`errors` names each field by a JSON pointer and says what it takes.",
)
URL_NOT_ALLOWED = ProblemType(
    422,
    "url_not_allowed",
    "The URL may not be used",
    "Give an http:// or https:// URL to a public address, without credentials. "
    "The operator can open networks of their own with BARET_ALLOW_NETWORKS.",
)
FETCH_FAILED = ProblemType(
    422,
    "fetch_failed",
    "The picture could not be fetched",
    "The URL must answer 200 with the picture itself, without a redirect, within seconds. "
    "Or send the picture in the request.",
)
IDEMPOTENCY_MISMATCH = ProblemType(
    422,
    "idempotency_mismatch",
    "The Idempotency-Key was used with another body",
    "Take a new key for every new edit, and the same one only to send the same body again.",
)
RATE_LIMITED = ProblemType(
    429,
    "rate_limited",
    "Too many at once",
    "The key has made too many requests lately, or has too many edits waiting and running, or too "
    "many pictures being fetched from slow URLs. Try again after the time in `Retry-After`; "
    "`RateLimit` says how many requests are left.",
    retry_after=30,
)
INTERNAL_ERROR = ProblemType(
    500,
    "internal_error",
    "The service made a mistake",
    "It is in the service's log under the X-Request-Id of the answer. Trying again may help.",
)
QUEUE_FULL = ProblemType(
    503,
    "queue_full",
    "Too many edits are waiting",
    "Nothing was accepted. Try again after the time in `Retry-After`.",
    retry_after=30,
)
NO_WORKER = ProblemType(
    503,
    "no_worker",
    "No worker has come up yet",
    "No worker has announced a model since the service was set up. Start one, then try again.",
    retry_after=10,
)
UNAVAILABLE = ProblemType(
    503,
    "unavailable",
    "A part of the service does not answer",
    "Try again after the time in `Retry-After`. /readyz names what is missing.",
    retry_after=5,
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
    core_errors.TooManyInFlight: RATE_LIMITED,
    core_errors.TooManyFetches: RATE_LIMITED,
    core_errors.FetchersBusy: UNAVAILABLE,
    core_errors.IdempotencyInProgress: IDEMPOTENCY_IN_PROGRESS,
    core_errors.IdempotencyMismatch: IDEMPOTENCY_MISMATCH,
    core_errors.EditExpired: EXPIRED,
    core_errors.DeliveryNotFound: NOT_FOUND,
    core_errors.QueueFull: QUEUE_FULL,
    core_errors.StoreUnavailable: UNAVAILABLE,
    core_errors.DecoderUnavailable: UNAVAILABLE,
    core_errors.StoreFull: UNAVAILABLE,
    core_errors.StoreDamaged: UNAVAILABLE,
    core_errors.NoWorker: NO_WORKER,
    core_errors.UnknownModel: VALIDATION_ERROR,
    core_errors.UnknownPreset: VALIDATION_ERROR,
    core_errors.SourceNotFound: VALIDATION_ERROR,
    core_errors.InvalidImage: INVALID_IMAGE,
    core_errors.ImageTooLarge: IMAGE_TOO_LARGE,
    core_errors.UnsupportedImage: UNSUPPORTED_MEDIA_TYPE,
    core_errors.ImageOutOfRange: VALIDATION_ERROR,
    core_errors.AddressNotAllowed: URL_NOT_ALLOWED,
    core_errors.FetchFailed: FETCH_FAILED,
}

# What the framework answers by itself, by status.
FRAMEWORK_PROBLEM_TYPES = {404: NOT_FOUND, 405: METHOD_NOT_ALLOWED, 400: INVALID_REQUEST}

BY_CODE = {
    kind.code: kind
    for kind in (*PROBLEM_TYPES.values(), *FRAMEWORK_PROBLEM_TYPES.values(), INTERNAL_ERROR)
}
