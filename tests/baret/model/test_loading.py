import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from baret import Editor, InversionOptions
from baret.errors import ModelNotFound, UnsupportedModel
from baret.model.layout import CONFIGS
from baret.model.loading import BUNDLED
from baret.model.stable_diffusion import StableDiffusion
from baret.model.tokenizers import clip_tokenizer
from tests.support.hub import load_by_hub_id


@pytest.fixture(scope="module")
def zoo() -> Path:
    return BUNDLED / "zoo"


@pytest.fixture
def folder(zoo, tmp_path) -> Path:
    """Return a copy of the bundled model that a test may damage."""
    return Path(shutil.copytree(zoo, tmp_path / "my-model"))


def change(path: Path, **values: object) -> None:
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | values))


def test_the_bundled_model_says_what_it_is(editor):
    model = editor.model
    assert (model.native_size, model.multiple, model.licence) == (128, 4, "apache-2.0")
    assert model.dtype == torch.float32
    assert len(model.identity) == 64


def test_a_diffusers_folder_loads_and_has_the_identity_of_its_weights(editor, folder):
    assert Editor.from_pretrained(str(folder), device="cpu").model.identity == editor.model.identity


def test_other_weights_or_another_dtype_have_another_identity(editor, folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["conv_in.bias"] += 1
    save_file(tensors, weights)
    changed = StableDiffusion.from_pretrained(str(folder), device="cpu")
    half = StableDiffusion.from_pretrained("zoo", device="cpu", dtype="bfloat16")
    assert len({editor.model.identity, changed.identity, half.identity}) == 3


def test_bfloat16_runs_and_stays_near_float32(editor, sample):
    options = InversionOptions(num_inference_steps=4, inner_steps=0)
    half = Editor.from_pretrained("zoo", device="cpu", dtype="bfloat16")
    exact = editor.invert(sample.image, sample.prompt, options)
    rough = half.invert(sample.image, sample.prompt, options)
    assert rough.pivots.dtype == torch.float32
    drift = (rough.pivots - exact.pivots).square().mean().sqrt() / exact.pivots.std()
    assert drift < 0.05  # measured 0.02


def test_v_prediction_gives_the_noise_that_diffusers_scheduler_gives(folder):
    change(folder / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    model = StableDiffusion.from_pretrained(str(folder), device="cpu")
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 16, 16, generator=generator)
    text = model.embed("a photo of a dog").embedding[None]
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    scheduler.set_timesteps(10)
    schedule = model.schedule(10)
    for level in (10, 5, 1):
        t = schedule.timestep(level)
        with torch.no_grad():
            v = model.unet(latents, t, encoder_hidden_states=text).sample
            noise = model.predict_noise(latents, [t], text)
        theirs = scheduler.step(v, t, latents).prev_sample
        ours = schedule.step(latents, noise, level=level)
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_folders_words_are_those_of_its_list_in_any_case(folder):
    (folder / "words.txt").write_text("Cat\n\n dog \r\n", "utf-8")
    model = StableDiffusion.from_pretrained(str(folder), device="cpu")
    assert model.unknown_words("a cat, a Dog and a bird") == ("a", "and", "bird")


def test_a_folder_without_a_list_of_words_knows_every_word(folder):
    (folder / "words.txt").unlink()
    model = StableDiffusion.from_pretrained(str(folder), device="cpu")
    assert model.unknown_words("an astronaut") == ()


def test_a_list_of_words_that_is_no_text_is_refused(folder):
    (folder / "words.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnsupportedModel, match=r"words\.txt"):
        StableDiffusion.from_pretrained(str(folder), device="cpu")


@pytest.mark.parametrize("name", ["model.ckpt", "model.pt", "pytorch_model.bin"])
def test_a_pickle_is_refused_unopened(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x80\x04would run code")
    with pytest.raises(UnsupportedModel, match="pickle"):
        Editor.from_pretrained(str(tmp_path / name))


def test_a_folder_with_pickled_weights_is_refused(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UnsupportedModel, match="pickles are not opened"):
        Editor.from_pretrained(str(folder))


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(UnsupportedModel, match="model_index"):
        Editor.from_pretrained(str(tmp_path))


def test_broken_weights_are_refused(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(UnsupportedModel, match="not a readable safetensors file"):
        Editor.from_pretrained(str(folder))


def test_a_file_that_is_no_whole_stable_diffusion_is_refused(tmp_path):
    save_file({"lora_up.weight": torch.zeros(2)}, tmp_path / "lora.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(UnsupportedModel, match="is a LoRA"):
        Editor.from_pretrained(str(tmp_path / "lora.safetensors"))
    with pytest.raises(UnsupportedModel, match="not a readable"):
        Editor.from_pretrained(str(tmp_path / "broken.safetensors"))


def test_an_unknown_name_is_answered_with_what_can_be_given():
    with pytest.raises(ModelNotFound, match=r"bundled name \(zoo\).*hub id"):
        Editor.from_pretrained("no such model")


def test_an_unreachable_hub_is_answered_with_what_to_set(tmp_path):
    printed = load_by_hub_id(HF_HOME=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:9").stdout
    assert printed.startswith("ModelNotFound some-org/some-model")
    for setting in ("BARET_MODEL", "HF_HOME", "HF_ENDPOINT", "HF_TOKEN"):
        assert setting in printed


def test_a_hub_id_in_the_local_cache_loads_without_the_hub(editor, zoo, tmp_path):
    home = tmp_path / "hub" / "models--some-org--some-model"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    shutil.copytree(zoo, home / "snapshots" / commit)
    printed = load_by_hub_id(HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1").stdout
    assert printed.strip() == editor.model.identity


def test_the_clip_tokenizer_splits_text_as_published():
    # Token ids of CLIP's tokenizer (openai/clip-vit-large-patch14): start, words, end, padding.
    tokenizer = clip_tokenizer(pad="<|endoftext|>")
    ids = tokenizer("a photo of a cat", padding="max_length", max_length=10).input_ids
    assert ids == [49406, 320, 1125, 539, 320, 2368, 49407, 49407, 49407, 49407]
    assert clip_tokenizer(pad="!").pad_token_id == 0


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_every_single_file_configuration_describes_real_classes(family):
    config = CLIPTextConfig.from_pretrained(CONFIGS / family / "text_encoder")
    unet = json.loads((CONFIGS / family / "unet" / "config.json").read_text())
    assert config.hidden_size == unet["cross_attention_dim"]
    index = json.loads((CONFIGS / family / "model_index.json").read_text())
    assert index["_class_name"] == StableDiffusionPipeline.__name__
    with torch.device("meta"):
        assert CLIPTextModel(config).config.vocab_size == 49408
