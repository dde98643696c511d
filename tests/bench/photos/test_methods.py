import numpy as np
import pytest

from baret import EditOptions, Editor, InversionOptions
from bench.photos.datasets import load_pie_bench, load_tedbench
from bench.photos.methods import METHODS, Baret, Ddim
from tests.support.tiny_models import tiny_xl_pipeline

STEPS = InversionOptions().num_inference_steps


@pytest.fixture(scope="module")
def editor():
    return Editor.from_pretrained("zoo", device="cpu", dtype="float32")


def test_baret_runs_as_it_is_shipped(tedbench):
    task = load_tedbench(tedbench)[0]
    assert Baret(STEPS).options(task) == EditOptions()


def test_presets_follow_the_kind_where_it_is_known(pie_bench):
    pose, colour, _ = load_pie_bench(pie_bench)
    by_kind = METHODS["baret-presets"](STEPS)
    assert by_kind.settings(pose) == repr(EditOptions(preset="non_rigid"))
    assert by_kind.settings(colour) == repr(EditOptions())


def test_ddim_reconstructs_at_guidance_1_and_edits_above(editor, pie_bench):
    task = load_pie_bench(pie_bench)[0]
    photo = task.photo()

    def error(scale: float) -> float:
        edited = Ddim(10, guidance_scale=scale).edit(editor, photo, task)
        assert edited.size == photo.size
        return float(np.abs(np.asarray(edited, float) - np.asarray(photo, float)).mean())

    assert error(1) < error(7.5)


def test_ddim_edits_with_stable_diffusion_xl(tmp_path, pie_bench):
    tiny_xl_pipeline(sample_size=8).save_pretrained(tmp_path)
    editor = Editor.from_pretrained(str(tmp_path), device="cpu", dtype="float32")
    task = load_pie_bench(pie_bench)[0]
    assert Ddim(2).edit(editor, task.photo(), task).size == task.photo().size


def test_the_names_in_the_table_are_the_methods_own():
    assert [METHODS[name](5).name for name in METHODS] == list(METHODS)
    assert all(METHODS[name](5).about for name in METHODS)
