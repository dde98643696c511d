"""The error tree of `core`. It knows nothing of HTTP; `api.problems.handlers` maps it to statuses.

JobsError
├── EditUnavailable
│   ├── EditNotFound        no such edit (or another caller's)
│   └── EditExpired         it was kept as long as was promised, and is gone
├── DeliveryNotFound        no such webhook delivery of the edit
├── StaleAttempt            a worker whose lease was given to another attempt
├── Later                   not now; says in how many seconds to try again
│   ├── QueueFull               the model's queue has reached its bound
│   ├── TooManyInFlight         the caller's edits in flight have reached their bound
│   ├── TooManyFetches          the caller's fetches under way have reached their bound
│   ├── FetchersBusy            everybody's have
│   └── IdempotencyInProgress   the first request with this idempotency key is still being taken
├── IdempotencyMismatch     the idempotency key was used with another body
├── KeyRefused
│   ├── KeyMalformed        no API key by its form or checksum
│   ├── KeyUnknown          there is no such API key
│   └── KeyRevoked          the API key is valid no longer
├── StoreUnavailable        Redis or the object store does not answer
│   ├── StoreFull           Redis has no room for what was to be written
│   └── StoreDamaged        Redis holds what this service did not write there
├── DecoderUnavailable      no process could be started to decode a picture, or none is free
├── NoWorker                no worker has ever announced the model
├── UnknownModel            workers are there, but not for the model asked for
├── UnknownPreset           the model has not announced this preset
├── SourceNotFound          the edit named as a source is not there any more
├── InputImageError
│   ├── InvalidImage      cannot be read, truncated, animated
│   ├── ImageTooLarge     too many bytes or pixels
│   ├── UnsupportedImage  not one of the accepted formats
│   └── ImageOutOfRange   readable, but too small or too elongated
└── FetchError
    ├── AddressNotAllowed   a URL that leads, or may lead, inside
    └── FetchFailed         the other side did not deliver
"""


class JobsError(Exception):
    """Base of what `core` raises; the message says what to do about it."""


class EditUnavailable(JobsError):
    """Base of why there is no edit to show."""


class EditNotFound(EditUnavailable):
    """No edit of this caller has this id."""


class EditExpired(EditUnavailable):
    """The edit was kept as long as was promised."""


class DeliveryNotFound(JobsError):
    """The edit has no webhook delivery of this id."""


class StaleAttempt(JobsError):
    """The attempt's lease has gone: its results must not be published."""


class Later(JobsError):
    """Not now. `retry_after` is an estimate in whole seconds, None where nothing is known."""

    def __init__(self, message: str, *, retry_after: int | None = None):
        super().__init__(message)
        self.retry_after = retry_after


class QueueFull(Later):
    """The model's queue has reached its bound."""


class TooManyInFlight(Later):
    """The caller's edits in flight have reached their bound."""


class TooManyFetches(Later):
    """The caller has as many pictures being fetched as it may."""


class FetchersBusy(Later):
    """As many pictures are being fetched as can be at once."""


class IdempotencyInProgress(Later):
    """The first request with this idempotency key is still being taken."""


class IdempotencyMismatch(JobsError):
    """The idempotency key was used with another body."""


class KeyRefused(JobsError):
    """Base of why an API key is not taken; never says what the key was."""


class KeyMalformed(KeyRefused):
    """No API key, by its form or checksum."""


class KeyUnknown(KeyRefused):
    """There is no such API key."""


class KeyRevoked(KeyRefused):
    """The API key is valid no longer."""


class StoreUnavailable(JobsError):
    """Redis or the object store does not answer."""


class DecoderUnavailable(JobsError):
    """No process could be started to decode a picture, or none became free in time."""


class StoreFull(StoreUnavailable):
    """Redis answers, and has no room for what was to be written."""


class StoreDamaged(StoreUnavailable):
    """Redis answers, with what this service did not write and cannot read."""


class NoWorker(JobsError):
    """No worker has announced any model yet."""


class UnknownModel(JobsError):
    """No worker has announced this model."""


class UnknownPreset(JobsError):
    """The model has not announced this preset."""


class SourceNotFound(JobsError):
    """The edit named as `source` does not exist or has no picture any more."""


class InputImageError(JobsError):
    """Base of what can be wrong with a picture."""


class InvalidImage(InputImageError):
    """The bytes are not one whole still picture."""


class ImageTooLarge(InputImageError):
    """More bytes or pixels than accepted."""


class UnsupportedImage(InputImageError):
    """Not one of the accepted formats, judged by content."""


class ImageOutOfRange(InputImageError):
    """Readable, but smaller or more elongated than the method works on."""


class FetchError(JobsError):
    """Base of what can go wrong with a URL that a caller gave."""


class AddressNotAllowed(FetchError):
    """The URL leads to an address that is not public."""


class FetchFailed(FetchError):
    """The URL is allowed, but did not deliver a picture."""
