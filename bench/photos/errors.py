"""The error tree of `bench.photos`; each message says what to do.

PhotosError
├── DatasetError   the dataset is missing or not as published
└── WeightsError   the weights of a metric cannot be loaded
"""


class PhotosError(Exception):
    """Base of all errors of `bench.photos`."""


class DatasetError(PhotosError):
    """The dataset is missing or not as published."""


class WeightsError(PhotosError):
    """The weights of a metric cannot be loaded."""
