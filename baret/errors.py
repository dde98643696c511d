"""The error tree of `baret`. It knows nothing of HTTP.

BaretError
├── OptionsError         values that contradict each other or lie out of range
├── ImageError           a picture the method cannot work on
├── ModelError           weights that cannot be loaded; the message says what to set
│   ├── ModelNotFound    no such bundled name, folder, file or hub id, or no hub to ask
│   └── UnsupportedModel not a Stable Diffusion 1.x/2.x, or weights in a pickle
├── AttentionLayoutError the UNet's attention layers are not those that BAM knows
├── InversionMismatch    an inversion made by another model, or of other steps
├── ContentRejected      the model's safety checker refuses an output
└── OutOfMemory          the device has no room for the edit
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class BaretError(Exception):
    """Base of what `baret` raises."""


class OptionsError(BaretError, ValueError):
    """Options that contradict each other or lie out of range."""


class ImageError(BaretError, ValueError):
    """A picture that the method cannot work on."""


class ModelError(BaretError):
    """A model that cannot be loaded."""


class ModelNotFound(ModelError):
    """Nothing of this name can be loaded from here."""


class UnsupportedModel(ModelError):
    """Not a Stable Diffusion 1.x or 2.x with safetensors weights."""


class AttentionLayoutError(BaretError):
    """The attention layers found are not those expected."""


class InversionMismatch(BaretError):
    """The inversion was made by another model, or with other steps."""


class ContentRejected(BaretError):
    """The model's own safety checker refuses an output."""


class OutOfMemory(BaretError):
    """The device has no room for the edit."""


@contextmanager
def memory_errors() -> Iterator[None]:
    """Used as a decorator: a device without room is our own error, not the library's."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory("The device has no room for this edit.") from error
