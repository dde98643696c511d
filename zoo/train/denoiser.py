"""Trains the UNet and the text encoder together to predict v.

b batch · n tokens · d text width · A attributes.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel

from zoo.captions import MAX_TOKENS, wording
from zoo.scene import ATTRIBUTES, labels
from zoo.split import training_scene
from zoo.train import draws, latents, tokenizer
from zoo.train.ahead import Ahead
from zoo.train.compiling import compiled
from zoo.train.draws import Batches, Stream
from zoo.train.growing import grown
from zoo.train.loop import Loop, LoopOptions
from zoo.train.options import TrainOptions
from zoo.train.precision import autocast

log = logging.getLogger(__name__)
NAME = "denoiser"
TIMESTEPS = 1000
WEIGHT = 5.0  # maximum weight of the predicted picture's squared error; see `weights`
READING = 0.1  # weight of the reader's loss
SHARPNESS = 10.0  # of the reader: logits are cosines times this
TIME_WIDTH = 256  # of the UNet's timestep embedding
WORDLESS = 0.1  # share of empty captions, for classifier-free guidance


def scheduler() -> Any:
    """Return a DDIM scheduler with Stable Diffusion's noise schedule."""
    return DDIMScheduler(
        num_train_timesteps=TIMESTEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def build_unet(options: TrainOptions) -> Any:
    """Build a UNet: untrained, or with all the weights of `options.init`'s UNet that fit.

    Raises:
        ValueError: the UNet to start from has different widths.
    """
    torch.manual_seed(options.seed)
    levels = options.attends
    down = ("CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in levels)
    up = ("CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(levels))
    unet = UNet2DConditionModel(
        sample_size=options.latent_side,
        in_channels=options.latent_channels,
        out_channels=options.latent_channels,
        block_out_channels=options.unet_channels,
        layers_per_block=1,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        cross_attention_dim=options.text_width,
        attention_head_dim=4,  # diffusers' name for the number of heads
        norm_num_groups=16,
        time_embedding_dim=TIME_WIDTH,
    )
    if options.init is not None:
        old = UNet2DConditionModel.from_pretrained(options.init / "unet", torch_dtype=torch.float32)
        share = grown(unet, old) / sum(p.numel() for p in unet.parameters())
        log.info("%.1f %% of the UNet's weights come from %s", 100 * share, options.init.name)
    return unet


def build_text_encoder(options: TrainOptions, words: Any) -> Any:
    """Build an untrained text encoder for a tokenizer, or load the one to start from."""
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


class Reader(nn.Module):
    """Reads the scene's attributes from a text's embedding; used only in training.

    The UNet attends mostly to the tokens after the words, where the encoder gathers the text's
    meaning. A word without meaning yet is not gathered, and a word that is not gathered never gains
    a meaning: "facing left" and "facing right" ended up with the same embedding. So the encoder is
    also trained like CLIP's, to separate texts by the direction of their embeddings (arXiv
    2103.00020), but against the attributes instead of pictures.
    """

    def __init__(self, width: int):
        super().__init__()
        self.directions = nn.ParameterList(
            nn.Parameter(torch.randn(len(values), width) / width**0.5)
            for values in ATTRIBUTES.values()
        )

    def forward(self, text: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy over attributes and rows: text [b, n, d], labels [b, A]."""
        gathered = functional.normalize(text.float().mean(1), dim=-1)  # [b, d]
        losses = [
            functional.cross_entropy(
                SHARPNESS * gathered @ functional.normalize(directions, dim=-1).T, labels[:, i]
            )
            for i, directions in enumerate(self.directions)
        ]
        return torch.stack(losses).mean()


@dataclass(frozen=True)
class Batch:
    """A step's pictures, texts and random numbers, on the CPU.

    Attributes:
        clean: latents [b, c, h, h], float16.
        noise: of the same shape, float32.
        timesteps: [b] int64, rising.
        ids: of the texts' tokens, [b, n] int64.
        labels: of the scenes, [b, A] int64.
    """

    clean: Tensor
    noise: Tensor
    timesteps: Tensor
    ids: Tensor
    labels: Tensor


class DenoiserTask:
    """Trains v-prediction (arXiv 2202.00512) with caption dropout for classifier-free guidance.

    In pure noise, v is the picture, and there the text decides everything. If two captions differ
    in where the animal faces, knowing which one applies lowers a picture's expected error at
    t = 999 from .31 to .26 of its variance. A model that predicted ε had not learned this after
    145,000 pictures, weighted for it or not, and drew animals with two heads: it must reproduce the
    noise to within .15 % before the picture counts.
    """

    def __init__(
        self,
        options: TrainOptions,
        device: torch.device,
        show: "Callable[[DenoiserTask, int], None]",
    ):
        """Build the UNet and the text encoder from the seed; `measure` calls `show`."""
        self._options, self._device, self._show = options, device, show
        self.words = tokenizer.load(options)
        self.unet = build_unet(options).to(device, memory_format=torch.channels_last).train()
        self.text_encoder = build_text_encoder(options, self.words).to(device).train()
        self.text_encoder.set_attn_implementation("eager")
        torch.manual_seed(options.seed + 2)
        self.modules: dict[str, nn.Module] = {
            "unet": self.unet,
            "text_encoder": self.text_encoder,
            "reader": Reader(options.text_width).to(device),
        }
        self._predict: Any = compiled(self.unet) if options.compile else self.unet
        self._alphas: Tensor = scheduler().alphas_cumprod
        self._latents = latents.load(options)
        self._scenes = [training_scene(index) for index in range(options.pictures)]
        self._labels = np.array([labels(scene) for scene in self._scenes])
        self._right = np.array([scene.facing == "facing right" for scene in self._scenes])
        self._batches = Batches(
            options.pictures, options.denoiser_batch, options.seed, Stream.DENOISER
        )
        self._batch = Ahead(self._drawn)

    def loss(self, step: int, done: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss and, for the log, the unweighted error per quarter of the timesteps."""
        batch, device = self._batch(step), self._device
        alphas = self._alphas[batch.timesteps]
        share = alphas[:, None, None, None].to(device)
        clean, noise = (x.to(device).float() for x in (batch.clean, batch.noise))
        noisy = share.sqrt() * clean + (1 - share).sqrt() * noise
        wanted = share.sqrt() * noise - (1 - share).sqrt() * clean  # v
        predicted, text = self._predicted(noisy, batch.timesteps, batch.ids)
        said = batch.ids[:, 1] != self.words.eos_token_id  # empty captions have nothing to read
        rows, seen = said.nonzero()[:, 0].to(device), batch.labels[said].to(device)
        # A small batch may contain only empty captions, and the mean over no rows is NaN.
        reading = self.modules["reader"](text[rows], seen) if said.any() else text.sum() * 0
        errors = (predicted - wanted).square().mean((1, 2, 3))  # [b]
        loss = (errors * weights(alphas).to(device)).mean()
        quarters = errors.view(4, -1).mean(1)  # the timesteps rise within the batch
        numbers = {f"quarter_{i + 1}": quarter for i, quarter in enumerate(quarters)}
        return loss + READING * reading, numbers | {"reading": reading}

    def _drawn(self, step: int) -> Batch:
        indices, seed = self._batches.indices(step), self._options.seed
        rng = draws.numbers(seed, Stream.DENOISER, step)
        indices = self._leaning(indices, rng)
        clean = torch.from_numpy(self._latents[indices])
        noise = torch.randn(clean.shape, generator=draws.noise(seed, Stream.DENOISER, step))
        timesteps = stratified(len(indices), rng)
        ids = tokenizer.ids(self.words, [self._text(int(i), rng) for i in indices])
        return Batch(clean, noise, timesteps, ids, torch.from_numpy(self._labels[indices]))

    def _leaning(self, indices: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Replace a share `lean` of the batch's left-facing pictures with right-facing ones.

        In a world that is its own mirror image, the words for a direction mean nothing until the
        model can tell left from right, and left and right mean nothing until it reads the words.
        A world that leans to one side teaches the model the sides first. The words can then turn
        the animal round; once they do, the rest of the training is balanced.
        """
        if not self._options.lean:
            return indices
        exchanged = ~self._right[indices] & (rng.random(len(indices)) < self._options.lean)
        others = rng.choice(np.flatnonzero(self._right), len(indices))
        return np.where(exchanged, others, indices)

    def _text(self, index: int, rng: np.random.Generator) -> str:
        return "" if rng.random() < WORDLESS else wording(self._scenes[index], rng)

    def _predicted(self, noisy: Tensor, timesteps: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        device = self._device
        with autocast(self._options, device):
            text = self.text_encoder(ids.to(device))[0]  # [b, n, d]
            inputs = noisy.to(device, memory_format=torch.channels_last)
            output: Tensor = self._predict(inputs, timesteps.to(device), text).sample
        return output.float(), text

    def measure(self, step: int) -> dict[str, float]:
        """Draw a small contact sheet; it adds no numbers to the log."""
        self._show(self, step)
        return {}


def stratified(count: int, rng: np.random.Generator) -> Tensor:
    """Draw one timestep from each of `count` equal intervals, in rising order; [count] int64."""
    places = (np.arange(count) + rng.random(count)) / count
    return torch.from_numpy((places * TIMESTEPS).astype(np.int64)).clamp(max=TIMESTEPS - 1)


def weights(alphas: Tensor) -> Tensor:
    """Return min(1, 5 (1 − ᾱ)), the weights for the squared error of v.

    Unweighted, v's error is 1/(1 − ᾱ) times the picture's: nearly 1 in pure noise, and unbounded as
    the noise clears. The bound keeps the last steps from dominating the gradient, like that of
    min-SNR (arXiv 2303.09556).
    """
    return (WEIGHT * (1 - alphas)).clamp(max=1)


def checkpoint(options: TrainOptions) -> Path:
    """Return the path of the run's denoiser checkpoint."""
    return options.out / f"{NAME}.pt"


def load_averaged(options: TrainOptions) -> tuple[Any, Any, int]:
    """Load the UNet and the text encoder with averaged weights, and the number of steps done.

    Before the first checkpoint, return the initial weights and 0 steps.
    """
    unet, text_encoder = build_unet(options), build_text_encoder(options, tokenizer.load(options))
    if not checkpoint(options).is_file():
        return unet, text_encoder, 0
    state = torch.load(checkpoint(options), map_location="cpu", weights_only=True)
    tensors = [*unet.state_dict().values(), *text_encoder.state_dict().values()]
    wanted = [t for t in tensors if t.is_floating_point()]
    with torch.no_grad():  # the reader's weights come after these
        for tensor, value in zip(wanted, state["average"][: len(wanted)], strict=True):
            tensor.copy_(value)
    return unet, text_encoder, state["step"]


def train(
    options: TrainOptions,
    device: torch.device,
    stop: Event,
    show: Callable[[DenoiserTask, int], None],
) -> None:
    """Train the UNet and the text encoder; the checkpoint is the result.

    Args:
        options: options of the run.
        device: device to train on.
        stop: set it to end early, with a checkpoint.
        show: called at intervals with the task, its averaged weights in place, and the step.
    """
    Loop(DenoiserTask(options, device, show), loop_options(options), options.out).run(stop)


def loop_options(options: TrainOptions) -> LoopOptions:
    """Return the settings of the denoiser's training."""
    return LoopOptions(
        name=NAME,
        steps=options.denoiser_steps,
        batch=options.denoiser_batch,
        learning_rate=options.denoiser_rate,
        time_limit=options.denoiser_seconds,
        checkpoint_seconds=options.checkpoint_seconds,
        measure_seconds=options.sheet_seconds,
    )
