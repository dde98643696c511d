"""The digest of weights: made once for the same files, and anew for others."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from baret.model.description import LoadOptions
from baret.model.identity import MIN_BYTES, fingerprint_of, identity_of, weight_bytes
from baret.model.loading import load_pipeline
from tests.support.tiny_models import tiny_pipeline


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "baret" / "digests.json"


def large() -> nn.Module:
    """Make a module that is worth a cache."""
    return nn.Linear(4096, 4096)


def test_the_digest_of_the_same_files_is_made_once(cache: Path) -> None:
    module = large()
    made = identity_of([module], "t", "files")
    assert identity_of([module], "t") == made  # as without a cache
    nn.init.zeros_(module.weight)  # were it digested again, it would be another
    assert identity_of([module], "t", "files") == made
    assert identity_of([module], "t", "other files") != made
    assert identity_of([module], "other traits", "files") != made


def test_the_cache_is_its_user_s_alone_and_may_be_damaged_or_missing(cache: Path) -> None:
    made = identity_of([large()], "t", "files")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o600
    assert made in json.loads(cache.read_text()).values()
    cache.write_text("[")
    assert identity_of([large()], "t", "files") != made


def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(identity_of([large()], "t", "files")) == 64


def test_a_small_model_is_not_worth_a_cache(cache: Path) -> None:
    small = nn.Linear(10, 10)
    assert weight_bytes([small]) == 440 < MIN_BYTES
    identity_of([small], "t", "files")
    assert not cache.exists()


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"y"),
        lambda path: path.write_bytes(b"xx"),
        lambda path: os.utime(path, ns=(0, 0)),
        replace,  # the same bytes and times, another inode
    ],
)
def test_a_file_that_changes_has_another_fingerprint(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "unet" / "model.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"x")
    os.utime(path, ns=(1, 1))
    before = fingerprint_of([tmp_path], "")
    assert fingerprint_of([tmp_path], "") == before
    assert fingerprint_of([tmp_path], "float16") != before
    change(path)
    assert fingerprint_of([tmp_path], "") != before


def test_a_model_is_known_by_its_files_and_by_how_it_is_loaded(tmp_path: Path) -> None:
    tiny_pipeline(sample_size=8).save_pretrained(tmp_path)
    loaded = [
        load_pipeline(str(tmp_path), LoadOptions(dtype=dtype)).description.fingerprint
        for dtype in (torch.float32, torch.float32, torch.bfloat16)
    ]
    assert loaded[0] == loaded[1] != loaded[2]
