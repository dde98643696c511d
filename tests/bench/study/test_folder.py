import json
import re
from itertools import pairwise

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bench.study import folder, pairs
from bench.study.errors import FolderError
from bench.study.folder import Study
from tests.bench.study.one_colour import METHODS, colour


def _pixel(study, name):
    with Image.open(study.image(name)) as image:
        return image.getpixel((0, 0))


def test_the_key_says_which_image_is_whose(study):
    key = study.key()
    for pair in study.pairs:
        for name in (pair.left, pair.right):
            entry = key[name]
            number = int(entry.edit.removeprefix("e"))
            assert _pixel(study, name) == colour(number, 1 + METHODS.index(entry.method))
            assert _pixel(study, pair.photo) == colour(number, 0)
            assert pair.prompt == f"the sentence of {entry.edit}"


def test_nothing_but_the_key_names_a_method(study):
    for path in study.folder.rglob("*"):
        if path.is_file() and path.name != folder.KEY:
            for method in METHODS:
                assert method.encode() not in path.read_bytes()
                assert method not in path.name


def test_names_are_random_and_the_same_for_the_same_seed(tmp_path, edits):
    def names(seed, to):
        drawn = pairs.draw(edits, 12, seed)
        return set(folder.write(tmp_path / to, drawn, seed, {}).key())

    first = names(0, "a")
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in first)
    assert names(0, "b") == first
    assert not names(1, "c") & first


def test_the_images_of_a_method_do_not_sort_together(tmp_path, edits):
    study = folder.write(tmp_path / "s", pairs.draw(edits, 72, 0), 0, {})
    methods = [entry.method for _, entry in sorted(study.key().items())]
    changes = sum(a != b for a, b in pairwise(methods))
    assert changes > len(methods) / 2  # expected: 3/4


def test_an_image_keeps_no_metadata(tmp_path, edits, photographs):
    from bench.study.photographs import load_photographs

    about = PngInfo()
    about.add_text("Software", "ours")
    Image.new("RGB", (32, 32)).save(photographs / "edits" / "ours" / "a.png", pnginfo=about)
    source = load_photographs(photographs)
    study = folder.write(tmp_path / "s", pairs.draw(source.edits, 2, 0), 0, {})
    for path in (study.folder / folder.IMAGES).iterdir():
        assert Image.open(path).info == {}


def test_a_folder_in_use_is_not_written_into(study, edits):
    with pytest.raises(FolderError, match="not empty"):
        folder.write(study.folder, pairs.draw(edits, 1, 0), 0, {})


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(FolderError, match="prepare"):
        Study(tmp_path)
    (tmp_path / folder.STUDY).write_text(json.dumps({"pairs": [{"pair": 1}]}))
    with pytest.raises(FolderError, match="damaged"):
        Study(tmp_path)
