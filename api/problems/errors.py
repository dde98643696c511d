"""The error tree of `api`: what can be wrong with a request itself; `core.errors` has the rest.

ApiError
├── Unauthenticated       a key is required, but was not sent
├── Forbidden             a web page, a key or a token that may not ask for this
├── RateLimited           the key has made too many requests, or uses its share of a pool
├── InvalidRequest        the body, or the cursor, cannot be read
├── ValidationFailed      fields are missing, unknown or out of range
├── BodyTooLarge          more bytes than any accepted image needs
├── MediaTypeUnsupported  neither multipart/form-data nor application/json
├── AddressUnknown        nothing exists at this address: a route, an output, an image
├── NotFinished           the edit has no image yet, or will have none
├── NotReady              something that the service needs is missing
├── Overloaded            all callers together use up a pool, or the memory for bodies
└── FieldProblem          another error, with the field of the request that caused it
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from core.errors import CoreError
from core.schema import FieldError


class ApiError(Exception):
    """Base of what `api` raises; the message says what to do about it."""


class Unauthenticated(ApiError):
    """A key is required, but was not sent."""


class Forbidden(ApiError):
    """A foreign web page calls a service without keys, or a key or token may not see this."""


class RateLimited(ApiError):
    """The key has made too many requests, or the caller uses its share of a pool already.

    `retry_after` is in whole seconds.
    """

    def __init__(self, message: str, *, retry_after: int):
        super().__init__(message)
        self.retry_after = retry_after


class InvalidRequest(ApiError):
    """The body, or the cursor, cannot be read."""


class ValidationFailed(ApiError):
    """Fields are missing, unknown or out of range."""

    def __init__(self, errors: Sequence[FieldError]):
        super().__init__("Correct the fields named in `errors` and send the request again.")
        self.errors = list(errors)


class BodyTooLarge(ApiError):
    """The body has more bytes than any accepted image needs."""


class MediaTypeUnsupported(ApiError):
    """The body is neither multipart/form-data nor application/json."""


class AddressUnknown(ApiError):
    """Nothing exists at this address."""


class NotFinished(ApiError):
    """The edit has no image yet, or will have none."""


class NotReady(ApiError):
    """Something that the service needs is missing."""

    def __init__(self, errors: Sequence[FieldError]):
        missing = ", ".join(error.pointer.strip("/") for error in errors)
        super().__init__(f"Not ready to accept edits; missing: {missing}.")
        self.errors = list(errors)


class Overloaded(ApiError):
    """All callers together take too much of something, such as memory for bodies.

    `retry_after` is in whole seconds; None for the problem type's own.
    """

    def __init__(self, message: str, *, retry_after: int | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class FieldProblem(ApiError):
    """Another error, `error`, with the field of the request that caused it."""

    def __init__(self, pointer: str, error: CoreError):
        super().__init__(str(error))
        self.error = error
        self.errors = [FieldError(pointer=pointer, detail=str(error))]


@contextmanager
def blame_field(pointer: str, *kinds: type[CoreError]) -> Iterator[None]:
    """Turn errors of these kinds inside into problems of the field at `pointer`.

    Raises:
        FieldProblem: instead of the error.
    """
    try:
        yield
    except kinds as error:
        raise FieldProblem(pointer, error) from error


def field_failure(pointer: str, detail: str) -> ValidationFailed:
    """Return the error of one wrong field."""
    return ValidationFailed([FieldError(pointer=pointer, detail=detail)])
