import numpy as np
import pytest

from bench.edits.cases import tasks
from bench.study.errors import SourceError
from bench.study.small_world import Run, load_small_world


def test_edits_are_made_once_and_carry_what_they_are(tmp_path):
    run = Run("tuning", ("ddim", "ddim-kept"), tmp_path, steps=2, device="cpu", limit=2)
    source = load_small_world(run)
    expected = tasks("tuning", 128, 2)
    assert [(e.id, e.kind, e.prompt) for e in source.edits] == [
        (str(task.index), task.kind, task.prompt) for task in expected
    ]
    assert np.array_equal(source.edits[1].photo(), expected[1].source)
    assert source.about["settings"]["ddim"]["steps"] == 2

    stored = [p for p in sorted(tmp_path.rglob("*.png")) if "rebuilt" not in p.name]
    stored[0].write_bytes(stored[1].read_bytes())  # a stored result is used, whatever it shows
    again = load_small_world(run).edits
    images = [np.asarray(load()) for edit in again for load in edit.edited.values()]
    assert len({image.tobytes() for image in images}) == len(images) - 1


def test_an_unknown_method_is_named(tmp_path):
    with pytest.raises(SourceError, match="No such method: magic"):
        load_small_world(Run("tuning", ("magic",), tmp_path))


def test_the_benchmark_is_refused_to_methods_that_were_not_tuned(tmp_path):
    run = Run("benchmark", ("ddim",), tmp_path, steps=2, device="cpu", limit=2)
    with pytest.raises(SourceError, match="tune"):
        load_small_world(run)
