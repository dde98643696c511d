"""The error tree of `jobs`. It knows nothing of HTTP; `api.problems` maps it to statuses.

JobsError
├── EditNotFound            no such edit (or another caller's)
├── StaleAttempt            a worker whose lease was given to another attempt
├── QueueFull               the model's queue has reached its bound
├── StoreUnavailable        Redis or the object store does not answer
├── NoWorker                no worker has ever announced the model
├── UnknownModel            workers are there, but not for the model asked for
├── SourceNotFound          the edit named as a source is not there any more
├── PictureError
│   ├── PictureInvalid      cannot be read, truncated, animated
│   ├── PictureTooLarge     too many bytes or pixels
│   ├── PictureUnsupported  not one of the accepted formats
│   └── PictureOutOfRange   readable, but too small or too elongated
└── FetchError
    ├── AddressNotAllowed   a URL that leads, or may lead, inside
    └── FetchFailed         the other side did not deliver
"""


class JobsError(Exception):
    """Base of what `jobs` raises; the message says what to do about it."""


class EditNotFound(JobsError):
    """No edit of this caller has this id."""


class StaleAttempt(JobsError):
    """The attempt's lease has gone: its results must not be published."""


class QueueFull(JobsError):
    """The model's queue has reached its bound."""


class StoreUnavailable(JobsError):
    """Redis or the object store does not answer."""


class NoWorker(JobsError):
    """No worker has announced any model yet."""


class UnknownModel(JobsError):
    """No worker has announced this model."""


class SourceNotFound(JobsError):
    """The edit named as `source` does not exist or has no picture any more."""


class PictureError(JobsError):
    """Base of what can be wrong with a picture."""


class PictureInvalid(PictureError):
    """The bytes are not one whole still picture."""


class PictureTooLarge(PictureError):
    """More bytes or pixels than accepted."""


class PictureUnsupported(PictureError):
    """Not one of the accepted formats, judged by content."""


class PictureOutOfRange(PictureError):
    """Readable, but smaller or more elongated than the method works on."""


class FetchError(JobsError):
    """Base of what can go wrong with a URL that a caller gave."""


class AddressNotAllowed(FetchError):
    """The URL leads to an address that is not public."""


class FetchFailed(FetchError):
    """The URL is allowed, but did not deliver a picture."""
