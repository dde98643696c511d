"""The error tree of `core`. It knows nothing of HTTP; `api.problems.types` maps it to statuses.

CoreError
├── EditUnavailable
│   ├── EditNotFound        no such edit, or another caller's
│   ├── EditExpired         its retention time has passed; it was deleted
│   └── EditDeleted         its caller deleted it, and sends the request that made it again
├── BatchNotFound           no such batch, or another caller's
├── BatchLineClosed         the batch takes no edit of this line: it ends, or has one already
├── DeliveryNotFound        the edit has no such webhook delivery
├── StaleAttempt            the attempt's lease has passed to another one
├── RetryLater              temporary; may say in how many seconds to try again
│   ├── QueueFull               the model's queue is full
│   ├── TooManyInFlight         the key has its maximum of edits in flight
│   ├── TooManyBatches          the key has its maximum of batches that wait
│   ├── TooManyFetches          the key has its maximum of fetches in progress
│   ├── FetchersBusy            the process has its maximum of fetches in progress
│   └── IdempotencyInProgress   the first request with this idempotency key is in progress
├── IdempotencyMismatch     the idempotency key was used with another body
├── KeyRefused
│   ├── KeyMalformed        not an API key or user token, by its form or checksum
│   ├── KeyUnknown          no such API key or user token
│   ├── KeyRevoked          the API key was revoked
│   └── TokenSpent          the user token has made all its edits
├── StoreUnavailable        Redis or the image storage does not answer
│   ├── StoreFull           Redis is out of memory for writes
│   └── StoreDamaged        Redis holds data that this service did not write
├── DecoderUnavailable      no process to decode an image could be started, or none is free
├── NoWorker                no worker has announced any model
├── UnknownModel            no worker has announced this model
├── UnknownPreset           the model has not announced this preset
├── QuotaExceeded           the caller's edits hold as many bytes as they may
├── SourceNotFound          the edit given as `source` does not exist, or has no image any more
├── UploadNotFound          the upload does not exist, has expired, is used or has no image yet
├── UploadUsed              another image was sent to the upload before
├── InputImageError
│   ├── InvalidImage        unreadable, truncated or animated
│   ├── ImageTooLarge       too many bytes or pixels
│   ├── UnsupportedImage    not one of the accepted formats
│   └── ImageOutOfRange     readable, but too small or too elongated
└── FetchError
    ├── AddressNotAllowed   the URL leads, or may lead, to a private address
    └── FetchFailed         the server behind the URL did not deliver an image
"""


class CoreError(Exception):
    """Base of the errors that `core` raises. The message says what to do."""


class EditUnavailable(CoreError):
    """Base of the reasons why there is no edit to show."""


class EditNotFound(EditUnavailable):
    """No edit of this caller has this id."""


class EditExpired(EditUnavailable):
    """The edit's retention time has passed."""


class EditDeleted(EditUnavailable):
    """The edit was deleted by its caller, who sends the request that made it again."""


class BatchNotFound(CoreError):
    """No batch of this caller has this id."""


class BatchLineClosed(CoreError):
    """The batch takes no edit of this line: it is ending, or the line has its edit or its error."""


class DeliveryNotFound(CoreError):
    """The edit has no webhook delivery with this id."""


class StaleAttempt(CoreError):
    """The attempt has lost its lease and must not publish its results."""


class RetryLater(CoreError):
    """A temporary refusal.

    `retry_after` estimates in whole seconds when to try again; None if nothing is known.
    """

    def __init__(self, message: str, *, retry_after: int | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class QueueFull(RetryLater):
    """The model's queue is full."""


class TooManyInFlight(RetryLater):
    """The key has its maximum of edits in flight."""


class TooManyBatches(RetryLater):
    """The key has its maximum of batches whose edits are not all queued yet."""


class TooManyFetches(RetryLater):
    """The key has its maximum of fetches in progress."""


class FetchersBusy(RetryLater):
    """The process has its maximum of fetches in progress."""


class IdempotencyInProgress(RetryLater):
    """The first request with this idempotency key is still in progress."""


class IdempotencyMismatch(CoreError):
    """The idempotency key was used with another body."""


class KeyRefused(CoreError):
    """Base of the reasons to refuse an API key or a user token. Messages never quote it."""


class KeyMalformed(KeyRefused):
    """The text is not an API key or a user token, by its form or checksum."""


class KeyUnknown(KeyRefused):
    """No such API key or user token exists."""


class KeyRevoked(KeyRefused):
    """The API key was revoked."""


class TokenSpent(KeyRefused):
    """The user token has made all the edits that it may make."""


class StoreUnavailable(CoreError):
    """Redis or the image storage does not answer."""


class DecoderUnavailable(CoreError):
    """No process to decode an image could be started, or none became free in time."""


class StoreFull(StoreUnavailable):
    """Redis answers, but is out of memory for writes."""


class StoreDamaged(StoreUnavailable):
    """Redis answers with data that this service did not write and cannot read."""


class NoWorker(CoreError):
    """No worker has announced any model yet."""


class UnknownModel(CoreError):
    """No worker has announced this model."""


class UnknownPreset(CoreError):
    """The model has not announced this preset."""


class QuotaExceeded(CoreError):
    """The caller's edits hold as many bytes as they may."""


class SourceNotFound(CoreError):
    """The edit given as `source` does not exist, or has no image any more."""


class UploadNotFound(CoreError):
    """The upload does not exist, has expired, was used by an edit, or has no image yet."""


class UploadUsed(CoreError):
    """Another image was sent to the upload before."""


class InputImageError(CoreError):
    """Base of the reasons to refuse an image."""


class InvalidImage(InputImageError):
    """The bytes are not one complete still image."""


class ImageTooLarge(InputImageError):
    """The image has more bytes or pixels than the service accepts."""


class UnsupportedImage(InputImageError):
    """The content is not in one of the accepted formats."""


class ImageOutOfRange(InputImageError):
    """The image is readable, but smaller or more elongated than the method can edit."""


class FetchError(CoreError):
    """Base of the reasons why a URL from a caller could not be used."""


class AddressNotAllowed(FetchError):
    """The URL leads to an address that is not public."""


class FetchFailed(FetchError):
    """The URL is allowed, but did not deliver an image."""
