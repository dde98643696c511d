"""The parts of the bundled model's training that need no run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from zoo.captions import MAX_TOKENS, WORDS
from zoo.judge import Judge, JudgeNetwork
from zoo.scene import ATTRIBUTES
from zoo.train import card, denoiser, tokenizer
from zoo.train.attention import MatmulAttention
from zoo.train.compiling import compiled
from zoo.train.draws import Batches, Stream, noise, numbers
from zoo.train.files import new_array, replacing
from zoo.train.loop import LoopOptions
from zoo.train.options import TrainOptions, parse


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
        {"size": 48},
        {"size": 16},
        {"size": 1024},
        {"denoiser_batch": 6},
        {"pictures": 8},
        {"unet_channels": (16, 16)},
        {"unet_channels": (16, 24, 32)},
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
    line = "--out here --size 128 --no-compile --unet-channels 32 64 96 --stages vae latents"
    assert parse(line.split()) == TrainOptions(
        out=Path("here"),
        size=128,
        compile=False,
        unet_channels=(32, 64, 96),
        stages=("vae", "latents"),
    )


def test_the_cards_command_can_be_given_again() -> None:
    told = {"init": "folder", "vae_decoder_only": True, "vae_steps": 7}
    command = card._command({"stages": {"vae": {"options": told}}})
    asked = parse(command.removeprefix("python -m zoo.train ").split())
    assert asked == TrainOptions(init=Path("folder"), vae_decoder_only=True, vae_steps=7)


@pytest.mark.parametrize(("size", "levels"), [(32, 2), (64, 3), (128, 4)])
def test_a_larger_picture_gets_a_deeper_vae(size: int, levels: int) -> None:
    assert len(TrainOptions(size=size).vae_channels) == levels


def test_the_rate_warms_up_stays_and_falls_to_nothing() -> None:
    how = LoopOptions(name="x", steps=1000, batch=1, learning_rate=1.0, warmup=10)
    assert [how.rate(step) for step in (0, 9, 749)] == pytest.approx([0.1, 1.0, 1.0])
    assert how.rate(875) == pytest.approx(0.5)
    assert how.rate(999) == pytest.approx(0.004)
    longer = LoopOptions(name="x", steps=2000, batch=1, learning_rate=1.0, warmup=10)
    assert [longer.rate(s) for s in range(750)] == [how.rate(s) for s in range(750)]


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


def test_matmul_attention_is_diffusers_attention() -> None:
    torch.manual_seed(0)
    unet = tiny_unet()
    inputs = torch.randn(2, 4, 8, 8), 500, torch.randn(2, 7, 32)
    with torch.no_grad():
        expected = unet(*inputs).sample
        unet.set_attn_processor(MatmulAttention())
        assert torch.allclose(unet(*inputs).sample, expected, atol=1e-5)


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
