"""The bundled model's training, end to end at tiny sizes: results, resuming, export."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from baret.model.stable_diffusion import StableDiffusion
from zoo.captions import WORDS, caption
from zoo.split import training_scene, validation_scene
from zoo.train import denoiser, export, latents, pictures, vae
from zoo.train.files import read_json
from zoo.train.judge import JudgeTask
from zoo.train.loop import Loop, LoopOptions, Stopped, Task, progress
from zoo.train.options import TrainOptions
from zoo.train.run import run

CPU = torch.device("cpu")
THREADS = torch.get_num_threads()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainOptions:
    """A run of a few steps, all its stages done."""
    options = TrainOptions(
        out=tmp_path_factory.mktemp("run"),
        size=32,
        threads=1,
        compile=False,
        pictures=16,
        validation=8,
        judge_steps=2,
        judge_batch=4,
        vae_steps=2,
        vae_batch=2,
        denoiser_steps=2,
        denoiser_batch=4,
        vae_channels=(16, 32),
        vae_crop=16,
        unet_channels=(16, 16, 32),
        text_width=32,
        text_layers=1,
        sheet_seconds=0.0,
        judged=(2, 1),
    )
    run(options, Event())
    torch.set_num_threads(THREADS)
    return options


def denoiser_task(options: TrainOptions) -> Task:
    return denoiser.DenoiserTask(options, CPU, lambda task, step: None)


TASKS = {
    "judge": lambda options: JudgeTask(options, CPU),
    "vae": lambda options: vae.VaeTask(options, CPU),
    "denoiser": denoiser_task,
}


def test_every_stage_leaves_its_result(trained: TrainOptions) -> None:
    results = {path.name for path in trained.out.iterdir()}
    assert results >= {
        *("training.npy", "validation.npy", "judge.safetensors", "vae", "latents.npy"),
        *("tokenizer", "denoiser.pt", "metrics.jsonl", "run.json", "model"),
        *("loss.png", "seen.png", "held_out.png", "reconstructions.png", "sheets"),
    }
    assert [path.name for path in sorted((trained.out / "sheets").iterdir())] == [
        "000001.png",
        "000002.png",
    ]


def test_a_finished_run_is_not_done_again(trained: TrainOptions) -> None:
    def written() -> dict[str, int]:
        files = [p for p in trained.out.iterdir() if p.name not in ("model", "run.json")]
        return {p.name: p.stat().st_mtime_ns for p in files}

    before = written()
    run(trained, Event())
    torch.set_num_threads(THREADS)
    assert written() == before


def test_the_exported_folder_is_a_stable_diffusion_for_diffusers(trained: TrainOptions) -> None:
    folder = trained.out / "model"
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    picture = pipeline("a photo of a brown dog", num_inference_steps=2, output_type="np").images[0]
    assert picture.shape == (32, 32, 3)
    assert np.isfinite(picture).all()
    config = pipeline.scheduler.config
    assert (config.steps_offset, config.set_alpha_to_one, config.clip_sample) == (1, False, False)


def test_the_exported_folder_is_a_model_for_baret(trained: TrainOptions) -> None:
    model = StableDiffusion.from_pretrained(str(trained.out / "model"), device="cpu")
    assert (model.native_size, model.licence) == (32, "apache-2.0")
    assert model.tokens("a gray kitten")[1] == "gray</w>"
    latent = model.encode(pictures.validation(trained).pixels[0].copy())
    embedding = model.embed(caption(validation_scene(0)))
    with torch.no_grad():
        predicted = model.predict_noise(latent[None], [500], embedding[None])
    assert predicted.shape == (1, 4, 16, 16)
    assert model.decode(latent).shape == (32, 32, 3)


def test_the_exported_folder_says_what_it_is(trained: TrainOptions) -> None:
    folder = trained.out / "model"
    card = (folder / "README.md").read_text("utf-8")
    assert card.startswith("---\nlicense: apache-2.0\n")
    assert "| held-out captions, guidance 7.5 |" in card
    assert "--vae-steps 2" in card
    assert str(trained.out) not in card
    assert tuple((folder / "words.txt").read_text("utf-8").split()) == WORDS
    for weights in folder.rglob("*.safetensors"):
        assert weights.stat().st_mode & 0o444 == 0o444, "readable for all"


def test_the_exported_weights_are_the_averaged_ones_in_half(trained: TrainOptions) -> None:
    unet, _, steps = denoiser.load_averaged(trained)
    exported, _ = export.as_exported(trained)
    assert steps == 2
    for ours, theirs in zip(unet.parameters(), exported.unet.parameters(), strict=True):
        assert torch.equal(ours.half().float(), theirs)


def test_a_model_can_be_exported_before_its_denoiser_has_begun(
    trained: TrainOptions, tmp_path: Path
) -> None:
    shutil.copytree(trained.out, tmp_path / "run")
    (tmp_path / "run" / "denoiser.pt").unlink()
    exported, steps = export.as_exported(replace(trained, out=tmp_path / "run"))
    assert steps == 0
    start = denoiser.build_unet(trained)
    for ours, theirs in zip(start.parameters(), exported.unet.parameters(), strict=True):
        assert torch.equal(ours.half().float(), theirs)


@pytest.mark.parametrize("name", TASKS)
def test_a_resumed_training_is_the_same_training(
    trained: TrainOptions, tmp_path: Path, name: str
) -> None:
    how = LoopOptions(name=name, steps=4, batch=4, learning_rate=1e-3, warmup=1)
    for folder in ("straight", "resumed"):
        (tmp_path / folder).mkdir()
    straight = Loop(TASKS[name](trained), how, tmp_path / "straight")
    straight.run(Event())
    Loop(TASKS[name](trained), how, tmp_path / "resumed").run(Event(), until=2)
    resumed = Loop(TASKS[name](trained), how, tmp_path / "resumed")
    assert resumed.step == 2
    resumed.run(Event())
    logged = [(tmp_path / f / "metrics.jsonl").read_text("utf-8") for f in ("straight", "resumed")]
    means = [[json.loads(line)["loss"] for line in lines.splitlines()] for lines in logged]
    assert means[0][0] == pytest.approx(np.mean(means[1]), abs=1e-4), "of two steps each"
    states = [torch.load(loop.checkpoint, weights_only=True) for loop in (straight, resumed)]
    for state in states:
        del state["seconds"]
    assert_equal(*states)


def assert_equal(one: object, other: object) -> None:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list) and isinstance(other, list):
        for a, b in zip(one, other, strict=True):
            assert_equal(a, b)
    else:
        assert one == other


def test_a_run_asked_to_stop_leaves_a_checkpoint(trained: TrainOptions, tmp_path: Path) -> None:
    how = LoopOptions(name="vae", steps=9, batch=2, learning_rate=1e-3)
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        Loop(vae.VaeTask(trained, CPU), how, tmp_path).run(stop)
    assert progress(tmp_path, "vae")[0] == 1


def test_more_steps_lengthen_a_finished_training(trained: TrainOptions, tmp_path: Path) -> None:
    shutil.copytree(trained.out, tmp_path / "run")
    longer = replace(trained, out=tmp_path / "run", denoiser_steps=3, stages=("denoiser",))
    run(longer, Event())
    torch.set_num_threads(THREADS)
    assert progress(longer.out, "denoiser")[0] == 3
    run(replace(longer, export_only=tmp_path / "model"), Event())
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert "Not measured at this step" in card, "the figures were of another step"


def test_an_exported_folder_can_be_the_start(trained: TrainOptions, tmp_path: Path) -> None:
    export.write(trained, tmp_path / "model")
    warm = replace(trained, init=tmp_path / "model")
    unet, text_encoder, _ = denoiser.load_averaged(trained)
    task = denoiser.DenoiserTask(warm, CPU, lambda task, step: None)
    for ours, theirs in ((unet, task.unet), (text_encoder, task.text_encoder)):
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.equal(one.half().float(), other)
    shown = pictures.validation(trained).pixels[:2]
    started = vae.build(warm).eval()
    assert vae.psnr(started, shown) == pytest.approx(vae.psnr(vae.load(trained, CPU), shown), abs=1)


def test_the_decoder_alone_can_be_trained_on(trained: TrainOptions, tmp_path: Path) -> None:
    export.write(trained, tmp_path / "model")
    shutil.copytree(trained.out, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "vae")
    (tmp_path / "run" / "vae.pt").unlink()
    options = replace(
        trained,
        out=tmp_path / "run",
        init=tmp_path / "model",
        vae_decoder_only=True,
        stages=("vae",),
    )
    run(options, Event())
    torch.set_num_threads(THREADS)
    before, after = vae.build(options).eval(), vae.load(options, CPU)
    images = pictures.training(options).batch(np.arange(2), CPU)
    assert torch.equal(vae.encode(before, images), vae.encode(after, images))
    changed = zip(before.decoder.parameters(), after.decoder.parameters(), strict=True)
    assert any(not torch.equal(one, other) for one, other in changed)


def test_a_run_on_larger_latents_can_start_from_an_exported_folder(
    trained: TrainOptions, tmp_path: Path
) -> None:
    export.write(trained, tmp_path / "model")
    larger = replace(
        trained, out=tmp_path, init=tmp_path / "model", size=64, unet_channels=(16, 16, 16, 32)
    )
    unet, old = denoiser.build_unet(larger), denoiser.load_averaged(trained)[0]
    assert unet.config.sample_size == 32
    mine, theirs = unet.down_blocks[3].state_dict(), old.down_blocks[2].state_dict()
    assert all(torch.equal(mine[name], tensor.half().float()) for name, tensor in theirs.items())
    assert vae.build(larger).config.sample_size == 64


def test_what_does_not_fit_is_no_start(trained: TrainOptions, tmp_path: Path) -> None:
    export.write(trained, tmp_path / "model")
    with pytest.raises(ValueError, match="unet_channels"):
        denoiser.build_unet(replace(trained, init=tmp_path / "model", unet_channels=(32, 32, 64)))
    with pytest.raises(ValueError, match="vae_channels"):
        vae.build(replace(trained, init=tmp_path / "model", latent_channels=8))


def test_a_leaning_run_sees_one_side_more_often(trained: TrainOptions) -> None:
    task = denoiser.DenoiserTask(replace(trained, lean=0.9), CPU, lambda task, step: None)
    rng, all_of_them = np.random.default_rng(0), np.arange(trained.pictures)
    shown = np.concatenate([task._leaning(all_of_them, rng) for _ in range(50)])
    right = np.array([training_scene(int(i)).facing == "facing right" for i in shown])
    assert right.mean() > 0.85


def test_latents_are_white(trained: TrainOptions) -> None:
    values = latents.load(trained).astype(np.float64)
    assert values.mean((0, 2, 3)) == pytest.approx(0, abs=0.01)
    assert values.std((0, 2, 3)) == pytest.approx(1, abs=0.01)


def test_whitening_leaves_pictures_and_noise_as_they_are(trained: TrainOptions) -> None:
    coder = vae.load(trained, CPU)
    with torch.no_grad():  # latents that are far from white
        coder.quant_conv.weight.mul_(3)
        coder.quant_conv.bias.add_(1)
    images = pictures.training(trained).batch(np.arange(4), CPU)
    with torch.no_grad():
        before = coder.encode(images).latent_dist
        rebuilt = coder.decode(before.mode()).sample
        vae.whiten(coder, [images])
        after = coder.encode(images).latent_dist
        assert torch.allclose(coder.decode(after.mode()).sample, rebuilt, atol=1e-4)
    ratio = before.std / before.mean.std((0, 2, 3), keepdim=True)
    assert torch.allclose(after.std / after.mean.std((0, 2, 3), keepdim=True), ratio, rtol=1e-3)


def test_the_record_tells_time_and_figures_of_the_stages(trained: TrainOptions) -> None:
    stages = read_json(export.record(trained))["stages"]
    assert stages["vae"]["seconds"] > 0
    assert stages["vae"]["figures"].keys() == {"psnr"}
    assert stages["figures"]["figures"]["seen_5"].keys() >= {"animal", "all"}
