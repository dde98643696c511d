import json
import shutil

import numpy as np
import pytest

from bench.photos.datasets import decode_mask, load_pie_bench, load_tedbench, spread
from bench.photos.errors import DatasetError


def test_tedbench_is_read_as_it_is_published(tedbench, samples):
    tasks = load_tedbench(tedbench)
    assert [task.key for task in tasks] == ["000-cat-1", "001-cat-1", "002-bird"]
    assert tasks[0].prompt == samples[0]["prompt"]
    assert all(task.caption is None and task.mask() is None for task in tasks)


def test_pie_bench_is_read_as_it_is_published(pie_bench, samples):
    tasks = load_pie_bench(pie_bench)
    assert [task.kind for task in tasks] == ["5 change pose", "6 change colour", "5 change pose"]
    assert tasks[0].prompt == samples[0]["prompt"]  # the brackets are gone
    assert tasks[0].caption == samples[0]["caption"]
    mask = tasks[0].mask()
    assert mask[128:384, 128:384].all() and mask.sum() == 256 * 256 + 4 * 511


@pytest.mark.parametrize("index", [0, 2])
def test_every_photo_is_brought_to_512_pixels_by_its_central_square(tedbench, index):
    photo = load_tedbench(tedbench)[index].photo()
    assert photo.size == (512, 512) and photo.mode == "RGB"


def test_a_picture_of_512_pixels_stays_as_it_is(pie_bench):
    task = load_pie_bench(pie_bench)[0]
    from PIL import Image

    assert np.array_equal(task.photo(), Image.open(task.photo_path))


def test_a_mask_has_its_border_and_ends_with_the_picture():
    # PnPInversion's mask_decode gives the same for these runs.
    mask = decode_mask([1000, 30, 512 * 512 - 600, 9999])
    inner = mask[1:-1, 1:-1]
    assert mask[0].all() and mask[-1].all() and mask[:, 0].all() and mask[:, -1].all()
    assert inner.sum() == (1030 - 2 * 512) - 1 + (1024 - 1001) - 0 + (600 - 512) - 1


@pytest.mark.parametrize(
    ("count", "expected"), [(None, "abcdef"), (9, "abcdef"), (3, "ace"), (1, "a")]
)
def test_a_limit_spreads_over_the_dataset(count, expected):
    assert "".join(spread("abcdef", count)) == expected


@pytest.mark.parametrize("load", [load_tedbench, load_pie_bench])
def test_a_folder_that_is_no_dataset_says_what_to_do(load, tmp_path):
    with pytest.raises(DatasetError, match=r"has no .*\.json.*github\.com/"):
        load(tmp_path)
    with pytest.raises(DatasetError, match=r"is not a folder.*github\.com/"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["{", "{}", "[]", '"zebra"', "[1]", '[{"img_name": "a.png"}]'])
def test_a_malformed_tedbench_says_what_to_do(tedbench, text):
    (tedbench / "input_list.json").write_text(text)
    with pytest.raises(DatasetError, match="Clone"):
        load_tedbench(tedbench)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_path", None),
        ("image_path", "../mapping_file.json"),
        ("image_path", "0_random_140/none.jpg"),
        ("editing_prompt", ["a", "b"]),
        ("editing_type_id", "10"),
        ("editing_type_id", 5),
        ("mask", None),
        ("mask", [1]),
        ("mask", [512 * 512, 4]),
        ("mask", [-4, 4]),
        ("mask", [1.5, 4]),
    ],
)
def test_a_malformed_pie_bench_says_what_to_do(pie_bench, field, value):
    path = pie_bench / "mapping_file.json"
    entries = json.loads(path.read_text())
    next(iter(entries.values()))[field] = value
    path.write_text(json.dumps(entries))
    with pytest.raises(DatasetError, match="Ask for PIE-Bench"):
        load_pie_bench(pie_bench)


def test_missing_pictures_are_counted(tedbench):
    shutil.rmtree(tedbench / "originals")
    with pytest.raises(DatasetError, match=r"lacks 3 photos of the list: cat_1\.png"):
        load_tedbench(tedbench)


def test_a_broken_picture_is_named(tedbench):
    (tedbench / "originals" / "bird.jpeg").write_bytes(b"no image")
    with pytest.raises(DatasetError, match=r"bird\.jpeg is not an image"):
        load_tedbench(tedbench)[2].photo()
