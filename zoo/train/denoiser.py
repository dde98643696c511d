"""UNet and text encoder, trained together to predict the noise.

b batch · n tokens · d text width.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from zoo.captions import MAX_TOKENS, wording
from zoo.split import training_scene
from zoo.train import draws, latents, tokenizer
from zoo.train.attention import MatmulAttention
from zoo.train.compiling import compiled
from zoo.train.draws import Batches, Stream
from zoo.train.loop import Loop, LoopOptions
from zoo.train.options import LATENT_CHANNELS, LATENT_SIDE, TrainOptions

NAME = "denoiser"
TIMESTEPS = 1000
MIN_SNR = 5.0  # arXiv 2303.09556; see `weights`
WORDLESS = 0.1  # share of empty captions, for classifier-free guidance


def scheduler() -> Any:
    """Stable Diffusion's noise, and its way of walking through it."""
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def build_unet(options: TrainOptions) -> Any:
    """An untrained UNet, or the one to start from."""
    if options.init is not None:
        return UNet2DConditionModel.from_pretrained(
            options.init / "unet", torch_dtype=torch.float32
        )
    torch.manual_seed(options.seed)
    return UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=options.unet_channels,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=options.text_width,
        attention_head_dim=4,  # diffusers' name for the number of heads
        norm_num_groups=16,
    )


def build_text_encoder(options: TrainOptions, words: Any) -> Any:
    """An untrained text encoder for a tokenizer, or the one to start from."""
    if options.init is not None:
        return CLIPTextModel.from_pretrained(options.init / "text_encoder", dtype=torch.float32)
    torch.manual_seed(options.seed + 1)
    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=options.text_width,
        intermediate_size=4 * options.text_width,
        projection_dim=options.text_width,
        num_hidden_layers=options.text_layers,
        num_attention_heads=options.text_width // 32,
        max_position_embeddings=MAX_TOKENS,
        hidden_act="gelu",
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return CLIPTextModel(config)


class DenoiserTask:
    """ε-prediction under classifier-free guidance's dropout, weighted by the noise level."""

    def __init__(
        self,
        options: TrainOptions,
        device: torch.device,
        show: "Callable[[DenoiserTask, int], None]",
    ):
        """Its UNet and text encoder, from the seed; `show` is called now and then."""
        self._options, self._device, self._show = options, device, show
        self.words = tokenizer.load(options)
        self.unet = build_unet(options).to(device, memory_format=torch.channels_last).train()
        self.unet.set_attn_processor(MatmulAttention())
        self.text_encoder = build_text_encoder(options, self.words).to(device).train()
        self.text_encoder.set_attn_implementation("eager")
        self.modules: dict[str, nn.Module] = {
            "unet": self.unet,
            "text_encoder": self.text_encoder,
        }
        self._predict: Any = compiled(self.unet) if options.compile else self.unet
        self._alphas: Tensor = scheduler().alphas_cumprod
        self._latents = latents.load(options)
        self._scenes = [training_scene(index) for index in range(options.pictures)]
        self._batches = Batches(
            options.pictures, options.denoiser_batch, options.seed, Stream.DENOISER
        )

    def loss(self, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted error; for the log the plain one of each quarter of the timesteps."""
        indices, seed = self._batches.indices(step), self._options.seed
        rng = draws.numbers(seed, Stream.DENOISER, step)
        clean = torch.from_numpy(self._latents[indices]).float()
        noise = torch.randn(clean.shape, generator=draws.noise(seed, Stream.DENOISER, step))
        timesteps = stratified(len(indices), rng)
        alphas = self._alphas[timesteps]
        share = alphas[:, None, None, None]
        noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
        ids = tokenizer.ids(self.words, [self._text(int(i), rng) for i in indices])
        predicted = self._predicted(noisy, timesteps, ids)
        errors = (predicted - noise.to(self._device)).square().mean((1, 2, 3))  # [b]
        loss = (errors * weights(alphas).to(self._device)).mean()
        quarters = errors.view(4, -1).mean(1)  # the timesteps rise within the batch
        return loss, {f"quarter_{i + 1}": quarter for i, quarter in enumerate(quarters)}

    def _text(self, index: int, rng: np.random.Generator) -> str:
        return "" if rng.random() < WORDLESS else wording(self._scenes[index], rng)

    def _predicted(self, noisy: Tensor, timesteps: Tensor, ids: Tensor) -> Tensor:
        device = self._device
        with torch.autocast(device.type, torch.bfloat16):
            text = self.text_encoder(ids.to(device))[0]  # [b, n, d]
            inputs = noisy.to(device, memory_format=torch.channels_last)
            output: Tensor = self._predict(inputs, timesteps.to(device), text).sample
        return output.float()

    def measure(self, step: int) -> dict[str, float]:
        """A small contact sheet; nothing for the log."""
        self._show(self, step)
        return {}


def stratified(count: int, rng: np.random.Generator) -> Tensor:
    """Timesteps, one of each of `count` equal parts of all, rising; [count] int64."""
    places = (np.arange(count) + rng.random(count)) / count
    return torch.from_numpy((places * TIMESTEPS).astype(np.int64)).clamp(max=TIMESTEPS - 1)


def weights(alphas: Tensor) -> Tensor:
    """min(1/√SNR, 5/SNR) of ᾱ, the weights for predicted noise.

    The second term is min-SNR's (arXiv 2303.09556, section 3.4). Its weight of 1 where SNR < 5 is a
    weight of SNR for the predicted picture, next to nothing in the noisiest quarter; but there
    alone the text decides where an animal faces. After 115,000 pictures it had not been learned at
    all, and animals had two heads. With √SNR instead it is.
    """
    ratio = alphas / (1 - alphas)
    return torch.minimum(ratio.rsqrt(), MIN_SNR / ratio)


def checkpoint(options: TrainOptions) -> Path:
    """Where a run keeps its denoiser."""
    return options.out / f"{NAME}.pt"


def load_averaged(options: TrainOptions) -> tuple[Any, Any, int]:
    """The UNet and the text encoder with averaged weights, and the steps behind them."""
    unet, text_encoder = build_unet(options), build_text_encoder(options, tokenizer.load(options))
    state = torch.load(checkpoint(options), map_location="cpu", weights_only=True)
    tensors = [*unet.state_dict().values(), *text_encoder.state_dict().values()]
    with torch.no_grad():
        for tensor, value in zip(
            [t for t in tensors if t.is_floating_point()], state["average"], strict=True
        ):
            tensor.copy_(value)
    return unet, text_encoder, state["step"]


def train(
    options: TrainOptions,
    device: torch.device,
    stop: Event,
    show: Callable[[DenoiserTask, int], None],
) -> None:
    """Train UNet and text encoder; the checkpoint is the result.

    Args:
        options: of the run.
        device: where.
        stop: set to end early, with a checkpoint.
        show: called now and then with the task, its averaged weights in place, and the step.
    """
    how = LoopOptions(
        name=NAME,
        steps=options.denoiser_steps,
        batch=options.denoiser_batch,
        learning_rate=options.denoiser_rate,
        checkpoint_seconds=options.checkpoint_seconds,
        measure_seconds=options.sheet_seconds,
    )
    Loop(DenoiserTask(options, device, show), how, options.out).run(stop)
