"""`python -m bench.detail.parts --model FOLDER --out FOLDER`: teach a model parts of pictures.

The models of the small world saw only whole pictures of one size. To such a model a tile of a large
photo is nothing it knows, and it draws small animals into it. Stable Diffusion was trained on crops
of larger pictures. This trains a copy of a model on them too, to measure the second pass with a
model that can do it. It wants a GPU.

b batch · S pixels on a side · n tokens · d text width.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from baret.model.loading import BUNDLED
from baret.model.world import FILE
from bench.common.arguments import positive
from bench.common.device import choose_device
from zoo.captions import wording
from zoo.split import training_scene
from zoo.train import rendering
from zoo.train.denoiser import WORDLESS, scheduler, stratified, weights

ENLARGED = 4  # the pictures' sides, in the model's own
WHOLE = 0.3  # share of the pictures that are shown whole
RATE, WARMUP = 3e-4, 200  # of Adam: highest learning rate, steps to it
AVERAGE = 0.999  # decay of the averaged weights a step
BATCH = 256


def main(given: list[str] | None = None) -> None:
    """Train for the given minutes and write a diffusers folder."""
    arguments = _parser().parse_args(given)
    folder = BUNDLED / arguments.model
    folder = folder if folder.is_dir() else Path(arguments.model)
    device = torch.device(choose_device(arguments.device))
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32).to(device)
    native = pipeline.unet.config.sample_size * pipeline.vae_scale_factor
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / "pictures"
    rendering.draw(
        stem,
        training_scene,
        count=arguments.pictures,
        size=ENLARGED * native,
        workers=arguments.processes,
    )
    pictures = np.load(stem.with_suffix(".npy"))
    steps = train(pipeline, pictures, native, 60 * arguments.minutes)
    pipeline.to(dtype=torch.float16).save_pretrained(arguments.out)
    (arguments.out / "words.txt").write_bytes((folder / "words.txt").read_bytes())
    world = json.loads((folder / FILE).read_text("utf-8")) | {"trained_on_parts": True}
    (arguments.out / FILE).write_text(json.dumps(world, indent=2) + "\n", "utf-8")
    for file in arguments.out.glob("pictures*"):
        file.unlink()
    print(f"{steps} steps of {BATCH} pictures")


def train(pipeline: Any, pictures: NDArray[np.uint8], native: int, seconds: float) -> int:
    """Train the UNet in place, and leave its averaged weights there; return the steps done.

    Args:
        pipeline: whose texts and VAE stay as they are.
        pictures: [N, S, S, 3] uint8 of the first training scenes.
        native: the model's own side, in pixels.
        seconds: for how long; the rate falls linearly to 0 over them.
    """
    unet, device = pipeline.unet.train(), pipeline.device
    average = [parameter.detach().clone() for parameter in unet.parameters()]
    adam = torch.optim.AdamW(unet.parameters(), lr=RATE, betas=(0.9, 0.99))
    alphas = scheduler().alphas_cumprod.to(device)
    started, steps = time.monotonic(), 0
    for clean, text in _batches(pipeline, pictures, native):
        left = 1 - (time.monotonic() - started) / seconds
        if left <= 0:
            break
        adam.param_groups[0]["lr"] = RATE * min(left, (steps + 1) / WARMUP)
        loss = _loss(unet, clean, text, alphas)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        adam.zero_grad()
        keep = min(AVERAGE, (1 + steps) / (10 + steps))
        torch._foreach_lerp_(average, [p.detach() for p in unet.parameters()], 1 - keep)
        steps += 1
        if steps % 500 == 0:
            print(f"step {steps}: loss {loss.item():.4f}", flush=True)
    with torch.no_grad():
        for parameter, value in zip(unet.parameters(), average, strict=True):
            parameter.copy_(value)
    return steps


def _loss(unet: Any, clean: Tensor, text: Tensor, alphas: Tensor) -> Tensor:
    """Return the error of v, weighted as in `zoo.train.denoiser`: z_0 [b, 4, h, w], [b, n, d]."""
    timesteps = stratified(len(clean), np.random.default_rng()).to(clean.device)
    share = alphas[timesteps]
    noise, at = torch.randn_like(clean), share[:, None, None, None]
    noisy = at.sqrt() * clean + (1 - at).sqrt() * noise
    wanted = at.sqrt() * noise - (1 - at).sqrt() * clean
    with torch.autocast(clean.device.type, torch.bfloat16):
        predicted = unet(noisy, timesteps, text).sample
    errors = (predicted.float() - wanted).square().mean((1, 2, 3))
    loss: Tensor = (errors * weights(share)).mean()
    return loss


@torch.no_grad()
def _batches(
    pipeline: Any, pictures: NDArray[np.uint8], native: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield latents of pictures and of parts of them, with the whole pictures' texts."""
    rng, vae, device = np.random.default_rng(0), pipeline.vae, pipeline.device
    scenes = [training_scene(index) for index in range(len(pictures))]
    whole = torch.from_numpy(pictures).to(device)
    while True:
        indices = rng.integers(len(scenes), size=BATCH)
        views = torch.cat([_view(whole[int(index)], native, rng) for index in indices])
        latents = vae.encode(views).latent_dist.mode() * vae.config.scaling_factor
        texts = ["" if rng.random() < WORDLESS else wording(scenes[i], rng) for i in indices]
        ids = pipeline.tokenizer(
            texts, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        yield latents, pipeline.text_encoder(ids.to(device))[0]


def _view(picture: Tensor, native: int, rng: np.random.Generator) -> Tensor:
    """Return a picture [S, S, 3], or a square part of it, at the model's own size, −1…1."""
    size = len(picture)
    side = size if rng.random() < WHOLE else int(rng.integers(native, size + 1))
    top, left = (int(rng.integers(size - side + 1)) for _ in range(2))
    part = picture[top : top + side, left : left + side].permute(2, 0, 1)[None].float()
    return interpolate(part / 127.5 - 1, (native, native), mode="bilinear", antialias=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.detail.parts", description=__doc__)
    parser.add_argument("--model", default="zoo", help="bundled name or folder")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new model")
    parser.add_argument("--minutes", type=positive, default=5)
    parser.add_argument("--pictures", type=positive, default=6000)
    parser.add_argument("--processes", type=positive, default=8, help="that render")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    return parser


if __name__ == "__main__":
    main()
