import json

import pytest
from PIL import Image

from bench.study.errors import SourceError
from bench.study.photographs import load_photographs


def test_a_method_has_the_edits_that_its_folder_has(photographs):
    edits = load_photographs(photographs).edits
    assert [(edit.id, edit.prompt, sorted(edit.edited)) for edit in edits] == [
        ("a", "a photo of a", ["ours", "theirs"]),
        ("b", "a photo of b", ["ours", "theirs"]),
        ("c", "a photo of c", ["ours"]),
    ]
    assert edits[0].photo().getpixel((9, 9))[2] > 250  # blue
    assert edits[0].edited["ours"]().getpixel((9, 9)) == (255, 0, 0)


def test_methods_can_be_chosen(photographs):
    assert set(load_photographs(photographs, ["theirs"]).edits[0].edited) == {"theirs"}
    with pytest.raises(SourceError, match=r"edits/others is missing"):
        load_photographs(photographs, ["others"])


def _without_prompts(mine):
    (mine / "prompts.json").unlink()


def _prompts_that_are_not_json(mine):
    (mine / "prompts.json").write_text("a: b")


def _an_empty_prompt(mine):
    (mine / "prompts.json").write_text(json.dumps({"a": " ", "b": "b", "c": "c"}))


def _an_edit_without_a_prompt(mine):
    (mine / "prompts.json").write_text(json.dumps({"a": "a", "b": "b"}))


def _an_edit_without_a_photo(mine):
    (mine / "photos" / "c.jpg").unlink()


def _two_images_of_one_id(mine):
    Image.new("RGB", (32, 32)).save(mine / "photos" / "a.png")


def _a_method_without_images(mine):
    (mine / "edits" / "empty").mkdir()


@pytest.mark.parametrize(
    ("breaking", "message"),
    [
        (_without_prompts, r"prompts\.json is missing"),
        (_prompts_that_are_not_json, "not JSON"),
        (_an_empty_prompt, "no sentence for some ids: a"),
        (_an_edit_without_a_prompt, "edits/ours has edits without a prompt: c"),
        (_an_edit_without_a_photo, "lacks photos of edits: c"),
        (_two_images_of_one_id, r"two images of a: a\.jpg and a\.png"),
        (_a_method_without_images, "empty has no images"),
    ],
)
def test_what_is_missing_is_named(photographs, breaking, message):
    breaking(photographs)
    with pytest.raises(SourceError, match=message):
        load_photographs(photographs)


def test_a_file_that_is_no_image_is_named(photographs):
    (photographs / "photos" / "b.jpg").write_text("not an image")
    with pytest.raises(SourceError, match=r"b\.jpg cannot be read"):
        load_photographs(photographs).edits[1].photo()
