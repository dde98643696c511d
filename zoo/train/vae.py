"""Trains the VAE, which maps pictures to latents and back.

b batch · S pixels on a side · c channels and h pixels on a side of the latents.
"""

from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from zoo.train import draws, pictures
from zoo.train.compiling import compiled
from zoo.train.draws import Batches, Stream
from zoo.train.files import replacing
from zoo.train.loop import Loop, LoopOptions
from zoo.train.options import TrainOptions
from zoo.train.precision import autocast, layout

KL = 2e-4  # weight of the KL per latent value; the other losses are per pixel value
FIRST_LOG_VARIANCE = -6.0  # of an untrained VAE's posterior
GRADIENT = 0.5  # weight of the gradient error
SQUARED = (2.0, 10.0)  # weight of the squared error, at the start and at the end
MEASURED = 64  # validation pictures
WHITENED = 1_000  # training pictures whose latents get mean 0, std 1
ENCODED = 100  # pictures per call


def build(options: TrainOptions) -> Any:
    """Build an untrained AutoencoderKL, or load the one to start from.

    Raises:
        ValueError: the VAE to start from does not have the options' channels.
    """
    if options.init is not None:
        return _started(options, options.init)
    torch.manual_seed(options.seed)
    levels = len(options.vae_channels)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=options.vae_channels,
        layers_per_block=1,
        latent_channels=options.latent_channels,
        norm_num_groups=16,
        sample_size=options.size,
        mid_block_add_attention=False,  # this world does not need it, and it is slow
        scaling_factor=1.0,  # `whiten` gives the latents std 1
    )
    # With the usual 0, the first latents are all noise, and the decoder learns to ignore them. Then
    # the encoder learns nothing either (posterior collapse).
    nn.init.constant_(vae.quant_conv.bias[options.latent_channels :], FIRST_LOG_VARIANCE)
    return vae


def _started(options: TrainOptions, folder: Path) -> Any:
    """Load the VAE of an exported folder, for pictures of the options' size."""
    vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=torch.float32)
    found = (tuple(vae.config.block_out_channels), vae.config.latent_channels)
    if found != (options.vae_channels, options.latent_channels):
        raise ValueError(
            f"The VAE to start from has channels {found[0]} and latents of {found[1]}: give "
            "vae_channels and latent_channels its own."
        )
    vae.register_to_config(sample_size=options.size)
    return vae


class Errors(nn.Module):
    """The parts of the VAE's loss, as one module to compile."""

    def __init__(self, vae: Any):
        super().__init__()
        self.vae = vae

    def forward(self, images: Tensor, noise: Tensor) -> Tensor:
        """Return [4]: absolute, squared and gradient error per pixel value, KL per latent value.

        Args:
            images: [b, 3, S, S], −1…1.
            noise: [b, c, h, h], standard normal.
        """
        moments = self.vae.quant_conv(self.vae.encoder(images)).float()
        mean, log_variance = moments.chunk(2, 1)
        log_variance = log_variance.clamp(-30, 20)
        latents = mean + (0.5 * log_variance).exp() * noise
        rebuilt = self.vae.decoder(self.vae.post_quant_conv(latents)).float()
        error = rebuilt - images
        across, down = error.diff(dim=-1).abs().mean(), error.diff(dim=-2).abs().mean()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        return torch.stack([error.abs().mean(), error.square().mean(), across + down, kl])


class VaeTask:
    """Trains on absolute, squared and gradient error with a little KL."""

    def __init__(self, options: TrainOptions, device: torch.device):
        """Build the VAE from the seed."""
        self._options, self._device = options, device
        self.vae = build(options).to(device, memory_format=layout(device)).train()
        for part in (self.vae.encoder, self.vae.quant_conv):
            part.requires_grad_(not options.vae_decoder_only)
        self.modules: dict[str, nn.Module] = {"vae": self.vae}
        errors = Errors(self.vae)
        self._errors: Any = compiled(errors) if options.compile else errors
        self._training, self._validation = pictures.training(options), pictures.validation(options)
        self._batches = Batches(options.pictures, options.vae_batch, options.seed, Stream.VAE)

    def loss(self, step: int, done: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum and, for the log, its parts."""
        options = self._options
        images = self._training.batch(self._batches.indices(step), self._device)
        images = cropped(images, options.vae_crop, draws.numbers(options.seed, Stream.VAE, step))
        side = options.vae_crop // options.factor
        shape = (len(images), options.latent_channels, side, side)
        noise = torch.randn(shape, generator=draws.noise(options.seed, Stream.VAE, step))
        images, noise = (
            x.to(self._device, memory_format=layout(self._device)) for x in (images, noise)
        )
        with autocast(options, self._device):
            absolute, squared, gradient, kl = self._errors(images, noise)
        # PSNR measures the squared error, but early on it would favour blurred pictures.
        late = max(0.0, 2 * done - 1)
        weight = SQUARED[0] + (SQUARED[1] - SQUARED[0]) * late
        loss = absolute + weight * squared + GRADIENT * gradient + KL * kl
        return loss, {"absolute": absolute, "squared": squared, "gradient": gradient, "kl": kl}

    def measure(self, step: int) -> dict[str, float]:
        """Measure the mean PSNR of validation pictures, in dB."""
        return {"psnr": round(psnr(self.vae, self._validation.pixels[:MEASURED]), 3)}


def cropped(images: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """Crop each of the pictures [b, 3, S, S] at a random position to [b, 3, side, side].

    A VAE sees only a few dozen pixels far, so a crop teaches it nearly as much as a whole picture.
    """
    if side == images.shape[-1]:
        return images
    corners = rng.integers(0, images.shape[-1] - side + 1, (len(images), 2))
    parts = [
        image[:, top : top + side, left : left + side]
        for image, (top, left) in zip(images, corners, strict=True)
    ]
    return torch.stack(parts)


def psnr(vae: Any, pixels: Any) -> float:
    """Return the mean PSNR of reconstructions of pictures [b, S, S, 3] uint8, in dB."""
    rebuilt = reconstruct(vae, pixels)
    errors = np.square(rebuilt.astype(np.float64) - pixels).mean((1, 2, 3))
    return float((10 * np.log10(255**2 / np.maximum(errors, 1e-9))).mean())


@torch.no_grad()
def reconstruct(vae: Any, pixels: Any) -> Any:
    """Encode and decode pictures; both sides are [b, S, S, 3] uint8."""
    parts = []
    for start in range(0, len(pixels), ENCODED):
        images = pictures.to_images(pixels[start : start + ENCODED], vae.device)
        parts.append(pictures.to_pixels(vae.decode(encode(vae, images)).sample))
    return np.concatenate(parts)


@torch.no_grad()
def encode(vae: Any, images: Tensor) -> Tensor:
    """Encode pictures [b, 3, S, S], −1…1, to the means of their latents, [b, c, h, h]."""
    means: Tensor = vae.encode(images).latent_dist.mode()
    return means


@torch.no_grad()
def whiten(vae: Any, images: list[Tensor]) -> None:
    """Give each latent channel mean 0 and std 1 over these pictures; keep reconstructions the same.

    The affine map is folded into `quant_conv` and its inverse into `post_quant_conv`: with
    z' = (z − μ)/σ, the decoder's W z + b is (W σ) z' + (b + W μ).
    """
    latents = torch.cat([encode(vae, batch) for batch in images]).double()
    mean, std = latents.mean((0, 2, 3)).float(), latents.std((0, 2, 3)).float()
    channels = len(mean)
    before, after = vae.quant_conv, vae.post_quant_conv
    before.bias[:channels] = (before.bias[:channels] - mean) / std
    before.bias[channels:] -= 2 * std.log()  # the second half is log σ²
    before.weight[:channels] /= std[:, None, None, None]
    after.bias += (after.weight[:, :, 0, 0] * mean).sum(1)
    after.weight *= std[None, :, None, None]


def path(options: TrainOptions) -> Path:
    """Return the path of the run's VAE."""
    return options.out / "vae"


def load(options: TrainOptions, device: torch.device) -> Any:
    """Load the run's trained VAE in float32."""
    vae = AutoencoderKL.from_pretrained(path(options), torch_dtype=torch.float32)
    return vae.eval().to(device, memory_format=torch.channels_last)


def train(options: TrainOptions, device: torch.device, stop: Event) -> dict[str, float]:
    """Train the VAE, whiten its latents and write it.

    Returns:
        PSNR of the written VAE on validation pictures.
    """
    task = VaeTask(options, device)
    how = LoopOptions(
        name="vae",
        steps=options.vae_steps,
        batch=options.vae_batch,
        learning_rate=options.vae_rate,
        time_limit=options.vae_seconds,
        warmup=100,
        decay=0.6,  # most of the last decibels come while the rate falls
        average=0.998,
        checkpoint_seconds=options.checkpoint_seconds,
        measure_seconds=options.sheet_seconds,
    )
    loop = Loop(task, how, options.out)
    loop.run(stop)
    training, count = pictures.training(options), min(WHITENED, options.pictures)
    with loop.averaged(), replacing(path(options)) as draft:
        if not options.vae_decoder_only:
            starts = range(0, count, ENCODED)
            indices = [np.arange(i, min(i + ENCODED, count)) for i in starts]
            whiten(task.vae, [training.batch(some, device) for some in indices])
        numbers = task.measure(loop.step)
        task.vae.save_pretrained(draft)
    return numbers
