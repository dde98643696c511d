"""The zoo's world: scenes, pictures, captions, the split and the benchmark's edits."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from zoo import split
from zoo.captions import MAX_TOKENS, WORDS, caption, wording
from zoo.edits import BENCHMARK, KINDS, benchmark_edits, tuning_edits
from zoo.judge import Judge
from zoo.render import Placement, Renderer, change_mask, render
from zoo.sample_pictures import FOLDER, SAMPLES, _scene
from zoo.scene import ATTRIBUTES, Scene, labels

SCENE = Scene("dog", "brown", "standing", "on grass", "a photo of", "facing left", 7)


def test_a_scene_with_a_value_that_the_zoo_does_not_know_says_what_it_knows() -> None:
    with pytest.raises(ValueError, match="animal is 'newt'; the zoo knows dog, cat, horse, bird"):
        replace(SCENE, animal="newt")


def test_labels_are_in_the_order_of_the_attributes() -> None:
    assert labels(SCENE) == (0, 0, 0, 0, 0, 0)
    assert labels(replace(SCENE, animal="bird", facing="facing right")) == (3, 0, 0, 0, 0, 1)


@pytest.mark.parametrize("size", [64, 128])
def test_the_same_scene_draws_the_same_picture(size: int) -> None:
    picture = render(SCENE, size)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8
    assert np.array_equal(picture, render(SCENE, size))


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in ATTRIBUTES.items() for value in values[1:]],
)
def test_every_attribute_changes_the_picture(name: str, value: str) -> None:
    assert change_mask(SCENE, replace(SCENE, **{name: value})).mean() > 0.01


@pytest.mark.parametrize("size", [64, 128])
def test_every_pose_of_every_animal_is_drawn_within_the_frame(size: int) -> None:
    for animal in ATTRIBUTES["animal"]:
        for pose in ATTRIBUTES["pose"]:
            scene = replace(SCENE, animal=animal, pose=pose)
            mask = change_mask(scene, replace(scene, colour="white"), size)
            assert mask.mean() > 0.037, (animal, pose)
            assert mask[:, 0].mean() + mask[:, -1].mean() < 0.19, (animal, pose)


@pytest.mark.parametrize("size", [64, 128])
def test_another_place_leaves_the_animal_as_it_was(size: int) -> None:
    animal = change_mask(SCENE, replace(SCENE, colour="white"), size)
    place = change_mask(SCENE, replace(SCENE, place="in snow"), size)
    assert (animal & place).sum() < 0.25 * animal.sum()  # only the anti-aliased edge is in both


@pytest.mark.parametrize("size", [64, 128])
def test_another_colour_changes_nothing_around_the_animal(size: int) -> None:
    silhouette = change_mask(SCENE, replace(SCENE, colour="white"), size)
    assert silhouette.mean() < 0.3
    assert not silhouette[: size * 10 // 64].any()  # the sky


@pytest.mark.parametrize("size", [64, 128])
def test_the_silhouette_is_where_the_coat_is_and_the_shadow_lies_beside_it(size: int) -> None:
    coat = change_mask(SCENE, replace(SCENE, colour="white"), size)
    renderer = Renderer(SCENE, size)
    animal, with_shadow = (renderer.silhouette(shadow=shadow) for shadow in (False, True))
    assert (coat & animal).sum() > 0.85 * (coat | animal).sum()
    shadow = with_shadow & ~animal
    rows = np.arange(size)[:, None] * np.ones(size)
    assert (with_shadow >= animal).all() and 0.005 < shadow.mean() < 0.1
    assert rows[shadow].mean() > rows[animal].mean()


@pytest.mark.parametrize("size", [64, 128])
def test_an_animal_that_is_moved_is_the_same_one_elsewhere(size: int) -> None:
    renderer = Renderer(SCENE, size)
    own, scale = renderer.placement, size // 64
    assert np.array_equal(renderer.picture(), render(SCENE, size))
    moved = Placement(own.x + 4, own.y - 2, own.size)
    there = np.roll(renderer.silhouette(shadow=False), (-2 * scale, 4 * scale), (0, 1))
    assert np.array_equal(renderer.silhouette(moved, shadow=False), there)
    both = renderer.silhouette(shadow=True) | renderer.silhouette(moved, shadow=True)
    changed = (renderer.picture(moved) != renderer.picture()).any(-1)
    assert changed.mean() > 0.1
    assert (
        changed & ~both
    ).sum() < 0.25 * both.sum()  # pixels that an outline covers by less than half


def test_a_smaller_animal_covers_less() -> None:
    renderer = Renderer(SCENE, 64)
    own = renderer.placement
    small, large = (
        renderer.silhouette(Placement(own.x, own.y, size), shadow=False).sum()
        for size in (1.04, 1.24)
    )
    assert small / large == pytest.approx((1.04 / 1.24) ** 2, abs=0.05)


@pytest.mark.parametrize(("small", "large"), [(32, 64), (96, 192)])
def test_another_size_draws_the_same_picture(small: int, large: int) -> None:
    picture = render(SCENE, small).astype(float)
    shrunk = render(SCENE, large).reshape(small, 2, small, 2, 3).mean((1, 3))
    assert np.abs(picture - shrunk).mean() < 1.5


@pytest.mark.parametrize("animal", ATTRIBUTES["animal"])
@pytest.mark.parametrize("pose", ATTRIBUTES["pose"])
def test_a_detailed_animal_stands_where_the_plain_one_does(animal: str, pose: str) -> None:
    scene = replace(SCENE, animal=animal, pose=pose)
    plain = change_mask(scene, replace(scene, colour="white"), 64)
    detailed = change_mask(scene, replace(scene, colour="white"), 128)[::2, ::2]
    assert (plain & detailed).sum() > 0.7 * (plain | detailed).sum()


def test_the_samples_are_what_the_world_draws() -> None:
    for number, (what, pose, place, _) in enumerate(SAMPLES):
        (file,) = [f for f in FOLDER.glob(f"{number:02d}-*.png") if "answer" not in f.name]
        drawn = render(_scene(number, what, pose, place)).astype(int)
        assert np.abs(drawn - np.asarray(Image.open(file))).max() <= 2, file.name


@pytest.mark.parametrize("size", [64, 128])
def test_the_judge_reads_plain_and_detailed_pictures(size: int) -> None:
    scenes = [split.validation_scene(index) for index in range(48)]
    found = Judge.from_pretrained().classify(np.stack([render(s, size) for s in scenes]))
    assert (found == np.array([labels(scene) for scene in scenes])).mean() > 0.99


def test_the_canonical_caption_says_every_attribute() -> None:
    assert caption(SCENE) == "a photo of a brown dog standing on grass, facing left"
    orange = replace(SCENE, colour="orange", style="a sketch of")
    assert caption(orange).startswith("a sketch of an orange dog")


def test_wordings_vary_and_use_no_word_beyond_the_vocabulary_but_noise() -> None:
    rng = np.random.default_rng(0)
    texts = [wording(split.training_scene(i), rng) for i in range(2000)]
    assert len(set(texts)) > 1000
    unknown = [any(w not in WORDS for w in t.replace(",", " ").split()) for t in texts]
    assert 0.05 < np.mean(unknown) < 0.15
    known = [t for t, noisy in zip(texts, unknown, strict=True) if not noisy]
    assert max(len(t.replace(",", " ,").split()) for t in known) + 2 <= MAX_TOKENS
    assert 0.3 < np.mean(["left" in t or "right" in t for t in texts]) < 0.8


def test_a_tenth_of_the_combinations_is_held_out_and_holds_every_value() -> None:
    combinations = split.held_out_combinations()
    assert len(combinations) == 64  # of 4·5·4·4·2
    for place, name in enumerate(split.COMBINED):
        assert {c[place] for c in combinations} == set(ATTRIBUTES[name])


def test_training_never_sees_a_held_out_combination_or_a_reserved_seed() -> None:
    scenes = [split.training_scene(i) for i in range(2000)]
    assert not any(split.held_out(scene) for scene in scenes)
    assert {scene.seed for scene in scenes} <= set(split.TRAINING_SEEDS)
    assert any(split.held_out(split.validation_scene(i)) for i in range(100))
    with pytest.raises(IndexError):
        split.training_scene(len(split.TRAINING_SEEDS))


def test_the_benchmark_is_two_hundred_edits_of_the_stated_kinds() -> None:
    cases = benchmark_edits()
    assert Counter(case.kind for case in cases) == BENCHMARK
    assert len(cases) == 200
    for case in cases:
        assert set(case.changed) <= set(KINDS[case.kind])
        assert len(case.changed) == (2 if case.kind == "two" else 1)
        assert case.before.seed == case.after.seed
        assert case.prompt == caption(case.after) != case.source_caption
    assert np.mean([split.held_out(case.after) for case in cases]) == 0.5


def test_benchmark_and_tuning_share_no_seed_with_each_other_or_with_training() -> None:
    seeds = [{c.before.seed for c in cases} for cases in (benchmark_edits(), tuning_edits())]
    assert all(seed in split.BENCHMARK_SEEDS for seed in seeds[0])
    assert all(seed in split.TUNING_SEEDS for seed in seeds[1])
