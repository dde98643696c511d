"""Everything that the client raises.

ClientError
├── ServiceUnreachable        no answer from the service, after all retries
├── EditFailed                the edit that was waited for failed; `error` says why
├── EditCanceled              the edit that was waited for was canceled
├── EditNotEnded              the edit did not end within the time to wait
├── BatchNotEnded             the batch did not end within the time to wait
├── WebhookRejected           a webhook is not from the service, or too old
└── ProblemError              the service refused a request; `problem` says why and what to do
    ├── InvalidRequest        400, 405
    │   └── InvalidImage          the image is broken, animated or empty
    ├── Unauthenticated       401: no key, or one that is malformed, unknown or revoked
    ├── Forbidden             403
    │   ├── TokenSpent            the token has made all the edits that it may
    │   └── QuotaExceeded         the edits take as many bytes as they may: delete some
    ├── NotFound              404
    ├── Expired               410: the edit was kept until `expires_at`
    ├── Conflict              409
    │   └── NotFinished           the edit has no image
    ├── ImageTooLarge         413
    ├── UnsupportedImage      415
    ├── ValidationFailed      422: `problem.errors` names each wrong field
    │   ├── IdempotencyMismatch   the key was used with another body
    │   ├── UrlNotAllowed         a URL leads to an address that is not public
    │   └── FetchFailed           a URL did not deliver an image
    ├── RateLimited           429
    └── ServiceError          5xx
        └── ServiceUnavailable    503: temporary
            ├── QueueFull
            └── NoWorker
"""

from typing import TYPE_CHECKING

from baret_client.schema import Problem

if TYPE_CHECKING:
    from baret_client.schema import Batch, EditData


class ClientError(Exception):
    """Base class of everything that the client raises."""


class ServiceUnreachable(ClientError):
    """The service did not answer."""


class WebhookRejected(ClientError):
    """A webhook that is not from the service, or too old."""


class _OfEdit(ClientError):
    def __init__(self, message: str, edit: "EditData"):
        super().__init__(message)
        self.edit = edit


class EditFailed(_OfEdit):
    """The edit failed."""

    @property
    def error(self) -> Problem | None:
        """Why it failed."""
        return self.edit.error


class EditCanceled(_OfEdit):
    """The edit was canceled."""


class EditNotEnded(_OfEdit):
    """The edit did not end in time; it goes on."""


class BatchNotEnded(ClientError):
    """The batch did not end in time; it goes on."""

    def __init__(self, message: str, batch: "Batch"):
        super().__init__(message)
        self.batch = batch


class ProblemError(ClientError):
    """The service refused a request."""

    def __init__(self, problem: Problem, *, retry_after: float | None, request_id: str):
        """Take what the answer said.

        Args:
            problem: its body.
            retry_after: seconds; None if it did not say.
            request_id: under which the service has logged it.
        """
        fields = "".join(f"\n  {one.pointer}: {one.detail}" for one in problem.errors)
        super().__init__(f"{problem.title}. {problem.detail}{fields}")
        self.problem = problem
        self.retry_after = retry_after
        self.request_id = request_id


class InvalidRequest(ProblemError):
    """The request is malformed."""


class InvalidImage(InvalidRequest):
    """The image is broken, animated or empty."""


class Unauthenticated(ProblemError):
    """There is no key, or one that is malformed, unknown or revoked."""


class Forbidden(ProblemError):
    """The service does not answer this caller."""


class TokenSpent(Forbidden):
    """The token has made all the edits that it may."""


class QuotaExceeded(Forbidden):
    """The caller's edits take as many bytes as they may."""


class NotFound(ProblemError):
    """There is no such edit, or it is another caller's."""


class Expired(ProblemError):
    """The edit was kept until `expires_at` and has been deleted."""


class Conflict(ProblemError):
    """The state of the edit, or another request, does not allow it now."""


class NotFinished(Conflict):
    """The edit has no image."""


class ImageTooLarge(ProblemError):
    """The image has too many bytes or pixels."""


class UnsupportedImage(ProblemError):
    """The image is in a format that the service does not accept."""


class ValidationFailed(ProblemError):
    """Some fields are not valid; `problem.errors` names them."""


class IdempotencyMismatch(ValidationFailed):
    """The idempotency key was used with another body."""


class UrlNotAllowed(ValidationFailed):
    """A URL leads to an address that is not public."""


class FetchFailed(ValidationFailed):
    """A URL did not deliver an image."""


class RateLimited(ProblemError):
    """There are too many requests, or too many edits in flight."""


class ServiceError(ProblemError):
    """The service failed."""


class ServiceUnavailable(ServiceError):
    """The service cannot take the request now."""


class QueueFull(ServiceUnavailable):
    """Too many edits wait."""


class NoWorker(ServiceUnavailable):
    """No worker has started yet."""


BY_CODE: dict[str, type[ProblemError]] = {
    "invalid_image": InvalidImage,
    "token_spent": TokenSpent,
    "quota_exceeded": QuotaExceeded,
    "not_finished": NotFinished,
    "idempotency_mismatch": IdempotencyMismatch,
    "url_not_allowed": UrlNotAllowed,
    "fetch_failed": FetchFailed,
    "queue_full": QueueFull,
    "no_worker": NoWorker,
}
# For all other codes, those of newer services included.
BY_STATUS: dict[int, type[ProblemError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    405: InvalidRequest,
    409: Conflict,
    410: Expired,
    413: ImageTooLarge,
    415: UnsupportedImage,
    422: ValidationFailed,
    429: RateLimited,
    503: ServiceUnavailable,
}


def problem_class(code: str, status: int) -> type[ProblemError]:
    """Return the class of a problem: by its code, else by its status."""
    general = ServiceError if status >= 500 else ProblemError
    return BY_CODE.get(code) or BY_STATUS.get(status, general)
