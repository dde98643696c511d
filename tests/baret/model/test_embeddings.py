"""Textual inversion: a file of each layout teaches a word, and any other is refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import save_file
from torch import nn

from baret import EditOptions, Editor, InversionOptions
from baret.errors import UnsupportedModel
from baret.model.__main__ import main
from baret.model.description import LoadOptions
from baret.model.loading import inspect_model, load_pipeline
from baret.model.stable_diffusion import StableDiffusion
from baret.options import ModelOptions
from tests.support.tiny_models import TEXT_WIDTH, small_photo, tiny_pipeline


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny_pipeline(sample_size=8).save_pretrained(folder)
    return str(folder)


def vectors(count: int, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, TEXT_WIDTH, generator=torch.Generator().manual_seed(seed))


def saved(path: Path, content: Any) -> str:
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path)
    return str(path)


def loaded(model: str, embeddings: str) -> StableDiffusion:
    options = ModelOptions(embeddings=embeddings)
    return StableDiffusion.from_pretrained(model, device="cpu", options=options)


def parameter_dict(tensor: torch.Tensor) -> nn.ParameterDict:
    return nn.ParameterDict({"*": nn.Parameter(tensor)})


def web_ui(tensor: torch.Tensor) -> dict[str, Any]:
    """What the AUTOMATIC1111 UI saves."""
    return {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": tensor},
        "name": "something",
        "step": 500,
        "sd_checkpoint": None,
        "sd_checkpoint_name": None,
    }


LAYOUTS = {
    "web UI's pickle": ("zorp.pt", web_ui),
    "original code's pickle": (
        "zorp.pt",
        lambda t: {
            "string_to_token": {"*": torch.tensor(265)},
            "string_to_param": parameter_dict(t),
        },
    ),
    "diffusers' pickle, one vector": ("zorp.bin", lambda t: {"<cat-toy>": t[0]}),
    "a tensor": ("zorp.pt", lambda t: t),
    "web UI's safetensors": ("zorp.safetensors", lambda t: {"emb_params": t}),
    "diffusers' safetensors": ("zorp.safetensors", lambda t: {"<cat-toy>": t}),
    "half precision": ("zorp.safetensors", lambda t: {"emb_params": t.half()}),
}


@torch.no_grad()
@pytest.mark.parametrize(("name", "layout"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_file_of_each_layout_teaches_its_word(
    name: str, layout: Any, model: str, tmp_path: Path
) -> None:
    content = layout(vectors(3))
    pipeline = load_pipeline(
        model, LoadOptions(embeddings=saved(tmp_path / name, content))
    ).pipeline
    count = 1 if name == "zorp.bin" else 3
    names = ["zorp", "zorp_1", "zorp_2"][:count]
    ids = pipeline.tokenizer.convert_tokens_to_ids(names)
    rows = pipeline.text_encoder.get_input_embeddings().weight[ids]
    torch.testing.assert_close(rows, vectors(3)[:count], rtol=1e-3, atol=1e-3)
    # All others are as before.
    before = tiny_pipeline(sample_size=8).text_encoder.get_input_embeddings().weight
    after = pipeline.text_encoder.get_input_embeddings().weight
    assert torch.equal(after[: len(before)], before)


@torch.no_grad()
def test_a_text_with_the_word_is_read_with_its_vectors(model: str, tmp_path: Path) -> None:
    """The embedding is the text encoder's of a sequence in which the vectors stand."""
    taught = loaded(model, saved(tmp_path / "My-Dog.pt", web_ui(vectors(3))))
    pipeline = tiny_pipeline(sample_size=8)
    ids = pipeline.tokenizer("a photo of x x x on grass", padding="max_length").input_ids
    table = pipeline.text_encoder.get_input_embeddings()
    inputs = table(torch.tensor([ids]))
    inputs[0, 4:7] = vectors(3)
    table.forward = lambda _: inputs  # type: ignore[method-assign]
    expected = pipeline.text_encoder(torch.tensor([ids]))[0][0]
    for text in ("a photo of my-dog on grass", "A photo of MY-DOG on grass"):
        torch.testing.assert_close(taught.embed(text).embedding, expected)
        assert taught.tokens(text)[3:6] == ["My-Dog", "", "</w>"]


def test_the_word_is_found_as_a_whole_word_alone(model: str, tmp_path: Path) -> None:
    taught = loaded(model, saved(tmp_path / "zorp.pt", web_ui(vectors(2))))
    for text in ("a zorp.", "zorp, a cat", "(zorp)", "a zorp"):
        assert "zorp" in taught.tokens(text), text
    for text in ("a zorps", "zorping"):
        assert "zorp" not in taught.tokens(text), text


def test_a_model_without_the_file_reads_as_before(model: str) -> None:
    plain = loaded(model, "")
    pipeline = tiny_pipeline(sample_size=8)
    for text in ("", "a cat on grass", "don't; a 🦓 … " * 40):
        ids = pipeline.tokenizer(
            text, padding="max_length", truncation=True, max_length=77, return_tensors="pt"
        ).input_ids
        expected = pipeline.text_encoder(ids)[0][0]
        torch.testing.assert_close(plain.embed(text).embedding, expected)


def test_an_embedding_is_part_of_the_identity(model: str, tmp_path: Path) -> None:
    one = saved(tmp_path / "zorp.pt", web_ui(vectors(1)))
    two = saved(tmp_path / "blip.pt", web_ui(vectors(1, seed=1)))
    settings = ("", one, two, f"blip={one}", f"{one},{two}", f"blip={one},zorp={two}")
    assert len({loaded(model, setting).identity for setting in settings}) == len(settings)


def test_an_edit_with_the_word_shows_it_once_with_all_its_tokens(
    model: str, tmp_path: Path
) -> None:
    file = saved(tmp_path / "zorp.pt", web_ui(vectors(3)))
    editor = Editor.from_pretrained(model, device="cpu", options=ModelOptions(embeddings=file))
    inversion = InversionOptions(num_inference_steps=2, inner_steps=1)
    options = EditOptions(artifacts=True, inversion=inversion)
    edited = editor.edit(small_photo(), "a zorp cat", options)
    assert [word.word for word in edited.outputs[0].attention] == ["a", "zorp", "cat"]
    assert edited.hints == ()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.pt", web_ui(torch.zeros(2, 768)), "is an embedding for Stable Diffusion 1.x"),
        ("x.pt", web_ui(torch.zeros(2, 1024)), "is an embedding for Stable Diffusion 2.x"),
        ("x.pt", web_ui(torch.zeros(2, 5)), "is an embedding for texts that are 5 wide"),
        (
            "x.safetensors",
            {"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)},
            "is an embedding for Stable Diffusion XL",
        ),
        ("x.bin", {"<a>": vectors(1), "<b>": vectors(1)}, "has 2 tensors instead of one word's"),
        ("x.pt", web_ui(vectors(76)), "has a tensor of shape (76, 32), not vectors"),
        ("x.pt", web_ui(vectors(1) / 0), "has values that are not finite"),
        ("x.pt", "text", "has no vectors"),
        ("x.ckpt", web_ui(vectors(1)), "is not a .safetensors, .pt or .bin file"),
        ("cat.pt", web_ui(vectors(1)), "the model knows 'cat' already"),
        ("two words.pt", web_ui(vectors(1)), "'two words' is not one word"),
    ],
)
def test_a_file_that_is_not_for_this_model_is_refused_with_a_reason(
    name: str, content: Any, said: str, model: str, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel) as refused:
        load_pipeline(model, LoadOptions(embeddings=saved(tmp_path / name, content)))
    assert str(refused.value).startswith("BARET_EMBEDDINGS: ") and said in str(refused.value)


def test_two_files_of_one_word_are_refused(model: str, tmp_path: Path) -> None:
    file = saved(tmp_path / "x.pt", web_ui(vectors(1)))
    problem = inspect_model(model, LoadOptions(embeddings=f"{file},X={file}")).problem
    assert problem == "BARET_EMBEDDINGS: two files teach 'x'. Give one another word: word=path."


def test_the_report_says_what_to_write(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path / "learned_embeds.bin", {"<cat-toy>": vectors(2)})
    assert main(["--embeddings", f"cat-toy={file}", model]) == 0
    said = "  with: embedding learned_embeds.bin: write “cat-toy” in a text (2 tokens)\n"
    assert said in capsys.readouterr().out


def test_a_pipeline_of_diffusers_has_the_words_by_its_own_names(model: str, tmp_path: Path) -> None:
    file = saved(tmp_path / "zorp.pt", web_ui(vectors(2)))
    pipeline: StableDiffusionPipeline = load_pipeline(model, LoadOptions(embeddings=file)).pipeline
    assert pipeline.maybe_convert_prompt("a zorp", pipeline.tokenizer) == "a zorp zorp_1"
