"""A worker's start is measured until it takes edits."""

import pytest

from bench.service.cold_start import measure


def test_a_start_takes_longer_than_its_model() -> None:
    (found,) = measure("zoo", 1)
    assert found.ready > found.loading > 0


def test_a_worker_that_cannot_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended before it was ready"):
        measure("/no/such/model.safetensors", 1)
