import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from baret.model.loading import BUNDLED, read_known_words
from baret.model.prompts import PromptReader
from baret.model.tokenizers import clip_tokenizer
from tests.support.sentences import DESCRIPTIONS, INSTRUCTIONS

SAMPLES = Path(__file__).parents[3] / "zoo" / "samples"
KNOWN = frozenset({"a", "cat", "dog", "on", "grass", "photo", "of", "café"})


def clip_reader(*, length: int = 77, known_words: frozenset[str] = KNOWN) -> PromptReader:
    return PromptReader(
        clip_tokenizer(pad="!").backend_tokenizer, length=length, known_words=known_words
    )


@pytest.fixture(scope="module")
def reader() -> PromptReader:
    return clip_reader()


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a cat on grass", ()),
        ("", ()),
        (" ... !? ", ()),
        ("a photo of an astronaut", ("an", "astronaut")),
        ("zebra, Moon and zebra; MOON", ("zebra", "moon", "and")),
        ("A CAT. On-grass! (photo)", ()),
        ("the “cat” of 'dog'", ("the",)),
        ("a dog's grass, a dog’s grass", ()),
        ("don’t, don't", ("don't",)),
        ("cafe\u0301 café", ()),
        ("3 cats 3", ("3", "cats")),
        ("a 🦓 on grass", ("🦓",)),
        ("हिन्दी 猫", ("हिन्दी", "猫")),
        ("a\ncat\ton\u00a0mars", ("mars",)),
    ],
)
def test_words_outside_the_vocabulary_are_told_once_in_the_texts_order(reader, prompt, unknown):
    assert reader.unknown_words(prompt) == unknown


def test_a_model_of_an_open_vocabulary_knows_every_word():
    assert clip_reader(known_words=frozenset()).unknown_words("astronaut") == ()
    assert clip_reader(known_words=frozenset()).hints("astronaut") == ()


def test_a_text_that_is_read_whole_and_known_has_no_hints(reader):
    assert reader.hints("a photo of a cat on grass.") == ()


@pytest.mark.parametrize("prompt", INSTRUCTIONS)
def test_an_instruction_is_told_apart_from_a_description(prompt):
    (hint,) = clip_reader(known_words=frozenset()).hints(prompt)
    assert hint.code == "looks_like_instruction"
    assert len(hint.words) == 1 and hint.words[0] in prompt.lower().replace("’", "'")


@pytest.mark.parametrize("prompt", DESCRIPTIONS)
def test_a_description_is_not_taken_for_an_instruction(prompt):
    assert clip_reader(known_words=frozenset()).hints(prompt) == ()


def test_the_hint_names_the_unknown_words(reader):
    (hint,) = reader.hints("a photo of Zebra")
    assert (hint.code, hint.words) == ("unknown_words", ("zebra",))
    assert "“zebra”" in hint.detail


def test_a_text_longer_than_the_model_reads_is_told_with_where_it_was_cut_and_what_was_lost():
    reader = clip_reader(length=2 + 3)
    (hint,) = reader.hints("a photo of a dog")
    assert (hint.code, hint.words) == ("prompt_truncated", ("a", "dog"))
    assert "after “a photo of”" in hint.detail


def test_a_text_that_just_fits_or_loses_its_full_stop_alone_is_not_cut():
    assert clip_reader(length=2 + 3).hints("a photo of") == ()
    assert clip_reader(length=2 + 3).hints("a photo of ...") == ()


def test_a_word_that_is_read_in_part_is_lost():
    whole = clip_reader(known_words=frozenset()).tokens("a xylophonist")
    assert len(whole) > 2  # the word has several tokens
    (hint,) = clip_reader(length=2 + len(whole) - 1, known_words=frozenset()).hints("a xylophonist")
    assert hint.words == ("xylophonist",)
    assert "after “a”" in hint.detail
    (hint,) = clip_reader(length=2 + 1, known_words=frozenset()).hints("xylophonist")
    assert "within its first word" in hint.detail


def test_accents_written_apart_do_not_move_the_cut():
    (hint,) = clip_reader(length=2 + 3).hints("cafe\u0301 cafe\u0301 cafe\u0301 dog")
    assert hint.words == ("dog",)


def test_hints_of_a_long_foreign_text_stay_short(reader):
    hints = reader.hints(" ".join(f"w{number}x" for number in range(200)))
    assert [hint.code for hint in hints] == ["unknown_words", "prompt_truncated"]
    assert all(len(hint.words) == 20 and len(hint.detail) < 300 for hint in hints)
    assert re.search(r"“w4x” and 195 more", hints[0].detail)
    (unknown, _) = reader.hints("猫" * 1000)
    assert unknown.words == ("猫" * 39 + "…",)


def test_tokens_end_where_the_model_stops_reading():
    assert clip_reader(length=2 + 2).tokens("a photo of a dog") == ["a</w>", "photo</w>"]


def test_a_readers_settings_are_its_own():
    tokenizer = clip_tokenizer(pad="!")
    reader = PromptReader(tokenizer.backend_tokenizer, length=77, known_words=KNOWN)
    assert len(tokenizer("a cat", padding="max_length", max_length=77).input_ids) == 77
    assert reader.tokens("a cat") == ["a</w>", "cat</w>"]
    assert tokenizer.backend_tokenizer.padding is not None


def test_several_threads_may_read(reader):
    prompts = [f"a zebra{number} " * 100 for number in range(50)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(reader.hints, prompts)) == [reader.hints(p) for p in prompts]


def test_the_bundled_model_knows_the_words_of_its_world_and_no_others(editor):
    model = editor.model
    assert model.unknown_words("A sketch of an orange horse that is lying down in the snow.") == ()
    hints = model.hints(
        "a photo of an astronaut riding a spaceship in the snow, looking to the left"
    )
    assert [(hint.code, hint.words) for hint in hints] == [
        ("unknown_words", ("astronaut", "riding", "spaceship")),
        # Its tokenizer spells unknown words out, so 30 tokens are soon used up.
        ("prompt_truncated", ("to", "the", "left")),
    ]


def test_every_sample_is_within_the_bundled_models_words_and_length(editor):
    assert read_known_words(BUNDLED / "zoo")
    samples = json.loads((SAMPLES / "index.json").read_text())
    assert samples
    assert [editor.model.hints(sample["prompt"]) for sample in samples] == [()] * len(samples)
