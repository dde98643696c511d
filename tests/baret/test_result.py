"""An inversion as bytes and back, made of tensors that no model had to find."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
import safetensors.torch
import torch

from baret import BaretError, Inversion, InversionOptions
from baret.options import PAPER


@pytest.fixture
def inversion():
    generator = torch.Generator().manual_seed(0)
    return Inversion(
        photo=np.arange(36, dtype=np.uint8).reshape(4, 3, 3),
        pivots=torch.randn(3, 4, 2, 2, generator=generator),
        tuned=torch.randn(1, 5, 6, generator=generator),
        departure=torch.rand(2, 2, generator=generator),
        reconstruction=torch.randn(4, 2, 2, generator=generator),
        prompt="a dog that jumps – “high”",
        options=InversionOptions(num_inference_steps=2, inner_steps=3, seed=7),
        model="a model",
        dtype="float32",
        inner_steps=3,
    )


@pytest.mark.parametrize("options", [None, PAPER.inversion], ids=["ours", "paper"])
def test_what_was_saved_is_loaded_as_it_was(inversion, options, tmp_path):
    saved = replace(inversion, options=options or inversion.options)
    saved.save(tmp_path / "photo.safetensors")
    loaded = Inversion.load(tmp_path / "photo.safetensors")
    for field in fields(Inversion):
        before, after = getattr(saved, field.name), getattr(loaded, field.name)
        assert np.array_equal(before, after), field.name
    assert loaded.size == (3, 4)


def test_a_reconstruction_that_is_a_view_of_the_pivots_is_saved_too(inversion):
    saved = replace(inversion, reconstruction=inversion.pivots[0])
    loaded = Inversion.from_bytes(saved.to_bytes())
    assert torch.equal(loaded.reconstruction, inversion.pivots[0])


def test_a_file_of_an_older_version_is_refused_by_name(inversion):
    data = inversion.to_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    assert metadata["format"] == "baret-inversion-4"
    older = safetensors.torch.save(
        safetensors.torch.load(data), metadata | {"format": "baret-inversion-3"}
    )
    with pytest.raises(BaretError, match="not a baret-inversion-4 file; invert the photo again"):
        Inversion.from_bytes(older)


@pytest.mark.parametrize("data", [b"", b"\0" * 64, b"not a tensor file at all"])
def test_a_file_that_is_no_inversion_is_refused(data):
    with pytest.raises(BaretError, match="invert the photo again"):
        Inversion.from_bytes(data)
