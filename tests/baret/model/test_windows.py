"""Long texts: cut, or read in windows of the text encoder's length whose embeddings are joined."""

import pytest
import torch

from baret import EditOptions, Editor, InversionOptions
from baret.model.__main__ import main
from baret.model.prompts import PromptReader
from baret.model.stable_diffusion import StableDiffusion
from baret.model.tokenizers import clip_tokenizer
from baret.options import ModelOptions, PaperTuning
from tests.support.tiny_models import small_photo, tiny_pipeline

WINDOWS = ModelOptions(long_prompts="windows")
COLOURS = ("red", "green", "blue", "white")
LONG = " ".join(COLOURS[number % 4] for number in range(100))  # a token each


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny_pipeline(sample_size=8).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def editor(model: str) -> Editor:
    return Editor.from_pretrained(model, device="cpu", options=WINDOWS)


def reader(*, length: int = 77, max_windows: int = 4) -> PromptReader:
    return PromptReader(
        clip_tokenizer(pad="!").backend_tokenizer,
        length=length,
        known_words=frozenset(),
        max_windows=max_windows,
    )


def texts(windows: list[list]) -> list[list[str]]:
    return [[token.text.removesuffix("</w>") for token in window] for window in windows]


def test_a_word_is_not_torn_apart_if_it_fits_into_a_window() -> None:
    tokens = reader().tokens("xylophonist")
    assert len(tokens) > 2
    found = reader(length=2 + len(tokens)).windows("a xylophonist of a")
    assert [len(window) for window in found] == [1, len(tokens), 2]
    torn = reader(length=2 + len(tokens) - 1).windows("a xylophonist")
    assert [len(window) for window in torn] == [len(tokens) - 1, 2]


def test_places_skip_the_start_and_end_tokens_of_each_window() -> None:
    assert texts(reader(length=4).windows("a cat a dog a")) == [["a", "cat"], ["a", "dog"], ["a"]]
    assert reader(length=4).places("a cat a dog a") == [1, 2, 5, 6, 9]


def test_what_is_longer_than_all_windows_is_left_out_with_a_hint() -> None:
    short = reader(length=4, max_windows=2)
    assert short.hints("a cat a dog") == ()
    (hint,) = short.hints("a cat a dog on grass")
    assert (hint.code, hint.words) == ("prompt_truncated", ("on", "grass"))
    assert "after “a cat a dog”" in hint.detail


@torch.no_grad()
def test_a_long_text_is_the_joined_embedding_of_its_windows(editor: Editor) -> None:
    pipeline = tiny_pipeline(sample_size=8)
    words = LONG.split()
    rows = [
        pipeline.tokenizer(" ".join(part), padding="max_length", max_length=77).input_ids
        for part in (words[:75], words[75:])
    ]
    expected = pipeline.text_encoder(torch.tensor(rows))[0].flatten(0, 1)
    torch.testing.assert_close(editor.model.embed(LONG).embedding, expected)
    text, empty = editor.model.embed_with_empty(LONG)
    assert text.embedding.shape == empty.embedding.shape == (154, 32)
    torch.testing.assert_close(empty.embedding, editor.model.embed("").embedding.repeat(2, 1))


def test_a_text_that_fits_is_read_as_without_windows(model: str, editor: Editor) -> None:
    plain = StableDiffusion.from_pretrained(model, device="cpu")
    for text in ("", "a cat", " ".join(["cat"] * 75)):
        assert torch.equal(plain.embed(text).embedding, editor.model.embed(text).embedding)
    assert len(plain.embed(LONG).embedding) == 77
    assert [hint.code for hint in plain.hints(LONG)] == ["prompt_truncated"]
    assert editor.model.hints(LONG) == ()
    assert plain.identity != editor.model.identity


@pytest.mark.parametrize("paper", [None, PaperTuning(inner_steps=1)], ids=["ours", "the paper's"])
def test_an_edit_with_a_long_text_shows_every_word_that_is_read(
    paper: PaperTuning | None, editor: Editor
) -> None:
    """Texts are tuned, maps injected and words shown at the length of all windows."""
    inversion = InversionOptions(num_inference_steps=2, inner_steps=1, paper=paper)
    options = EditOptions(
        artifacts=True,
        self_attention_until=0.5,
        cross_attention_until=0.5,
        change_thresholds=None if paper else (0.1, 0.2),
        inversion=inversion,
    )
    edited = editor.edit(small_photo(), LONG, options)
    assert [word.word for word in edited.outputs[0].attention] == LONG.split()
    assert edited.inversion.tuned.shape[1:] == (154, 32)
    assert edited.hints == ()


def test_a_photo_comes_back_with_a_long_text(editor: Editor) -> None:
    """The reconstruction is the photo through the VAE, as with a short text."""
    inversion = InversionOptions(num_inference_steps=2, inner_steps=1)
    long, short = (
        editor.edit(small_photo(), text, EditOptions(inversion=inversion)).reconstruction_psnr
        for text in (LONG, "a cat")
    )
    assert long == pytest.approx(short, abs=0.01)


def test_the_report_says_that_texts_may_be_long(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--long-prompts", "windows", model]) == 0
    said = "  texts: up to 4 windows of the text encoder's length\n"
    assert said in capsys.readouterr().out
    assert main([model]) == 0
    assert "texts: up to" not in capsys.readouterr().out
