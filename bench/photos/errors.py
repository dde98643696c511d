"""The error tree of `bench.photos`; each message says what to do.

PhotosError
├── DatasetError   a dataset that is not where or what it should be
└── WeightsError   a metric's weights that cannot be loaded
"""


class PhotosError(Exception):
    """Base of what `bench.photos` raises."""


class DatasetError(PhotosError):
    """A dataset that is not where or what it should be."""


class WeightsError(PhotosError):
    """A metric's weights that cannot be loaded."""
