"""A small model and the bundled one on batches, and two edits of the tuning split."""

import pytest
import torch

from bench.edits.batch import Batch
from bench.edits.cases import tasks
from bench.edits.model import BatchModel
from tests.support.small_model import small_folder

# Spinning OpenMP threads that share a core with another process stall each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model(small):
    """Return a small model, for what does not depend on how well it draws."""
    return BatchModel.from_pretrained(str(small))


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Return the small model's folder."""
    return small_folder(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="session")
def bundled():
    return BatchModel.from_pretrained("zoo")


@pytest.fixture(scope="session")
def two(model):
    return tasks("tuning", model.model.native_size, 2)


@pytest.fixture(scope="session")
def batch(two):
    return Batch.of(two)
