"""The bundled model on batches, and two edits of the tuning split."""

import pytest
import torch

from bench.edits.batch import Batch
from bench.edits.cases import tasks
from bench.edits.model import BatchModel

# Spinning OpenMP threads that share a core with another process stall each other.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def model():
    return BatchModel.from_pretrained("zoo")


@pytest.fixture(scope="session")
def two(model):
    return tasks("tuning", model.model.native_size, 2)


@pytest.fixture(scope="session")
def batch(two):
    return Batch.of(two)
