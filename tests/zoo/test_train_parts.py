"""The parts of the bundled model's training that need no run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.embeddings import get_timestep_embedding

from zoo.captions import MAX_TOKENS, WORDS
from zoo.judge import Judge, JudgeNetwork
from zoo.scene import ATTRIBUTES
from zoo.train import card, denoiser, growing, tokenizer, vae
from zoo.train.compiling import compiled
from zoo.train.draws import Batches, Stream, noise, numbers
from zoo.train.files import new_array, replacing
from zoo.train.loop import LoopOptions
from zoo.train.options import TrainOptions, parse
from zoo.train.precision import autocast


@pytest.fixture(scope="module")
def words() -> Any:
    return tokenizer.build()


def test_every_word_is_one_token(words: Any) -> None:
    for word in WORDS:
        assert words.tokenize(word) == [f"{word}</w>"]


@pytest.mark.parametrize("text", ["zebra-like, 42!", "żółw €5", "🐕", "A Photo OF a DOG"])
def test_any_text_can_be_told(words: Any, text: str) -> None:
    ids = words(text).input_ids
    assert ids[0] == words.bos_token_id
    assert ids[-1] == words.eos_token_id
    assert words.unk_token_id not in ids[1:-1]
    assert words.tokenize("A Photo OF a DOG") == [
        "a</w>",
        "photo</w>",
        "of</w>",
        "a</w>",
        "dog</w>",
    ]


def test_texts_are_padded_and_cut_to_one_length(words: Any) -> None:
    assert tokenizer.ids(words, ["a dog", "dog " * 99]).shape == (2, MAX_TOKENS)
    assert words.model_max_length == MAX_TOKENS


def test_options_refuse_what_cannot_be_trained() -> None:
    for wrong in (
        {"size": 130},
        {"size": 8, "vae_crop": 8},
        {"size": 1024},
        {"vae_crop": 256},
        {"vae_crop": 30},
        {"latent_channels": 0},
        {"dtype": "float16"},
        {"denoiser_batch": 6},
        {"pictures": 8},
        {"unet_channels": (16, 16, 16, 16, 16, 16, 16)},
        {"unet_channels": (16, 24, 32)},
        {"vae_channels": (24, 32)},
        {"text_width": 40},
        {"stages": ("paint",)},
        {"judged": (1,)},
        {"lean": 1.0},
        {"vae_decoder_only": True},
    ):
        with pytest.raises(ValueError, match=r".+"):
            TrainOptions(**wrong)  # type: ignore[arg-type]


def test_a_command_line_says_the_same_as_the_options() -> None:
    assert parse([]) == TrainOptions()
    line = "--out here --size 64 --no-compile --unet-channels 32 64 96 --stages vae latents"
    assert parse(line.split()) == TrainOptions(
        out=Path("here"),
        size=64,
        compile=False,
        unet_channels=(32, 64, 96),
        stages=("vae", "latents"),
    )


def test_the_recipe_for_a_gpu_is_one_that_can_be_trained() -> None:
    script = Path("bench/zoo_on_gpu.sh").read_text("utf-8").replace("\\\n", " ")
    (line,) = (line for line in script.splitlines() if "$python -m zoo.train" in line)
    words = [w for w in line.split()[3:] if w not in ('"$@"', '"$folder"')]
    words.remove("--out")
    options = parse([*words, "--init", "baret/models/zoo"])
    assert (options.size, options.device, options.dtype) == (128, "cuda", "bfloat16")


def test_the_cards_command_can_be_given_again() -> None:
    told = {"init": "folder", "vae_decoder_only": True, "vae_steps": 7}
    command = card._command({"stages": {"vae": {"options": told}}})
    asked = parse(command.removeprefix("python -m zoo.train ").split())
    assert asked == TrainOptions(init=Path("folder"), vae_decoder_only=True, vae_steps=7)


@pytest.mark.parametrize(
    ("size", "vae_channels", "side", "attends"),
    [
        (64, (32, 64, 96), 16, (True, True, False, False)),
        (128, (32, 64, 96), 32, (False, True, True, False)),
        (128, (32, 64, 96, 128), 16, (True, True, False, False)),
    ],
)
def test_the_unet_attends_at_the_same_places_whatever_the_latents_are(
    size: int, vae_channels: tuple[int, ...], side: int, attends: tuple[bool, ...]
) -> None:
    options = TrainOptions(size=size, vae_channels=vae_channels)
    assert (options.latent_side, options.attends) == (side, attends)


def test_fewer_frequencies_embed_a_timestep_much_the_same() -> None:
    torch.manual_seed(0)
    weight, times = torch.randn(256, 64), torch.arange(0, 1000, 50)
    old = get_timestep_embedding(times, 64, flip_sin_to_cos=True, downscale_freq_shift=0)
    new = get_timestep_embedding(times, 32, flip_sin_to_cos=True, downscale_freq_shift=0)
    thinned = growing._thinned(weight, 32)
    assert thinned.shape == (256, 32)
    assert torch.equal(growing._thinned(weight, 64), weight)
    alike = torch.cosine_similarity(old @ weight.T, new @ thinned.T)
    assert alike.mean() > 0.7  # the weights of neighbours are nothing alike here


def test_parts_of_pictures_are_parts_of_pictures() -> None:
    images = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).view(2, 3, 8, 8)
    parts = vae.cropped(images, 4, np.random.default_rng(0))
    for image, part in zip(images, parts, strict=True):
        windows = image.unfold(1, 4, 1).unfold(2, 4, 1)  # [3, 5, 5, 4, 4]
        same = (windows == part[:, None, None]).all(-1).all(-1).all(0)
        assert same.sum() == 1
    assert vae.cropped(images, 8, np.random.default_rng(0)) is images


@pytest.mark.parametrize(("dtype", "half"), [("float32", False), ("bfloat16", True)])
def test_the_products_are_of_the_type_that_was_asked_for(dtype: str, half: bool) -> None:
    with autocast(TrainOptions(dtype=dtype), torch.device("cpu")):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert (product.dtype == torch.bfloat16) is half


def test_a_cpu_without_bfloat16_is_left_with_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in (False, True):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        with autocast(TrainOptions(), torch.device("cpu")):
            assert torch.is_autocast_enabled("cpu") is has


def rate(how: LoopOptions, step: int) -> float:
    return how.rate(step, how.done(step, 0.0))


def test_a_time_limit_takes_the_place_of_the_steps() -> None:
    how = LoopOptions(name="x", steps=10, batch=1, learning_rate=1.0, warmup=1, time_limit=100.0)
    assert [how.done(step, seconds) for step, seconds in [(50, 0), (50, 25), (1, 101)]] == [
        0,
        0.25,
        1,
    ]
    assert [how.rate(50, done) for done in (0, 0.75, 1)] == [1, 1, 0]


def test_the_rate_warms_up_stays_and_falls_to_nothing() -> None:
    how = LoopOptions(name="x", steps=1000, batch=1, learning_rate=1.0, warmup=10)
    assert [rate(how, step) for step in (0, 9, 749)] == pytest.approx([0.1, 1.0, 1.0])
    assert rate(how, 875) == pytest.approx(0.5)
    assert rate(how, 999) == pytest.approx(0.004)
    longer = LoopOptions(name="x", steps=2000, batch=1, learning_rate=1.0, warmup=10)
    assert [rate(longer, s) for s in range(750)] == [rate(how, s) for s in range(750)]


def test_each_round_shows_every_picture_once() -> None:
    batches = Batches(10, 5, 0, Stream.VAE)
    rounds = [np.concatenate([batches.indices(2 * i), batches.indices(2 * i + 1)]) for i in (0, 1)]
    assert all(sorted(shown) == list(range(10)) for shown in rounds)
    assert list(rounds[0]) != list(rounds[1])
    assert list(Batches(10, 5, 0, Stream.VAE).indices(3)) == list(rounds[1][5:])


def test_draws_depend_on_seed_stage_and_step_alone() -> None:
    one = torch.randn(3, generator=noise(0, Stream.VAE, 1))
    assert torch.equal(one, torch.randn(3, generator=noise(0, Stream.VAE, 1)))
    for other in (noise(1, Stream.VAE, 1), noise(0, Stream.JUDGE, 1), noise(0, Stream.VAE, 2)):
        assert not torch.equal(one, torch.randn(3, generator=other))
    assert numbers(0, Stream.VAE, 1).random() == numbers(0, Stream.VAE, 1).random()


def test_timesteps_are_spread_and_rise() -> None:
    steps = denoiser.stratified(8, np.random.default_rng(0)).tolist()
    assert [step // 125 for step in steps] == list(range(8))


def test_clear_pictures_weigh_less() -> None:
    alphas = torch.tensor([0.99, 0.9, 0.5, 0.01])
    assert denoiser.weights(alphas).tolist() == pytest.approx([0.05, 0.5, 1, 1])


def test_the_reader_pulls_apart_texts_that_mean_different_things() -> None:
    torch.manual_seed(0)
    reader, text = denoiser.Reader(32), torch.randn(2, 5, 32)
    text[1] = text[0] + 0.01 * torch.randn(5, 32)  # all but the same embedding
    text.requires_grad_(True)
    labels = torch.zeros(2, len(ATTRIBUTES), dtype=torch.int64)
    labels[1, -1] = 1
    adam = torch.optim.Adam([text, *reader.parameters()], lr=0.05)
    for _ in range(60):
        adam.zero_grad()
        loss = reader(text, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
    assert loss < 0.1
    cosine = torch.cosine_similarity(text[0].mean(0), text[1].mean(0), dim=0)
    assert cosine < 0.95  # 1 at first


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    with pytest.raises(RuntimeError), new_array(tmp_path / "a.npy", (2,), np.int64):
        raise RuntimeError
    assert not (tmp_path / "a.npy").exists()


def test_a_folder_takes_the_place_of_a_full_one(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with replacing(tmp_path / "folder") as draft:
            draft.mkdir()
            (draft / name).touch()
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["two"]


def test_a_judge_is_small_and_comes_back_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    judge = Judge(JudgeNetwork())
    shown = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), np.uint8)
    judge.save(tmp_path / "judge.safetensors")
    assert (tmp_path / "judge.safetensors").stat().st_size < 2_000_000
    again = Judge.from_pretrained(tmp_path / "judge.safetensors")
    assert (again.classify(shown) == judge.classify(shown)).all()
    assert judge.classify(shown[:, :32, :32]).shape == (5, len(ATTRIBUTES))


@pytest.mark.slow  # a minute of C++ compilation
@pytest.mark.parametrize("kind", ["unet", "vae"])
def test_compiled_gradients_are_the_plain_ones(kind: str) -> None:
    torch.manual_seed(0)
    if kind == "unet":
        module: Any = tiny_unet()
        inputs: tuple[Any, ...] = (torch.randn(2, 4, 16, 16), 500, torch.randn(2, 7, 32))
    else:
        module, inputs = tiny_vae(), (torch.randn(2, 3, 32, 32),)
    module = module.to(memory_format=torch.channels_last)

    def gradients(run: Any) -> torch.Tensor:
        module.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            output = run(*inputs).sample
        weights = torch.linspace(-1, 1, output.numel()).view(output.shape)
        (output.float() * weights).mean().backward()
        return torch.cat([p.grad.flatten() for p in module.parameters()])

    plain = gradients(module)
    ours = gradients(compiled(module))
    assert torch.nn.functional.cosine_similarity(plain, ours, dim=0) > 0.995
    assert float(ours.norm()) == pytest.approx(float(plain.norm()), rel=0.05)


def tiny_unet() -> Any:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def tiny_vae() -> Any:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(16, 32),
        latent_channels=4,
        norm_num_groups=16,
        mid_block_add_attention=False,
    )
