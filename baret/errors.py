"""The error tree of `baret`. It knows nothing of HTTP.

BaretError
├── OptionsError         values that contradict each other or lie out of range
├── ImageError           an image that the method cannot work on
├── ModelError           weights that cannot be loaded; the message says what to set
│   ├── ModelNotFound    no such bundled name, folder, file or hub id, or no reachable hub
│   └── UnsupportedModel not a Stable Diffusion 1.x, 2.x or XL, or weights in a pickle
├── AttentionLayoutError the UNet's attention layers are not the ones that BAM expects
├── InversionMismatch    an inversion of another model, or with another number of steps
├── NotFinite            an edit overflowed to infinity or NaN; the message says what to set
├── ContentRejected      the model's safety checker refuses an output
└── OutOfMemory          the device has no room for the edit
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class BaretError(Exception):
    """Base class of everything that `baret` raises."""


class OptionsError(BaretError, ValueError):
    """Options that contradict each other or lie out of range."""


class ImageError(BaretError, ValueError):
    """An image that the method cannot work on."""


class ModelError(BaretError):
    """A model that cannot be loaded."""


class ModelNotFound(ModelError):
    """There is no model of this name, or the hub that may have it cannot be reached."""


class UnsupportedModel(ModelError):
    """The model is not a Stable Diffusion 1.x, 2.x or XL with safetensors weights."""


class AttentionLayoutError(BaretError):
    """The UNet's attention layers are not the ones that BAM expects."""


class InversionMismatch(BaretError):
    """The inversion is of another model, or has another number of steps."""


class NotFinite(BaretError):
    """An edit's numbers are not finite; the message says which setting helps."""


class ContentRejected(BaretError):
    """The model's own safety checker refuses an output."""


class OutOfMemory(BaretError):
    """The device has no room for the edit."""


@contextmanager
def memory_errors() -> Iterator[None]:
    """Raise `OutOfMemory` for torch's own error. Also works as a decorator."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise OutOfMemory("The device has no room for this edit.") from error
